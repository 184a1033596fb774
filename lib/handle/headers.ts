// The headers of a request that was made by hand, from whatever holds them.
import { wrongArgument, type AmphisError } from '../base/errors.js'
import { kindOf } from '../base/shown.js'
import type { HandleRequest } from '../base/types.js'

/**
 * Headers as names and values in turn, of what a `Headers`, a `Map`, pairs, an object or a flat list holds. Values that
 * are `undefined` or `null` are left out.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function flatHeaders(headers: HandleRequest['headers']): string[] {
  const flat: string[] = []
  for (const [name, value] of pairsOf(headers)) {
    if (typeof name !== 'string') {
      throw wrong(`The name of a header must be a string, but one is ${kindOf(name)}.`)
    }
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (one !== undefined && one !== null) {
        flat.push(name, textOf(name, one))
      }
    }
  }
  return flat
}

type Pair = readonly [name: unknown, value: unknown]

function pairsOf(headers: unknown): Iterable<Pair> {
  if (headers === undefined || headers === null) {
    return []
  }
  if (Array.isArray(headers) && (headers.length === 0 || typeof headers[0] === 'string')) {
    return pairsOfFlat(headers)
  }
  if (typeof headers === 'object' && Symbol.iterator in headers) {
    return checkPairs(headers as Iterable<unknown>)
  }
  if (typeof headers !== 'object' || headers instanceof Date) {
    throw wrong(
      'Headers are an object, a Headers, a Map or another iterable of pairs, or a list of names and values in turn, ' +
        `but these are ${kindOf(headers)}.`,
    )
  }
  return Object.entries(headers)
}

function pairsOfFlat(flat: readonly unknown[]): Pair[] {
  if (flat.length % 2 !== 0) {
    throw wrong('A list of headers holds names and values in turn, but this one has an odd length.')
  }
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]] as const] : []))
}

function* checkPairs(headers: Iterable<unknown>): Iterable<Pair> {
  for (const pair of headers) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw wrong(`Headers that are iterated must be pairs of a name and a value, but one is ${shown(pair)}.`)
    }
    yield pair as unknown as Pair
  }
}

function shown(pair: unknown): string {
  return Array.isArray(pair) ? `a list of ${pair.length}` : kindOf(pair)
}

function textOf(name: string, value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      throw wrong(
        `The header ${JSON.stringify(name)} must be a string or a list of strings, but it is ${kindOf(value)}.`,
      )
  }
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_REQUEST', message)
}
