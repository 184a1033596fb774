import type { LoadGenerator } from '../load/generator.js'
import type { Options } from './options.js'
import type { Python } from './python.js'

/** What every figure is handed. */
export interface Context {
  readonly options: Options
  readonly python: Python
  readonly load: LoadGenerator
  /** Shows the user what is going on (stderr, so that stdout holds results only). */
  readonly say: (line: string) => void
}
