// Parts of events: paths and queries that are to be encoded again, headers, bodies, addresses.
import { AmphisError } from '../../base/errors.js'
import type { EventHeaders, EventRequest } from './request.js'

// RFC 3986 3.3: what a path may hold beside what is encoded.
const PLAIN_PATH = /^[\w\-./~!$&'()*+,;=:@]*$/
const PLAIN_QUERY = /^[\w\-./~!$&'()*+,;=:@?]*$/
// A percent sign that encodes nothing, and all that may stand in no path or query.
const TO_ENCODE = /%(?![0-9a-f]{2})|[^\w\-./~!$&'()*+,;=:@?%]/giu
const BASE64 = /^[a-z0-9+/\s]*={0,2}\s*$/i
// oxlint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\u0000-\u007F]/

/** A path that was decoded on its way. */
export function encodePath(path: string): string {
  if (PLAIN_PATH.test(path)) {
    return path
  }
  return encodeURI(wellFormed(path)).replaceAll('?', '%3F').replaceAll('#', '%23')
}

/** A path or query that is encoded, as far as it was. */
export function encodeRest(text: string): string {
  return PLAIN_QUERY.test(text) ? text : wellFormed(text).replaceAll(TO_ENCODE, encodeURIComponent)
}

/** Half a character becomes a question mark of Unicode's: it can't be encoded. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString()
}

/** Parameters as events have them, by name. */
export type EventParameters = Readonly<Record<string, string | readonly string[] | null | undefined>> | null | undefined

/**
 * A query, with its question mark; empty where there is none.
 *
 * @param encode what makes names and values ready for it
 */
export function queryOf(parameters: EventParameters, encode: (text: string) => string): string {
  let query = ''
  for (const [name, values] of Object.entries(parameters ?? {})) {
    for (const value of typeof values === 'string' ? [values] : (values ?? [])) {
      query += `${query === '' ? '?' : '&'}${encode(name)}=${encode(value)}`
    }
  }
  return query
}

/** Encodes a name or value that was decoded on its way. */
export function encodeParameter(text: string): string {
  return encodeURIComponent(wellFormed(text))
}

/** Headers as names and values in turn; text beyond latin-1 as its UTF-8. */
export function listHeaders(headers: EventHeaders): string[] {
  const flat: string[] = []
  for (const [name, values] of Object.entries(headers ?? {})) {
    if (typeof values === 'string') {
      flat.push(name, onWire(values))
    } else {
      for (const value of values ?? []) {
        flat.push(name, onWire(value))
      }
    }
  }
  return flat
}

function onWire(value: string): string {
  return BEYOND_ASCII.test(value) ? Buffer.from(value).toString('latin1') : value
}

/** The first header of a name, in lower case. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]!.toLowerCase() === name) {
      return headers[at + 1]
    }
  }
  return undefined
}

/**
 * A body, decoded.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function bodyOf(body: string | null | undefined, isBase64: boolean | undefined): Buffer | undefined {
  if (typeof body !== 'string' || body === '') {
    return undefined
  }
  if (isBase64 !== true) {
    return Buffer.from(body)
  }
  // Buffer.from takes anything, and leaves out what it does not know.
  if (!BASE64.test(body)) {
    throw new AmphisError(
      'AMPHIS_ERR_INVALID_REQUEST',
      "The event says that its body is base64, but it is not: it has characters beyond base64's. Send it encoded, or as text.",
    )
  }
  return Buffer.from(body, 'base64')
}

/** What is the same for all: scheme and server of the headers, and the place of the app. */
export function requestOf(parts: {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly rootPath: string
  readonly headers: string[]
  readonly body: Buffer | undefined
  readonly client: string | undefined
  readonly protocol?: string | undefined
}): EventRequest {
  const { method, path, query, rootPath, headers, body, client, protocol = 'HTTP/1.1' } = parts
  const host = headerOf(headers, 'host')
  const scheme = headerOf(headers, 'x-forwarded-proto') ?? 'https'
  const port = Number(headerOf(headers, 'x-forwarded-port') ?? (scheme === 'http' ? 80 : 443))
  return {
    method,
    url: (path === '' ? '/' : path) + query,
    rootPath,
    headers,
    body,
    scheme,
    httpVersion: protocol.slice(protocol.indexOf('/') + 1),
    client: client === undefined || client === '' ? null : [client, 0],
    server: host === undefined ? null : [host.replace(/:\d+$/, ''), Number.isInteger(port) ? port : null],
  }
}

/** The address that the last proxy, which is AWS' own, has seen; what is before it anybody may have written. */
export function lastForwarded(headers: readonly string[]): string | undefined {
  return headerOf(headers, 'x-forwarded-for')?.split(',').at(-1)?.trim()
}

/** A path without what it begins with, and that. */
export function cutPath(path: string, prefix: string): { path: string; rootPath: string } {
  const isBelow =
    prefix !== '' && path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
  return isBelow ? { path: path.slice(prefix.length), rootPath: prefix } : { path, rootPath: '' }
}
