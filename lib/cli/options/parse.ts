// Reads the command line of `amphis APP`.
import { parseArgs } from 'node:util'
import { UsageError } from '../errors/usage-error.js'
import { nearest } from '../../base/nearest.js'
import { suggestion } from './suggest.js'
import { APP, type Given, isBare, OPTIONS, type OptionSpec, placeholderOf } from './table.js'
import { type OptionValue, readText } from './value.js'

/** Every way to name an option in full, and the value that a bare one stands for. */
function spellings(): Map<string, { name: string; spec: OptionSpec; bare: boolean | undefined }> {
  const all = new Map<string, { name: string; spec: OptionSpec; bare: boolean | undefined }>()
  for (const [name, spec] of Object.entries(OPTIONS)) {
    all.set(name, { name, spec, bare: isBare(spec) ? true : undefined })
    if (spec.type === 'switch') all.set(`no-${name}`, { name, spec, bare: false })
  }
  return all
}

/** Options of uvicorn that have nothing to choose here. */
const OF_UVICORN: ReadonlyMap<string, string> = new Map([
  ['http', 'Node.js parses HTTP/1.1; leave it out.'],
  ['ws', 'There is one implementation of WebSockets; leave it out.'],
  ['backlog', 'It is 2048 connections; leave it out.'],
  ['use-colors', 'Colours are those of the terminal; NO_COLOR and FORCE_COLOR decide.'],
  ['no-use-colors', 'Colours are those of the terminal; set NO_COLOR=1 for none.'],
  ['limit-max-requests-jitter', 'Workers are replaced one after the other; leave it out.'],
  ['ssl-version', 'TLS 1.2 and 1.3 are spoken; leave it out.'],
  ['ssl-ciphers', 'They are those of Node.js: NODE_OPTIONS=--tls-cipher-list=… changes them.'],
])

function unknown(spelling: string, known: Iterable<string>): UsageError {
  const word = spelling.replace(/^-+/, '')
  // Of a short word little would be left.
  const limit = Math.min(Math.max(2, Math.floor(word.length / 3)), Math.floor(word.length / 2))
  const close = nearest(word, [...known], limit)
  const remedy =
    OF_UVICORN.get(word) ?? (close === undefined ? '`amphis --help` shows all there are.' : `Did you mean --${close}?`)
  return new UsageError(`There is no option ${spelling}. ${remedy}`)
}

/** @throws {UsageError} with what was probably meant */
function assertTarget(app: string, apps: readonly string[], args: readonly string[]): void {
  if (app.endsWith('.py')) {
    throw new UsageError(`${app} is a file, not module:attribute.${suggestion(apps, args)}`)
  }
  try {
    readText('APP', APP, app)
  } catch (error) {
    throw new UsageError(`${(error as UsageError).message}${suggestion(apps, args)}`)
  }
  // It would be a module `py` of the package `main`.
  if (/\.py:/.test(app)) {
    throw new UsageError(`${app} names a file where a module is wanted.${suggestion(apps, args)}`)
  }
}

/**
 * Reads the arguments after the command's name.
 *
 * @throws {UsageError} at the first thing that is not understood, and what to write instead
 */
export function parseCommandLine(args: string[]): Given {
  const config: NonNullable<Parameters<typeof parseArgs>[0]>['options'] = {}
  const known = spellings()
  for (const [spelling, { spec }] of known) {
    config[spelling] = { type: isBare(spec) ? 'boolean' : 'string', ...(spec.short && { short: spec.short }) }
  }

  const apps: string[] = []
  const values: Record<string, OptionValue> = {}
  // Not strict: its messages know nothing of the option that was meant.
  const { tokens } = parseArgs({ args, options: config, strict: false, allowPositionals: true, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'positional') apps.push(token.value)
    if (token.kind !== 'option') continue
    const { rawName, value, inlineValue } = token
    const option = known.get(token.name)
    if (!option) {
      // Of a command that was misspelt it is the option.
      if (apps[0] !== undefined) assertTarget(apps[0], apps, args)
      throw unknown(rawName, known.keys())
    }
    const { name, spec, bare } = option
    if (bare !== undefined) {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value.`)
      values[name] = bare
      continue
    }
    if (value === undefined || (!inlineValue && value.startsWith('-'))) {
      throw new UsageError(`${rawName} needs a value: ${rawName} ${placeholderOf(spec)}.`)
    }
    const one = readText(rawName, spec, value)
    values[name] = spec.repeatable ? [...((values[name] as string[] | undefined) ?? []), String(one)] : one
  }
  const [app] = apps
  if (app !== undefined) assertTarget(app, apps, args)
  if (apps.length > 1) throw new UsageError(`One app can be served at a time, not ${apps.join(' and ')}.`)
  // Every value was made as its spec says.
  return { app, options: values }
}
