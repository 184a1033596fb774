import { perRound, spreadOf, type Spread } from './statistics.js'
import type { Entry, Outcome } from './running.js'

/** One line of a figure's table. */
export interface Row {
  readonly name: string
  readonly title: string
  readonly outcome: Outcome
  readonly reason?: string
  /** Cells by column title. */
  readonly cells: Readonly<Record<string, Spread | number | undefined>>
}

/** What a figure is to reach, and whether it does. */
export interface Target {
  readonly text: string
  readonly measured: Spread | undefined
  /** Undefined when a contestant it needs was not measured. */
  readonly met: boolean | undefined
}

export interface FigureResult {
  readonly name: string
  readonly title: string
  /** What a reader needs to know to read the table. */
  readonly notes: readonly string[]
  /** Column titles with the digits shown behind the point. */
  readonly columns: Readonly<Record<string, number>>
  readonly rows: readonly Row[]
  readonly targets: readonly Target[]
  /** Every sample: contestant, then round. */
  readonly samples: Readonly<Record<string, readonly (number | null)[]>>
}

/** Samples by contestant, then by round; a round in which it was not measured holds undefined. */
export type Series = Map<string, (number | undefined)[]>

export function record(series: Series, name: string, round: number, value: number): void {
  const samples = series.get(name) ?? []
  samples[round] = value
  series.set(name, samples)
}

export const measuredSamples = (series: Series, name: string): number[] =>
  (series.get(name) ?? []).filter((value) => value !== undefined)

/** JSON has no holes. */
export const plainSamples = (series: Series): Record<string, (number | null)[]> =>
  Object.fromEntries([...series].map(([name, samples]) => [name, Array.from(samples, (value) => value ?? null)]))

export interface TargetSpec {
  readonly of: string
  /** The contestant compared with; of several, the best in each round. */
  readonly over: string | readonly string[]
  readonly relation: 'ratio' | 'difference'
  readonly atLeast?: number
  readonly atMost?: number
  readonly unit?: string
}

/** Compares two contestants within each round against what is wanted. */
export function target(series: Series, spec: TargetSpec): Target {
  const combine = spec.relation === 'ratio' ? (a: number, b: number) => a / b : (a: number, b: number) => a - b
  const over = typeof spec.over === 'string' ? [spec.over] : spec.over
  const measured = spreadOf(perRound(series.get(spec.of) ?? [], bestPerRound(series, over), combine))
  const wanted = spec.atLeast ?? spec.atMost ?? 0
  const sign = spec.atLeast === undefined ? '≤' : '≥'
  const amount = `${wanted}${spec.unit === undefined ? ' ×' : ` ${spec.unit}`}`
  return {
    text: `${spec.of} ${spec.relation === 'ratio' ? `${sign} ${amount}` : `${sign} ${amount} above`} ${over.join(' or ')}`,
    measured,
    met: measured && (spec.atLeast === undefined ? measured.median <= wanted : measured.median >= wanted),
  }
}

/** The highest of several contestants in each round. */
export function bestPerRound(series: Series, names: readonly string[]): (number | undefined)[] {
  const lists = names.map((name) => series.get(name) ?? [])
  const rounds = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length: rounds }, (_, round) => {
    const values = lists.map((list) => list[round]).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : Math.max(...values)
  })
}

/** An entry's line, with cells only where it was measured to the end. */
export function rowOf(entry: Entry, cells: Row['cells']): Row {
  const { name, title, outcome, reason } = entry
  return { name, title, outcome, ...(reason !== undefined && { reason }), cells: outcome === 'measured' ? cells : {} }
}
