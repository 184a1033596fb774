import { setTimeout as wait } from 'node:timers/promises'
import { ContestantFailed } from '../harness/child.js'
import type { Context } from '../harness/context.js'
import {
  measuredSamples,
  plainSamples,
  record,
  rowOf,
  target,
  type Series,
  type TargetSpec,
} from '../harness/result.js'
import {
  ask,
  contestantNamed,
  startAll,
  stopAll,
  verify,
  withEach,
  type Entry,
  type Running,
} from '../harness/running.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { usageOf } from '../harness/usage.js'
import { checkAnswer, WrongBytes } from '../harness/wire.js'
import type { SliceResult } from '../load/generator.js'
import { works, type Work, type WorkName } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface HttpThroughput {
  readonly work: WorkName
  readonly connections: number
  readonly contestants: readonly string[]
  /** The contestant the ratios in the table refer to. */
  readonly base: string
  readonly targets: readonly Omit<TargetSpec, 'relation'>[]
}

/** Requests a second over HTTP: all servers up, one second for each in turn, as many rounds as asked for. */
export function httpThroughput(name: string, spec: HttpThroughput): Figure {
  const work: Work = works[spec.work]
  const title = `node:http, ${spec.connections} connections: ${work.title}`
  return {
    name,
    title,
    contestants: spec.contestants,
    async take(context) {
      const { rounds, warmUp } = context.options
      const entries = await startAll(context, chosen(context, spec.contestants), work)
      const rates: Series = new Map()
      const cpu: Series = new Map()
      const p50: Series = new Map()
      const p99: Series = new Map()
      try {
        await withEach(entries, (entry) => verify(entry, work))
        await withEach(entries, async (entry, running) => {
          await loadFor(context, entry, running, work, spec.connections, warmUp)
        })
        for (let round = 0; round < rounds; round++) {
          context.say(`${name}: round ${round + 1} of ${rounds}`)
          await withEach(entries, async (entry, running) => {
            const before = await cpuOf(entry, entries)
            const result = await loadFor(context, entry, running, work, spec.connections, 1)
            const after = await cpuOf(entry, entries)
            record(rates, entry.name, round, result.requests / result.seconds)
            record(cpu, entry.name, round, ((after - before) * 1e6) / result.requests)
            record(p50, entry.name, round, result.p50)
            record(p99, entry.name, round, result.p99)
          })
        }
      } finally {
        await stopAll(entries)
      }
      const ratio = `× ${spec.base}`
      return {
        name,
        title,
        notes: [
          `load: ${context.load.title}; ${rounds} rounds of 1 s each after ${warmUp} s of warm-up`,
          'CPU: of all its processes, those it stands before included',
          ...(context.load.caveat === undefined ? [] : [context.load.caveat]),
        ],
        columns: { 'requests/s': 0, [ratio]: 2, 'p50 ms': 2, 'p99 ms': 2, 'CPU µs/request': 0 },
        rows: entries.map((entry) =>
          rowOf(entry, {
            'requests/s': spreadOf(measuredSamples(rates, entry.name)),
            [ratio]: spreadOf(perRound(rates.get(entry.name) ?? [], rates.get(spec.base) ?? [], (a, b) => a / b)),
            'p50 ms': spreadOf(measuredSamples(p50, entry.name))?.median,
            'p99 ms': spreadOf(measuredSamples(p99, entry.name))?.median,
            'CPU µs/request': spreadOf(measuredSamples(cpu, entry.name))?.median,
          }),
        ),
        targets: spec.targets.map((each) => target(rates, { ...each, relation: 'ratio' })),
        samples: plainSamples(rates),
      }
    },
  }
}

/** Loads one contestant, with a response fetched and compared ten times a second beside the load. */
async function loadFor(
  context: Context,
  entry: Entry,
  { port, wireBytes }: Running,
  work: Work,
  connections: number,
  seconds: number,
): Promise<SliceResult> {
  const over = new AbortController()
  const [result] = await Promise.all([
    context.load.run({ port, work, connections, seconds }).finally(() => over.abort()),
    sample(entry, work, over.signal),
  ])
  checkSlice(entry, result, connections, wireBytes)
  return result
}

async function sample(entry: Entry, work: Work, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    checkAnswer(entry.title, await ask(entry, work), work.answer)
    await wait(100, undefined, { signal: over }).catch(() => undefined)
  }
}

/** The load generator looks at no body, yet counts bytes: were one response of another length, the sum would tell. */
function checkSlice(entry: Entry, result: SliceResult, connections: number, wireBytes: number): void {
  if (result.requests === 0) {
    throw new ContestantFailed('answered no request under load')
  }
  if (result.socketErrors > 0) {
    throw new ContestantFailed(`broke ${result.socketErrors} connections under load`)
  }
  if (result.badStatuses > 0) {
    throw new WrongBytes(`${entry.title} answered ${result.badStatuses} of ${result.requests} requests with an error.`)
  }
  // Responses under way when the slice ends are in the bytes and not in the requests.
  const surplus = result.bytes - result.requests * wireBytes
  if (surplus < 0 || surplus > connections * wireBytes) {
    throw new WrongBytes(
      `${entry.title} sent ${result.bytes} bytes in ${result.requests} responses of ${wireBytes} bytes under load.`,
    )
  }
}

async function cpuOf(entry: Entry, entries: readonly Entry[]): Promise<number> {
  let seconds = 0
  for (const { running } of [entry, ...serversBehind(entry, entries)]) {
    seconds += running === undefined ? 0 : (await usageOf(running.child.pid)).cpuSeconds
  }
  return seconds
}

function serversBehind(entry: Entry, entries: readonly Entry[]): Entry[] {
  const upstream = entries.find((other) => other.name === contestantNamed(entry.name).behind)
  return upstream === undefined ? [] : [upstream, ...serversBehind(upstream, entries)]
}
