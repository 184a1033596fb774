import { setTimeout as wait } from 'node:timers/promises'
import { ContestantFailed } from '../harness/child.js'
import type { Context } from '../harness/context.js'
import { bestPerRound, rowOf, type Row } from '../harness/result.js'
import { alive, ask, start, stopAll, verify, withEach, type Entry } from '../harness/running.js'
import { peakOf, resetPeak } from '../harness/usage.js'
import { checkAnswer, WrongBytes } from '../harness/wire.js'
import type { Slice, SliceResult } from '../load/generator.js'
import { works, type Work, type WorkName } from '../works.js'
import { ByConnections, over, type ConnectionTarget } from './connections.js'
import { chosen, leftOutNote, type Figure, type QuickSubset } from './figure.js'
import { serverCpu } from './server-cpu.js'

/** A contestant with another work than the figure's that has the same answer; named `contestant work`. */
export interface Way {
  readonly contestant: string
  readonly work: WorkName
  readonly how: string
}

export interface HttpThroughput {
  readonly title?: string
  readonly work: WorkName
  /** Each is measured, in the same run. */
  readonly connections: readonly number[]
  readonly contestants: readonly (string | Way)[]
  /** The contestant the ratios in the table refer to. */
  readonly base: string
  readonly targets: readonly ThroughputTarget[]
  /** Seconds of a slice. @default 1 */
  readonly seconds?: number
  /** Milliseconds between a response and the next request: all contestants then have nearly the same load. */
  readonly pauseMs?: number
  /** Shows how many cores each contestant kept busy. */
  readonly cores?: boolean
  /** What no contestant can exceed: requests a second, or what the named one reaches in the round, where that is less. */
  readonly limit?: { readonly requestsPerSecond: number; readonly contestant: string; readonly title: string }
  /** Requests a second of the work without any server, measured in each round. */
  readonly floor?: { readonly title: string; readonly measure: (context: Context) => Promise<number> }
  readonly notes?: readonly string[]
  readonly quick?: QuickSubset
}

export interface ThroughputTarget extends Omit<ConnectionTarget, 'quantity'> {
  /** @default 'requests' */
  readonly measure?: 'requests' | 'CPU' | 'p99.9'
}

const limitName = 'limit'

