// Puts together what is said where: `Configuration`, which goes to child processes.
import { readConfigFiles } from './config-file.js'
import { loadEnvFile } from './env-file.js'
import { readEnvironment } from './environment.js'
import { type Given, OPTIONS, type OptionValues, variableOf } from './table.js'
import { isPlainText, type OptionValue, readText } from './value.js'

/** All that is to be known to serve; JSON can carry it to a child process. */
export interface Configuration {
  /** `module:attribute` */
  app: string
  options: OptionValues
}

/** The same while it is not certain that anybody has named an app. */
export type Settings = Given & { options: OptionValues }

/** What every option is when nobody says anything. */
export function defaults(): OptionValues {
  const values: Record<string, OptionValue | undefined> = {}
  for (const [name, spec] of Object.entries(OPTIONS)) {
    if (spec.type === 'flag') values[name] = false
    else if (spec.repeatable) values[name] = []
    // What a text has to look like is not looked at: that of addresses loads a part of Node which takes its time.
    else if (spec.default === undefined || isPlainText(spec)) values[name] = spec.default
    else values[name] = readText(name, spec, spec.default)
  }
  // Every value was made as its spec says.
  return values as unknown as OptionValues
}

/**
 * Adds to the command line what is said elsewhere. The first that says something about an option decides: the command
 * line, the environment, `amphis.config.js`, `package.json`, the defaults. The variables of `--env-file` are put into
 * the environment on the way.
 *
 * @param env whose variables count, and into which those of the file are put
 * @param folder in which files of configuration are looked for
 * @throws {UsageError} at the first value that an option cannot have
 * @throws {ServeError} when there is no such file of environment variables
 */
export async function configure(commandLine: Given, env = process.env, folder = process.cwd()): Promise<Settings> {
  const named = commandLine.options['env-file'] ?? (env[variableOf('env-file')] || undefined)
  // First, for a file of configuration may be a program that looks at the environment.
  if (named !== undefined) loadEnvFile(named, env)
  const files = await readConfigFiles(folder)
  const configured = files.find(({ options }) => options['env-file'] !== undefined)?.options['env-file']
  if (named === undefined && configured !== undefined) loadEnvFile(configured, env)

  const sources: Given[] = [commandLine, readEnvironment(env), ...files]
  const options = Object.assign(defaults(), ...sources.toReversed().map((source) => source.options)) as OptionValues
  const source = sources.find(({ app }) => app !== undefined)
  // Who names an app in a file means a module beside it.
  if (source !== undefined && 'folder' in source && sources.every((one) => one.options['app-dir'] === undefined)) {
    options['app-dir'] = String(source.folder)
  }
  return { app: source?.app, options }
}
