// What many rounds of something leave in the memory of both languages.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { shareProbe, type Probe } from './probe.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

interface Memory {
  heap: number
  external: number
  blocks: number
}

interface Left extends Memory {
  count: number
}

/** What is in use on both sides once the garbage is gone. */
async function measure(probe: Probe): Promise<Memory> {
  const { blocks } = await probe.memory()
  // Finalizers run between collections, on a busy machine later ones: until nothing more is freed.
  for (let round = 0, before = Infinity; round < 20; round++) {
    collect()
    await new Promise(setImmediate)
    const { heapUsed: now } = process.memoryUsage()
    if (round >= 4 && now > before - 1024) {
      break
    }
    before = now
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return { heap: heapUsed, external: external + arrayBuffers, blocks: Math.min(blocks, (await probe.memory()).blocks) }
}

/** How often something is done many times: at least, and at most where it seems to leave something. */
const TIMES = { least: 3, most: 8 }

/**
 * Does something many times, several times over, and tells the least that each time left behind.
 *
 * @param settled waits for what the rounds have begun and did not wait for
 */
async function leftPerRound(
  probe: Probe,
  count: number,
  round: (index: number) => Promise<unknown>,
  settled: () => Promise<void> = async () => {},
): Promise<Left> {
  const all: Memory[] = []
  const least = (key: keyof Memory) =>
    Math.min(...all.slice(1).map((memory, index) => memory[key] - all[index]![key])) / count
  for (;;) {
    for (let start = 0; start < count; start += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => round(start + index)))
    }
    await settled()
    all.push(await measure(probe))
    // What is compiled, cached and pooled grows now and then; what leaks grows every time.
    const left = { heap: least('heap'), external: least('external'), blocks: least('blocks'), count }
    if (all.length >= TIMES.least && (isFlat(left) || all.length === TIMES.most)) return left
  }
}

/** Less than the smallest object that could be kept for a request, and the noise of a heap. */
function isFlat({ heap, external, blocks, count }: Left): boolean {
  return heap < 64 + 2 ** 18 / count && external < 64 && blocks < 0.2 + 300 / count
}

export const flat = (t: { true(actual: boolean, message?: string): void }, left: Left) => {
  t.true(isFlat(left), JSON.stringify(left))
}

/** The measure of a file of tests, and the probe that it asks. */
export function shareMemory(): { probe: Probe; leftPerRound: OfRounds } {
  const probe = shareProbe()
  return { probe, leftPerRound: (count, ...rest) => leftPerRound(probe, count, ...rest) }
}

type OfRounds = (
  count: number,
  round: (index: number) => Promise<unknown>,
  settled?: () => Promise<void>,
) => Promise<Left>
