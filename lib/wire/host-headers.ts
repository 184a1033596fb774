// What a request's host has made of its headers: changes in `req.headers` are honoured, the rest is as it came.
import type { IncomingHttpHeaders } from 'node:http'
import { AmphisError } from '../base/errors.js'
import { FIELD_VALUE, TOKEN } from './field-syntax.js'
import { isSingleField } from './http2-response.js'

/** A request, as far as its headers go. */
export interface HeadedRequest {
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly httpVersion: string
  /** Of `node:http`, where its server says so. */
  readonly joinDuplicateHeaders?: boolean | null | undefined
}

/** Headers that say how the message is framed. They stay as they came: the bytes behind them have not changed either. */
const FRAMING = new Set(['connection', 'content-length', 'expect', 'te', 'trailer', 'transfer-encoding', 'upgrade'])

const AUTHORITY = ':authority'

/**
 * The headers of a request, names and values in turn: those that came over the wire, but for what the host has deleted
 * from `req.headers`, replaced or added there.
 *
 * Node makes `headers` for each request, so that nothing tells whether somebody has been at it but the comparison. The
 * names are in the order of the wire as long as nobody was, and none came twice. What the object inherits counts too.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST` for what can be no header
 */
export function headersOf(request: HeadedRequest): readonly string[] {
  const { headers, rawHeaders } = request
  let at = 0
  for (const name in headers) {
    const raw = rawHeaders[at]
    if (raw === undefined || headers[name] !== rawHeaders[at + 1] || (raw !== name && raw.toLowerCase() !== name)) {
      return mergeHeaders(request)
    }
    at += 2
  }
  return at === rawHeaders.length ? rawHeaders : mergeHeaders(request)
}

/** The first header of a name as it came, whatever the host has made of it; `name` is in lower case. */
export function rawHeader(
  { headers, rawHeaders = [] }: Partial<Pick<HeadedRequest, 'rawHeaders'>> & Pick<HeadedRequest, 'headers'>,
  name: string,
): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at]!
    if (raw.length === name.length && raw.toLowerCase() === name) {
      return rawHeaders[at + 1]
    }
  }
  // What others make in the place of a request may have no raw headers.
  const value = rawHeaders.length === 0 ? headers[name] : undefined
  return typeof value === 'string' ? value : undefined
}

function mergeHeaders(request: HeadedRequest): readonly string[] {
  const { rawHeaders } = request
  const now = valuesByName(request.headers)
  const before = new Map<string, string[]>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    const values = before.get(name)
    if (values === undefined) {
      before.set(name, [rawHeaders[at + 1]!])
    } else {
      values.push(rawHeaders[at + 1]!)
    }
  }
  const merged: string[] = []
  const replaced = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at]!
    const name = raw.toLowerCase()
    if (staysRaw(name) || isUntouched(request, name, before.get(name)!, now)) {
      merged.push(raw, rawHeaders[at + 1]!)
    } else if (!replaced.has(name)) {
      replaced.add(name)
      add(merged, raw, name === AUTHORITY ? authorityOf(now, before) : now.get(name))
    }
  }
  for (const [name, value] of now) {
    if (!before.has(name) && !staysRaw(name) && name !== AUTHORITY && !(name === 'host' && before.has(AUTHORITY))) {
      add(merged, name, value)
    }
  }
  return merged
}

/** Pseudo headers are the business of HTTP/2; `__proto__` is a name that the object of Node's has no place for. */
function staysRaw(name: string): boolean {
  return FRAMING.has(name) || (name.startsWith(':') && name !== AUTHORITY) || name === '__proto__'
}

/** What the host sees, by name in lower case. A name with capitals is nobody's but the host's, and wins. */
function valuesByName(headers: IncomingHttpHeaders): Map<string, unknown> {
  const values = new Map<string, unknown>()
  for (const name in headers) {
    if (!Object.hasOwn(headers, name) && name in Object.prototype) {
      continue
    }
    const key = name.toLowerCase()
    if (key !== name || !values.has(key)) {
      values.set(key, headers[name])
    }
  }
  return values
}

/** Whether the host's value of a header is what Node makes of those that came. */
function isUntouched(
  request: HeadedRequest,
  name: string,
  came: readonly string[],
  now: ReadonlyMap<string, unknown>,
): boolean {
  if (name === AUTHORITY) {
    const host = now.get('host')
    return now.get(AUTHORITY) === came[0] && (host === undefined || host === came[0])
  }
  const value = now.get(name)
  if (Array.isArray(value)) {
    return value.length === came.length && came.every((one, at) => value[at] === one)
  }
  if (came.length === 1) {
    return value === came[0]
  }
  return value === came.join(name === 'cookie' ? '; ' : ', ') || (value === came[0] && isFirstOnly(request, name))
}

/** Of which Node shows the first that came, and no other. */
const FIRST_ONLY = new Set([
  'age',
  'authorization',
  'content-type',
  'etag',
  'expires',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
])

function isFirstOnly({ httpVersion, joinDuplicateHeaders }: HeadedRequest, name: string): boolean {
  return httpVersion.startsWith('2') ? isSingleField(name) : joinDuplicateHeaders !== true && FIRST_ONLY.has(name)
}

/** HTTP/2 says `:authority` for `host`; a host that knows no HTTP/2 changes the latter. */
function authorityOf(now: ReadonlyMap<string, unknown>, before: ReadonlyMap<string, readonly string[]>): unknown {
  const host = now.get('host')
  return host === undefined || host === before.get('host')?.[0] ? now.get(AUTHORITY) : host
}

function add(merged: string[], name: string, value: unknown): void {
  for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
    if (one !== undefined && one !== null) {
      merged.push(name, textOf(name, one))
    }
  }
}

function textOf(name: string, value: unknown): string {
  const isText = typeof value === 'string' || ['number', 'bigint', 'boolean'].includes(typeof value)
  const text = isText ? String(value) : ''
  if (!isText || !FIELD_VALUE.test(text) || !TOKEN.test(name.replace(/^:/, ''))) {
    const shown = typeof value === 'string' ? JSON.stringify(text.slice(0, 80)) : `of type ${typeof value}`
    throw new AmphisError(
      'AMPHIS_ERR_INVALID_REQUEST',
      `The host has set req.headers[${JSON.stringify(name)}] to what can be no header: it is ${shown}. ` +
        'Give it a name of letters, and a text (or a list of them) without control characters; percent-encode what ' +
        'latin-1 does not have.',
    )
  }
  return text
}
