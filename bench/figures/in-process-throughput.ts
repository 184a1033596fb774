import {
  bestPerRound,
  measuredSamples,
  plainSamples,
  record,
  rowOf,
  target,
  type Series,
  type TargetSpec,
} from '../harness/result.js'
import { startAll, stopAll, verify, withEach, type Entry, type Running } from '../harness/running.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { WrongBytes } from '../harness/wire.js'
import { works, type Work, type WorkName } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface InProcessThroughput {
  readonly work: WorkName
  readonly concurrency: number
  readonly contestants: readonly string[]
  /** The contestants whose best in each round the ratios in the table refer to. */
  readonly base: readonly string[]
  /** What the table calls it. @default 'best peer' */
  readonly baseTitle?: string
  readonly targets: readonly Omit<TargetSpec, 'relation'>[]
}

interface Load {
  readonly requests: number
  readonly wrong: number
  readonly seconds: number
}

/** Calls a second within one Node process: no sockets, no load generator. */
export function inProcessThroughput(name: string, spec: InProcessThroughput): Figure {
  const work: Work = works[spec.work]
  const title = `in process, ${spec.concurrency} calls at a time: ${work.title}`
  return {
    name,
    title,
    contestants: spec.contestants,
    async take(context) {
      const { rounds, warmUp } = context.options
      const entries = await startAll(context, chosen(context, spec.contestants), work)
      const rates: Series = new Map()
      const load = async (entry: Entry, { child }: Running, milliseconds: number) => {
        const order = { do: 'load', work, concurrency: spec.concurrency, milliseconds }
        const { requests, wrong, seconds } = await child.order<Load>(order)
        if (wrong > 0) {
          throw new WrongBytes(`${entry.title} answered ${wrong} of ${requests} calls wrongly.`)
        }
        return requests / seconds
      }
      try {
        await withEach(entries, (entry) => verify(entry, work))
        await withEach(entries, async (entry, running) => {
          await load(entry, running, warmUp * 1000)
        })
        for (let round = 0; round < rounds; round++) {
          context.say(`${name}: round ${round + 1} of ${rounds}`)
          await withEach(entries, async (entry, running) => {
            record(rates, entry.name, round, await load(entry, running, 1000))
          })
        }
      } finally {
        await stopAll(entries)
      }
      const ratio = `× ${spec.baseTitle ?? 'best peer'}`
      const peers = bestPerRound(rates, spec.base)
      return {
        name,
        title,
        notes: [`${rounds} rounds of 1 s each after ${warmUp} s of warm-up; each call ends with the whole body read`],
        columns: { 'calls/s': 0, [ratio]: 2 },
        rows: entries.map((entry) =>
          rowOf(entry, {
            'calls/s': spreadOf(measuredSamples(rates, entry.name)),
            [ratio]: spreadOf(perRound(rates.get(entry.name) ?? [], peers, (a, b) => a / b)),
          }),
        ),
        targets: spec.targets.map((each) => target(rates, { ...each, relation: 'ratio' })),
        samples: plainSamples(rates),
      }
    },
  }
}
