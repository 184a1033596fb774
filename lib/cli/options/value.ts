// Texts and values to those of options, each checked as the table says.
import { inspect } from 'node:util'
import { UsageError } from '../errors/usage-error.js'
import type { OptionSpec } from './table.js'

/** What an option may be, before the table says which of them. */
export type OptionValue = string | number | boolean | readonly string[]

/** The numbers of a type: how they are written, their bounds, and what they are called. */
interface Numbers {
  written: RegExp
  isWhole: boolean
  least: number
  most: number
  called: string
}

const WHOLE = { written: /^\d+$/, isWhole: true }

const NUMBERS: Partial<Record<OptionSpec['type'], Numbers>> = {
  port: { ...WHOLE, least: 0, most: 65_535, called: 'a number' },
  count: { ...WHOLE, least: 1, most: 2 ** 31 - 1, called: 'a whole number' },
  bytes: { ...WHOLE, least: 0, most: Number.MAX_SAFE_INTEGER, called: 'a whole number of bytes' },
  // What timers can count, in milliseconds.
  seconds: {
    written: /^\d+(?:\.\d+)?$/,
    isWhole: false,
    least: 0,
    most: 2_147_483,
    called: 'a number of seconds',
  },
}

function numbersOf({ type, least, most }: OptionSpec): Numbers | undefined {
  const numbers = NUMBERS[type]
  return numbers && { ...numbers, least: least ?? numbers.least, most: most ?? numbers.most }
}

function isYesOrNo({ type }: OptionSpec): boolean {
  return type === 'switch' || type === 'boolean' || type === 'flag'
}

/** Whether its value is the text that was given. */
export function isPlainText(spec: OptionSpec): boolean {
  return !isYesOrNo(spec) && NUMBERS[spec.type] === undefined
}

// As they are written in the environment of other programs.
const YES = new Set(['true', '1', 'on', 'yes'])
const NO = new Set(['false', '0', 'off', 'no'])

/** What an option takes, to be read after that word. */
export function taken(spec: OptionSpec): string {
  const numbers = numbersOf(spec)
  if (numbers) {
    const { called, least, most } = numbers
    return least === 0 && most === Number.MAX_SAFE_INTEGER ? called : `${called} from ${least} to ${most}`
  }
  if (isYesOrNo(spec)) return 'true or false'
  if (spec.choices) return `${spec.choices.slice(0, -1).join(', ')} or ${spec.choices.at(-1)}`
  return spec.form?.called ?? (spec.type === 'text' ? 'a text that is not empty' : 'a path')
}

function isText({ choices, form }: OptionSpec, text: string): boolean {
  if (text.includes('\0')) return false
  return choices?.includes(text) ?? form?.fits(text) ?? text !== ''
}

function isNumber({ isWhole, least, most }: Numbers, value: number): boolean {
  return value >= least && value <= most && (!isWhole || Number.isInteger(value))
}

/**
 * The value that a text stands for: of the command line, of the environment, of the table's own defaults.
 *
 * @param named whose value it is, to begin a sentence
 * @throws {UsageError}
 */
export function readText(named: string, spec: OptionSpec, text: string): OptionValue {
  const numbers = numbersOf(spec)
  if (numbers) {
    if (numbers.written.test(text) && isNumber(numbers, Number(text))) return Number(text)
  } else if (isYesOrNo(spec)) {
    const word = text.toLowerCase()
    if (YES.has(word)) return true
    if (NO.has(word)) return false
  } else if (isText(spec, text)) {
    return text
  }
  throw new UsageError(`${named} takes ${taken(spec)}, not ${JSON.stringify(text)}.`)
}

/**
 * The value that a file of configuration gives.
 *
 * @param named whose value it is, to begin a sentence
 * @throws {UsageError}
 */
export function readConfigured(named: string, spec: OptionSpec, value: unknown): OptionValue {
  if (spec.repeatable) {
    if (isList(value) && value.every((text) => isText(spec, text))) return value
    throw new UsageError(`${named} takes a list, each entry ${taken(spec)}, not ${shown(value)}.`)
  }
  const numbers = numbersOf(spec)
  if (numbers) {
    // There is no -0 in JSON.
    if (typeof value === 'number' && isNumber(numbers, value)) return value + 0
  } else if (isYesOrNo(spec)) {
    if (typeof value === 'boolean') return value
  } else {
    const text = spec.joined && isList(value) ? value.join(',') : value
    if (typeof text === 'string' && isText(spec, text)) return text
    // Choices may look like numbers.
    if (typeof text === 'number' && spec.choices?.includes(String(text))) return String(text)
    throw new UsageError(`${named} takes ${taken(spec)}, not ${shown(value)}.`)
  }
  throw new UsageError(
    `${named} takes ${taken(spec)}, not ${typeof value === 'string' ? 'the text ' : ''}${shown(value)}.`,
  )
}

function isList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

/** A value in an error's one line. */
function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function'
  return typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 1, breakLength: Infinity })
}
