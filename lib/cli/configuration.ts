import type { OptionValues } from './options.js'

/** All that is to be known to serve; JSON can carry it to a child process. */
export interface Configuration {
  /** `module:attribute` */
  app: string
  options: OptionValues
}
