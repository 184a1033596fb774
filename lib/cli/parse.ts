import { parseArgs } from 'node:util'
import { nearest } from './nearest.js'
import { OPTIONS, type OptionSpec, type OptionValues, placeholderOf } from './options.js'

/** The command line was not understood. */
export class UsageError extends Error {}

export interface CommandLine {
  /** `module:attribute`; undefined when none was given. */
  app: string | undefined
  options: OptionValues
}

const LARGEST_PORT = 65_535

/** `--port`, or `-p` where it was written so. */
type Spelling = string

function toValue(spelling: Spelling, { type, choices }: OptionSpec, text: string): string | number {
  if (type === 'port') {
    const port = Number(text)
    if (!/^\d+$/.test(text) || port > LARGEST_PORT) {
      throw new UsageError(`${spelling} takes a number from 0 to ${LARGEST_PORT}, not "${text}".`)
    }
    return port
  }
  if (choices && !choices.includes(text)) {
    throw new UsageError(`${spelling} takes ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}, not "${text}".`)
  }
  return text
}

function unknown(spelling: Spelling): UsageError {
  const close = nearest(
    spelling,
    Object.keys(OPTIONS).map((name) => `--${name}`),
  )
  return new UsageError(`There is no option ${spelling}.${close ? ` Did you mean ${close}?` : ''}`)
}

/**
 * Reads the arguments after the command's name.
 *
 * @throws {UsageError} at the first thing that is not understood, and what to write instead
 */
export function parseCommandLine(args: string[]): CommandLine {
  const config: NonNullable<Parameters<typeof parseArgs>[0]>['options'] = {}
  const values: Record<string, string | number | boolean | undefined> = {}
  for (const [name, spec] of Object.entries(OPTIONS)) {
    config[name] = { type: spec.type === 'flag' ? 'boolean' : 'string', ...(spec.short && { short: spec.short }) }
    values[name] = spec.type === 'flag' ? false : spec.default && toValue(`--${name}`, spec, spec.default)
  }

  const apps: string[] = []
  // Not strict: its messages know nothing of the option that was meant.
  const { tokens } = parseArgs({ args, options: config, strict: false, allowPositionals: true, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional') apps.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const spec = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined
    if (!spec) throw unknown(rawName)
    if (spec.type === 'flag') {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value.`)
      values[name] = true
    } else {
      if (value === undefined || (!inlineValue && value.startsWith('-'))) {
        throw new UsageError(`${rawName} needs a value: ${rawName} ${placeholderOf(spec)}.`)
      }
      values[name] = toValue(rawName, spec, value)
    }
  }
  if (apps.length > 1) throw new UsageError(`One app can be served at a time, not ${apps.join(' and ')}.`)
  // Every value was made as its spec says.
  return { app: apps[0], options: values as OptionValues }
}
