// Headers that a server adds to every response.
import { AmphisError } from '../base/errors.js'
import { FIELD_VALUE, TOKEN } from './field-syntax.js'
import { http2Record } from './http2-response.js'

/** Headers that responses get where the app gives none of the name. */
export class DefaultHeaders {
  /** Names, in lower case, and values in turn. */
  readonly #flat: readonly string[]
  readonly hasDate: boolean

  /** @param flat names and values in turn */
  constructor(flat: readonly string[], serverName: string | undefined) {
    const headers = flat.map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text))
    if (serverName !== undefined && !hasName(headers, 'server')) {
      headers.push('server', serverName)
    }
    this.#flat = headers
    this.hasDate = hasName(headers, 'date')
  }

  /** Adds to a flat list of headers what it lacks. */
  addTo(headers: string[], response?: { hasHeader(name: string): boolean }): void {
    const own = headers.length
    for (let at = 0; at < this.#flat.length; at += 2) {
      const name = this.#flat[at]!
      if (IS_ADDED_TO.has(name) || !(hasName(headers, name, own) || response?.hasHeader(name) === true)) {
        headers.push(name, this.#flat[at + 1]!)
      }
    }
  }

  /**
   * All of them by name, for an answer that is not the app's. It may go over HTTP/2, where Node throws at a second value
   * of what may have one.
   */
  toRecord(): Record<string, string[]> {
    return http2Record(this.#flat)
  }
}

/** Headers of which a response may have several, each with something else to say. */
const IS_ADDED_TO = new Set(['set-cookie', 'vary'])

/** Headers that belong to one message or to one connection. */
const OF_MESSAGES = new Set(['connection', 'content-length', 'keep-alive', 'trailer', 'transfer-encoding', 'upgrade'])

/** Whether a header may be one of every response: it is well-formed, and says nothing of how a message is framed. */
export function isDefaultHeader(name: string, value: string): boolean {
  return TOKEN.test(name) && FIELD_VALUE.test(value) && !OF_MESSAGES.has(name.toLowerCase())
}

/**
 * The option `headers` as names and values in turn.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function flatHeaders(given: unknown): string[] {
  const flat = isList(given) ? given : entriesOf(given)
  if (flat.length % 2 !== 0) {
    throw invalid('a list of names and values in turn, but this one has an odd length')
  }
  for (let at = 0; at < flat.length; at += 2) {
    const [name, value] = [flat[at], flat[at + 1]]
    if (typeof name !== 'string' || typeof value !== 'string' || !isDefaultHeader(name, value)) {
      throw invalid(
        `made of headers that every response may have, but one is ${JSON.stringify(`${String(name)}: ${String(value)}`)}`,
      )
    }
  }
  return flat as string[]
}

function entriesOf(given: unknown): unknown[] {
  if (typeof given !== 'object' || given === null) {
    throw invalid(`an object, or a list of names and values in turn, but it is ${String(given)}`)
  }
  return Object.entries(given).flatMap(([name, value]) =>
    (isList(value) ? value : [value]).flatMap((one) => [name, one]),
  )
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value)
}

function invalid(what: string): AmphisError {
  return new AmphisError('AMPHIS_ERR_INVALID_OPTIONS', `Option headers must be ${what}.`)
}

/** Whether a flat list, up to an end, has a header of this name, which is in lower case. */
export function hasName(headers: readonly string[], name: string, end = headers.length): boolean {
  for (let at = 0; at < end; at += 2) {
    const other = headers[at]!
    if (other.length === name.length && other.toLowerCase() === name) {
      return true
    }
  }
  return false
}
