import { contestants } from '../contestants.js'
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

/** What a quick run leaves of a figure. */
export interface QuickSubset {
  readonly contestants?: readonly string[]
  readonly connections?: readonly number[]
}

/**
 * The figure's contestants that a quick run and `--contestant` leave, with those they stand before. One that is asked
 * for by name is there in a quick run as well.
 */
export function chosen({ options }: Context, names: readonly string[], quick?: QuickSubset): string[] {
  const kept =
    options.contestants.length > 0
      ? names.filter((name) => options.contestants.includes(name))
      : options.quick && quick?.contestants !== undefined
        ? names.filter((name) => quick.contestants?.includes(name))
        : [...names]
  const needed = new Set(kept.flatMap((name) => [name, contestants[name]?.behind ?? name]))
  return names.filter((name) => needed.has(name))
}

/** A line for the table that names whom a quick run leaves out. */
export function leftOutNote(names: readonly string[], kept: readonly string[]): string[] {
  const out = names.filter((name) => !kept.includes(name))
  return out.length === 0 ? [] : [`left out of this run: ${out.join(', ')}`]
}
