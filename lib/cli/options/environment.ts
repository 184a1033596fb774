// Reads the variables `AMPHIS_…`.
import { nearest } from '../../base/nearest.js'
import { APP, type Given, isSetting, OPTIONS, type OptionSpec, splitList, variableOf } from './table.js'
import { type OptionValue, readText } from './value.js'

const PREFIX = variableOf('')

function read(variable: string, spec: OptionSpec, text: string): OptionValue {
  const named = `The environment variable ${variable}`
  return spec.repeatable
    ? splitList(text).map((entry) => String(readText(named, spec, entry)))
    : readText(named, spec, text)
}

/** A variable that says something: as everywhere else an empty one is none, unless empty is what the option may be. */
function isSet(text: string | undefined, spec: OptionSpec): text is string {
  return text !== undefined && (text !== '' || spec.form?.fits('') === true)
}

/**
 * What the environment says: `AMPHIS_` and the option's name.
 *
 * @throws {UsageError} at the first value that an option cannot have
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Given {
  const values: Record<string, OptionValue | undefined> = {}
  for (const [name, spec] of Object.entries(OPTIONS)) {
    if (!isSetting(spec)) continue
    for (const variable of [variableOf(name), spec.env]) {
      const text = variable === undefined ? undefined : env[variable]
      if (variable === undefined || !isSet(text, spec)) continue
      values[name] = read(variable, spec, text)
      break
    }
  }
  // Whoever looks for Python looks there himself, and names the variable in his errors; here it only displaces others.
  if (values.python !== undefined) values.python = undefined
  const variable = variableOf('app')
  const app = env[variable] || undefined
  if (app !== undefined) read(variable, APP, app)
  return { app, options: values }
}

/** What is to be said about variables that look like an option's with one letter wrong. */
export function misspeltVariables(env: NodeJS.ProcessEnv): string[] {
  const known = ['app', ...Object.keys(OPTIONS)].map(variableOf)
  return Object.keys(env).flatMap((variable) => {
    if (!variable.startsWith(PREFIX) || known.includes(variable)) return []
    const close = nearest(variable, known, 1)
    return close === undefined
      ? []
      : [`The environment variable ${variable} is unknown to amphis, and ignored. Did you mean ${close}?`]
  })
}
