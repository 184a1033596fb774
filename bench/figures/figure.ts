import type { Context } from '../harness/context.js'
import type { FigureResult } from '../harness/result.js'

/** One table of the benchmark. */
export interface Figure {
  readonly name: string
  readonly title: string
  /** The contestants it compares, in the order of its table. */
  readonly contestants: readonly string[]
  /** Left out of a quick run that does not name it. */
  readonly slow?: boolean
  take(context: Context): Promise<FigureResult>
}

/** The figure's contestants that `--contestant` leaves, with those they stand before. */
export function chosen(context: Context, names: readonly string[]): string[] {
  const { contestants } = context.options
  return contestants.length === 0 ? [...names] : names.filter((name) => contestants.includes(name))
}
