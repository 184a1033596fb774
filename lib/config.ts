// `amphis/config`: `defineConfig`, and the type of a file of configuration.
import type { AmphisConfig } from './cli/options/table.js'

export type { AmphisConfig } from './cli/options/table.js'

/** What `amphis.config.js` may export: the options, or a function that returns them. */
export type ConfigExport = AmphisConfig | (() => AmphisConfig | Promise<AmphisConfig>)

/**
 * Has an editor complete the options in `amphis.config.js`; returns what it is given.
 *
 * @example
 * import { defineConfig } from 'amphis/config'
 *
 * export default defineConfig({ app: 'main:app', reload: true })
 */
export function defineConfig<Config extends ConfigExport>(config: Config): Config {
  return config
}