/** Requests a second over HTTP: all servers up, one slice for each in turn, as many rounds as asked for. */
export function httpThroughput(name: string, spec: HttpThroughput): Figure {
  const work: Work = works[spec.work]
  const { seconds = 1, pauseMs } = spec
  const title = spec.title ?? `over HTTP: ${work.title}`
  const ways = new Map(spec.contestants.map((each) => wayOf(each, spec.work)))
  const names = [...new Set([...ways.values()].map(({ contestant }) => contestant))]
  return {
    name,
    title,
    contestants: names,
    async take(context) {
      const { rounds, warmUp, quick } = context.options
      const kept = chosen(context, names, spec.quick)
      const levels = (quick ? spec.quick?.connections : undefined) ?? spec.connections
      const rates = new ByConnections(levels)
      const cpu = new ByConnections(levels)
      const p50 = new ByConnections(levels)
      const p99 = new ByConnections(levels)
      const p999 = new ByConnections(levels)
      const peaks = new ByConnections(levels)
      const entries: Entry[] = []
      const workOf = ({ name: way }: Entry): Work => works[ways.get(way)?.work ?? spec.work]
      try {
        for (const [way, { contestant, work: own, how }] of ways) {
          if (kept.includes(contestant)) {
            const entry = await start(context, contestant, works[own], entries)
            entries.push({ ...entry, name: way, title: how === undefined ? entry.title : `${entry.title}, ${how}` })
          }
        }
        await withEach(entries, (entry) => verify(entry, workOf(entry)))
        const usual = levels.find((connections) => connections >= 32) ?? levels.at(-1) ?? 1
        // At full speed, also where there is a pause: with a few requests a second a compiler is still at work for minutes,
        // and what it takes is not what is looked for.
        await withEach(entries, async (entry) => {
          await loadFor(context, entry, workOf(entry), { connections: usual, seconds: warmUp })
        })
        for (let round = 0; round < rounds; round++) {
          context.say(`${name}: round ${round + 1} of ${rounds}`)
          if (spec.floor !== undefined) {
            const rate = await spec.floor.measure(context)
            levels.forEach((connections) => rates.record(connections, spec.floor?.title ?? '', round, rate))
          }
          for (const connections of levels) {
            await withEach(entries, async (entry) => {
              const { pids, before, after } = serverCpu(entry, entries)
              await Promise.all(pids.map(resetPeak))
              await before()
              const result = await loadFor(context, entry, workOf(entry), { connections, seconds, pauseMs })
              const spent = await after()
              const peak = sum(await Promise.all(pids.map(peakOf)))
              rates.record(connections, entry.name, round, result.requests / result.seconds)
              cpu.record(connections, entry.name, round, (spent * 1e5) / result.requests)
              p50.record(connections, entry.name, round, result.p50)
              p99.record(connections, entry.name, round, result.p99)
              p999.record(connections, entry.name, round, result.p999)
              peaks.record(connections, entry.name, round, peak / 2 ** 20)
            })
            recordLimit(rates, spec.limit, connections, round)
          }
        }
      } finally {
        await stopAll(entries)
      }
      const compared = pauseMs === undefined ? rates : p999
      const ratio = pauseMs === undefined ? `× ${spec.base}` : `p99.9 × ${spec.base}`
      const limit = spec.limit === undefined ? undefined : `× ${spec.limit.title}`
      const rowsAt = (connections: number): Row[] => {
        const base = compared.at(connections).get(spec.base) ?? []
        const ofLimit = rates.at(connections).get(limitName) ?? []
        const rows = entries.map((entry) => {
          const rate = rates.spread(connections, entry.name)
          const cpuSeconds = cpu.median(connections, entry.name)
          const cells = {
            'requests/s': rate,
            [ratio]: compared.ratio(connections, entry.name, base),
            [limit ?? '']: rates.ratio(connections, entry.name, ofLimit),
            'cores busy': rate && cpuSeconds && (rate.median * cpuSeconds) / 1e5,
            'p50 ms': p50.median(connections, entry.name),
            'p99 ms': p99.median(connections, entry.name),
            'p99.9 ms': p999.spread(connections, entry.name),
            'CPU s': cpuSeconds,
            'peak MiB': peaks.median(connections, entry.name),
          }
          return rowOf(entry, cells, over(connections))
        })
        if (spec.floor !== undefined) {
          const { title: floor } = spec.floor
          const cells = {
            'requests/s': rates.spread(connections, floor),
            [ratio]: rates.ratio(connections, floor, base),
          }
          rows.push(rowOf({ name: floor, title: floor, outcome: 'measured' }, cells, over(connections)))
        }
        return rows
      }
      const quantities = { requests: rates, CPU: cpu, 'p99.9': p999 }
      return {
        name,
        title,
        notes: [
          `load: ${context.load.title}; ${rounds} rounds of ${seconds} s each after ${warmUp} s of warm-up at full speed`,
          ...(pauseMs === undefined ? [] : [`a pause of ${pauseMs} ms after each response, for an equal load on all`]),
          'CPU seconds for 100,000 requests and peak memory: of all its processes, those it stands before included',
          ...(spec.notes ?? []),
          ...leftOutNote(names, kept),
          ...(context.load.caveat === undefined ? [] : [context.load.caveat]),
        ],
        columns: {
          'requests/s': 0,
          [ratio]: 2,
          ...(limit !== undefined && { [limit]: 2 }),
          ...(spec.cores && { 'cores busy': 2 }),
          ...{ 'p50 ms': 3, 'p99 ms': 3, 'p99.9 ms': 3 },
          ...{ 'CPU s': 1, 'peak MiB': 0 },
        },
        chart: { column: pauseMs === undefined ? 'requests/s' : 'p99.9 ms' },
        rows: levels.flatMap((connections) => rowsAt(connections)),
        targets: spec.targets.flatMap(({ measure = 'requests', ...each }) =>
          quantities[measure].targets([
            {
              ...each,
              ...(measure !== 'requests' && { quantity: measure === 'CPU' ? 'CPU for 100,000 requests' : measure }),
            },
          ]),
        ),
        samples: { ...rates.samples(), ...cpu.samples('CPU s'), ...p999.samples('p99.9 ms') },
      }
    },
  }
}

interface ChosenWay {
  readonly contestant: string
  readonly work: WorkName
  readonly how: string | undefined
}

function wayOf(each: string | Way, work: WorkName): [string, ChosenWay] {
  return typeof each === 'string'
    ? [each, { contestant: each, work, how: undefined }]
    : [`${each.contestant} ${each.work}`, each]
}

function recordLimit(rates: ByConnections, limit: HttpThroughput['limit'], connections: number, round: number): void {
  if (limit !== undefined) {
    const reached = bestPerRound(rates.at(connections), [limit.contestant])[round] ?? Infinity
    rates.record(connections, limitName, round, Math.min(reached, limit.requestsPerSecond))
  }
}

type LoadOptions = Pick<Slice, 'connections' | 'seconds' | 'pauseMs'>

/** Loads one contestant, with a response fetched and compared ten times a second beside the load. */
async function loadFor(context: Context, entry: Entry, work: Work, options: LoadOptions): Promise<SliceResult> {
  const { port, wireBytes } = alive(entry)
  const ended = new AbortController()
  const [result] = await Promise.all([
    context.load.run({ port, work, ...options }).finally(() => ended.abort()),
    sample(entry, work, ended.signal),
  ])
  checkSlice(entry, result, options.connections, wireBytes)
  return result
}

async function sample(entry: Entry, work: Work, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    checkAnswer(entry.title, await ask(entry, work), work.answer)
    await wait(100, undefined, { signal: ended }).catch(() => undefined)
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

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
