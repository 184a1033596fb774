import { plainSamples, record, rowOf, target, type Series, type Target, type TargetSpec } from '../harness/result.js'
import { startAll, stopAll, withEach, type Entry } from '../harness/running.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { works } from '../works.js'
import { chosen, type Figure } from './figure.js'

/** One line of the table: what a contestant is told to measure within its own process. */
export interface CallsRow {
  /** Names it within its figure. */
  readonly name: string
  readonly title: string
  readonly contestant: string
  /** What its program calls it. */
  readonly what: string
  /** Calls that are under way. @default 1 */
  readonly atATime?: number
  /** The row whose time is that of the way alone, which the comparison leaves out. */
  readonly less?: string
}

export interface Calls {
  readonly title: string
  readonly rows: readonly CallsRow[]
  /** Of a call, or what its program answers else. @default 'µs' */
  readonly unit?: string
  /** The row that the ratios in the table refer to. */
  readonly base?: string
  readonly targets: readonly (TargetSpec | Limit)[]
  readonly notes?: readonly string[]
}

/** What a row by itself may take. */
interface Limit {
  readonly of: string
  readonly atMost: number
}

/** How long each program measures in a round. */
const SLICE_MS = 500

/** What calls between the languages cost, as the caller sees it: each row once in each round. */
export function calls(name: string, spec: Calls): Figure {
  const { title, unit = 'µs', base, notes = [] } = spec
  const contestants = [...new Set(spec.rows.map(({ contestant }) => contestant))]
  return {
    name,
    title,
    contestants,
    async take(context) {
      const { rounds, quick } = context.options
      const entries = await startAll(context, chosen(context, contestants), works.hello)
      const rows = spec.rows.flatMap((row) => {
        const entry = entries.find((each) => each.contestant === row.contestant)
        return entry === undefined ? [] : [{ row, entry }]
      })
      const whole: Series = new Map()
      const measure = (row: CallsRow, entry: Entry, round: number) =>
        withEach([entry], async (_, { child }) => {
          const { what, atATime = 1 } = row
          const value = await child.order<number>({ do: 'measure', what, atATime, milliseconds: SLICE_MS })
          if (round >= 0) record(whole, row.name, round, value)
        })
      try {
        // Twice before it counts: what is called by the thousand is compiled by then.
        for (let round = quick ? -1 : -2; round < rounds; round++) {
          if (round >= 0) context.say(`${name}: round ${round + 1} of ${rounds}`)
          for (const { row, entry } of rows) await measure(row, entry, round)
        }
      } finally {
        await stopAll(entries)
      }
      const compared: Series = new Map(whole)
      for (const { row } of rows) {
        if (row.less !== undefined) {
          compared.set(row.name, difference(whole.get(row.name), whole.get(row.less)))
        }
      }
      const ratio = base === undefined ? undefined : `× ${rows.find(({ row }) => row.name === base)?.row.title ?? base}`
      return {
        name,
        title,
        notes: [`${rounds} rounds of ${SLICE_MS} ms each; one at a time it is the median of the calls`, ...notes],
        columns: {
          [unit]: unit === 'µs' ? 1 : 2,
          ...(unit === 'µs' && { 'calls/s': 0 }),
          ...(ratio !== undefined && { [ratio]: 2 }),
        },
        rows: rows.map(({ row, entry }) => {
          const samples = measured(whole, row.name)
          return rowOf(
            { ...entry, name: row.name, title: row.title },
            {
              [unit]: spreadOf(samples),
              ...(unit === 'µs' && { 'calls/s': spreadOf(samples.map((each) => 1e6 / each)) }),
              ...(ratio !== undefined && {
                [ratio]: spreadOf(perRound(compared.get(row.name) ?? [], compared.get(base!) ?? [], (a, b) => a / b)),
              }),
            },
          )
        }),
        targets: spec.targets.map((each) => ('relation' in each ? target(compared, each) : limit(whole, each, unit))),
        samples: plainSamples(whole),
      }
    },
  }
}

const measured = (series: Series, name: string): number[] =>
  (series.get(name) ?? []).filter((value) => value !== undefined)

const difference = (whole: (number | undefined)[] = [], part: (number | undefined)[] = []) =>
  whole.map((value, round) => {
    const less = part[round]
    return value === undefined || less === undefined ? undefined : value - less
  })

function limit(series: Series, { of, atMost }: Limit, unit: string): Target {
  const spread = spreadOf(measured(series, of))
  return {
    id: of,
    wanted: atMost,
    upper: true,
    text: `${of} ≤ ${atMost} ${unit}`,
    measured: spread,
    met: spread && spread.median <= atMost,
  }
}
