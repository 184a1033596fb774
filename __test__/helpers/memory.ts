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

/**
 * Does something many times, three times over, and tells the least that each time left behind.
 *
 * @param settled waits for what the rounds have begun and did not wait for
 */
async function leftPerRound(
  probe: Probe,
  count: number,
  round: (index: number) => Promise<unknown>,
  settled: () => Promise<void> = async () => {},
): Promise<Left> {
  const many = async () => {
    for (let start = 0; start < count; start += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => round(start + index)))
    }
    await settled()
    return measure(probe)
  }
  // What is compiled, cached and pooled grows once or twice; what leaks grows every time.
  const [first, second, third] = [await many(), await many(), await many()]
  const least = (key: keyof Memory) => Math.min(second[key] - first[key], third[key] - second[key]) / count
  return { heap: least('heap'), external: least('external'), blocks: least('blocks'), count }
}

export const flat = (t: { true(actual: boolean, message?: string): void }, left: Left) => {
  const report = JSON.stringify(left)
  // Less than the smallest object that could be kept for a request, and the noise of a heap.
  t.true(left.heap < 64 + 2 ** 18 / left.count, report)
  t.true(left.external < 64, report)
  t.true(left.blocks < 0.2 + 300 / left.count, report)
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
