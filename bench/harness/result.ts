import { perRound, spreadOf, type Spread } from './statistics.js'
import type { Entry, Outcome } from './running.js'

/** One line of a figure's table. */
export interface Row {
  readonly name: string
  readonly title: string
  readonly outcome: Outcome
  readonly reason?: string
  /** What several rows have in common and the table shows before their titles. */
  readonly group?: string
  /** Cells by column title. */
  readonly cells: Readonly<Record<string, Spread | number | undefined>>
}

/** What a figure is to reach, and whether it does. */
export interface Target {
  /** Names it within its figure, for floors.json. */
  readonly id: string
  readonly text: string
  /** The bound; a lower one unless `upper`. */
  readonly wanted: number
  readonly upper: boolean
  readonly measured: Spread | undefined
  /** Undefined when a contestant it needs was not measured. */
  readonly met: boolean | undefined
}

export interface FigureResult {
  readonly name: string
  readonly title: string
  /** When and with what, once it is kept. */
  readonly taken?: { readonly date: string; readonly amphis: string | undefined }
  /** What a reader needs to know to read the table. */
  readonly notes: readonly string[]
  /** Column titles with the digits shown behind the point. */
  readonly columns: Readonly<Record<string, number>>
  /** The column that its chart shows; the first one unless it says another. */
  readonly chart?: { readonly column: string }
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
  /** What is hoped for beyond that; shown, not judged. */
  readonly ambition?: number
  readonly unit?: string
  /** The quantity, where the figure has several. */
  readonly quantity?: string
  /** Where it was measured, where the figure has several such places. */
  readonly where?: string
}

/** Compares two contestants within each round against what is wanted. */
export function target(series: Series, spec: TargetSpec): Target {
  const combine = spec.relation === 'ratio' ? (a: number, b: number) => a / b : (a: number, b: number) => a - b
  const over = typeof spec.over === 'string' ? [spec.over] : spec.over
  const upper = spec.atLeast === undefined
  // Where less is wanted, the best is the least.
  const others = bestPerRound(series, over, upper && spec.relation === 'ratio' ? Math.min : Math.max)
  const measured = spreadOf(perRound(series.get(spec.of) ?? [], others, combine))
  const wanted = spec.atLeast ?? spec.atMost ?? 0
  const sign = upper ? '≤' : '≥'
  const amount = `${wanted}${spec.unit === undefined ? ' ×' : ` ${spec.unit}`}`
  const prefix = spec.where === undefined ? '' : `${spec.where}: `
  const quantity = spec.quantity === undefined ? '' : `, ${spec.quantity}`
  const ambition = spec.ambition === undefined ? '' : ` (the ambition is ${spec.ambition})`
  const bound = spec.relation === 'ratio' ? `${sign} ${amount}` : `${sign} ${amount} above`
  return {
    id: `${prefix}${spec.of} ${spec.relation === 'ratio' ? '/' : '-'} ${over.join(' or ')}${quantity}`,
    text: `${prefix}${spec.of}${quantity} ${bound} ${over.join(' or ')}${ambition}`,
    wanted,
    upper,
    measured,
    met: measured && (upper ? measured.median <= wanted : measured.median >= wanted),
  }
}

/** The highest of several contestants in each round, or the lowest. */
export function bestPerRound(
  series: Series,
  names: readonly string[],
  best: (...values: number[]) => number = Math.max,
): (number | undefined)[] {
  const lists = names.map((name) => series.get(name) ?? [])
  const rounds = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length: rounds }, (_, round) => {
    const values = lists.map((list) => list[round]).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : best(...values)
  })
}

/** An entry's line, with cells only where it was measured to the end. */
export function rowOf(entry: Omit<Entry, 'contestant'>, cells: Row['cells'], group?: string): Row {
  const { name, title, outcome, reason } = entry
  return {
    ...{ name, title, outcome },
    ...(reason !== undefined && { reason }),
    ...(group !== undefined && { group }),
    cells: outcome === 'measured' ? cells : {},
  }
}
