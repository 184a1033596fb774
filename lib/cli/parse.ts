import { parseArgs } from 'node:util'
import { nearest } from './nearest.js'
import { isBare, OPTIONS, type OptionSpec, type OptionValues, placeholderOf } from './options.js'

/** The command line was not understood. */
export class UsageError extends Error {}

export interface CommandLine {
  /** `module:attribute`; undefined when none was given. */
  app: string | undefined
  options: OptionValues
}

type Value = string | number | boolean | string[] | undefined

/** `--port`, or `-p` where it was written so. */
type Spelling = string

/** The numbers of a type: how they are written, their bounds, and what they are called. */
const NUMBERS: Partial<
  Record<
    OptionSpec['type'],
    { form: RegExp; least: number; most: number; called: (least: number, most: number) => string }
  >
> = {
  port: { form: /^\d+$/, least: 0, most: 65_535, called: (_, most) => `a number from 0 to ${most}` },
  count: {
    form: /^\d+$/,
    least: 1,
    most: 2 ** 31 - 1,
    called: (least, most) => `a whole number from ${least} to ${most}`,
  },
  bytes: { form: /^\d+$/, least: 0, most: Number.MAX_SAFE_INTEGER, called: () => 'a whole number of bytes' },
  // What timers can count, in milliseconds.
  seconds: {
    form: /^\d+(?:\.\d+)?$/,
    least: 0,
    most: 2_147_483,
    called: (_, most) => `a number of seconds from 0 to ${most}`,
  },
}

function toValue(spelling: Spelling, spec: OptionSpec, text: string): string | number | boolean {
  const { type, choices } = spec
  if (type === 'switch') {
    return text === 'on'
  }
  if (type === 'boolean') {
    if (text !== 'true' && text !== 'false') {
      throw new UsageError(`${spelling} takes true or false, not "${text}".`)
    }
    return text === 'true'
  }
  const number = NUMBERS[type]
  if (number) {
    const value = Number(text)
    const least = spec.least ?? number.least
    if (!number.form.test(text) || value < least || value > number.most) {
      throw new UsageError(`${spelling} takes ${number.called(least, number.most)}, not "${text}".`)
    }
    return value
  }
  if (choices && !choices.includes(text)) {
    throw new UsageError(`${spelling} takes ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}, not "${text}".`)
  }
  return text
}

/** Every way to name an option in full, and the value that a bare one stands for. */
function spellings(): Map<string, { name: string; spec: OptionSpec; bare: boolean | undefined }> {
  const all = new Map<string, { name: string; spec: OptionSpec; bare: boolean | undefined }>()
  for (const [name, spec] of Object.entries(OPTIONS)) {
    all.set(name, { name, spec, bare: isBare(spec) ? true : undefined })
    if (spec.type === 'switch') all.set(`no-${name}`, { name, spec, bare: false })
  }
  return all
}

/** What an option is when it is not given. */
function initial(name: string, spec: OptionSpec, env: NodeJS.ProcessEnv): Value {
  if (spec.type === 'flag') return false
  if (spec.repeatable) return []
  const fromEnv = spec.env === undefined ? undefined : env[spec.env]
  if (fromEnv !== undefined) return toValue(`The environment variable ${spec.env}`, spec, fromEnv)
  return spec.default === undefined ? undefined : toValue(`--${name}`, spec, spec.default)
}

function unknown(spelling: Spelling, known: Iterable<string>): UsageError {
  const close = nearest(
    spelling,
    [...known].map((name) => `--${name}`),
  )
  return new UsageError(`There is no option ${spelling}.${close ? ` Did you mean ${close}?` : ''}`)
}

/**
 * Reads the arguments after the command's name.
 *
 * @throws {UsageError} at the first thing that is not understood, and what to write instead
 */
export function parseCommandLine(args: string[], env: NodeJS.ProcessEnv = process.env): CommandLine {
  const config: NonNullable<Parameters<typeof parseArgs>[0]>['options'] = {}
  const values: Record<string, Value> = {}
  const known = spellings()
  for (const [spelling, { name, spec }] of known) {
    config[spelling] = { type: isBare(spec) ? 'boolean' : 'string', ...(spec.short && { short: spec.short }) }
    values[name] = initial(name, spec, env)
  }

  const apps: string[] = []
  // Not strict: its messages know nothing of the option that was meant.
  const { tokens } = parseArgs({ args, options: config, strict: false, allowPositionals: true, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional') apps.push(token.value)
    if (token.kind !== 'option') continue
    const { rawName, value, inlineValue } = token
    const option = known.get(token.name)
    if (!option) throw unknown(rawName, known.keys())
    const { name, spec, bare } = option
    if (bare !== undefined) {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value.`)
      values[name] = bare
    } else {
      if (value === undefined || (!inlineValue && value.startsWith('-'))) {
        throw new UsageError(`${rawName} needs a value: ${rawName} ${placeholderOf(spec)}.`)
      }
      const last = values[name]
      const one = toValue(rawName, spec, value)
      values[name] = Array.isArray(last) ? [...last, String(one)] : one
    }
  }
  if (apps.length > 1) throw new UsageError(`One app can be served at a time, not ${apps.join(' and ')}.`)
  // Every value was made as its spec says.
  return { app: apps[0], options: values as unknown as OptionValues }
}
