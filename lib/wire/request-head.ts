// Joins and checks the head of a request.
import type { Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { AmphisError } from '../base/errors.js'
import { nearestOption } from '../base/nearest.js'
import type { HandleRequest } from '../base/types.js'
import { describeTls } from '../tls/extension.js'
import { FIELD_VALUE, TOKEN } from './field-syntax.js'
import type { Forwarded } from './proxy-headers.js'

/**
 * The head of a request as it crosses the bridge: latin-1 text, its fields joined by NUL. `src/asgi/scope.rs` lists
 * the fields.
 */
export interface RequestHead {
  text: string
  /** How many fields were joined: Rust refuses a text that has more. */
  fields: number
}

/** Fields before the headers. */
const FIXED_FIELDS = 11

// RFC 9110: what a method and a field name are made of, and what a field value may hold.
// What can stand in a request line: no space, no control character, nothing that latin-1 would narrow.
const TARGET = /^[\x21-\x7e\x80-\xff]+$/
// Fields that were joined already: Rust counts the separators.
const JOINED_TEXT = /^[\0\x20-\x7e\x80-\xff]*$/

const USUAL_METHODS = new Set(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'])

function invalid(what: string, value: string): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_INVALID_REQUEST',
    `The request's ${what} ${JSON.stringify(value.slice(0, 80))} has characters that HTTP does not allow there. ` +
      'Percent-encode it, or leave them out.',
  )
}

function checkLine(method: string, prefix: string, url: string): void {
  if (!USUAL_METHODS.has(method) && !TOKEN.test(method)) {
    throw invalid('method', method)
  }
  if (!TARGET.test(url)) {
    throw invalid('target', url)
  }
  if (prefix !== '' && !TARGET.test(prefix)) {
    throw invalid('mount prefix', prefix)
  }
}

/** What `node:http` knows of a request, of its WebSocket handshakes too. */
export interface SocketRequest {
  readonly method?: string | undefined
  readonly httpVersion: string
  readonly socket: Socket
  readonly rawHeaders: readonly string[]
}

/**
 * The head of a request that came over a socket. Its headers were checked by Node's parser; its URL may have been
 * rewritten since.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function headOfSocket(
  { method = 'GET', httpVersion, socket, rawHeaders }: SocketRequest,
  prefix: string,
  url: string,
  forwarded?: Forwarded,
): RequestHead {
  checkLine(method, prefix, url)
  const own = connectionOf(socket)
  const fields =
    forwarded === undefined ? fieldsOf(own, prefix, httpVersion) : joinFields(own, prefix, httpVersion, forwarded)
  const line = `${method}\0${url}\0${fields}`
  const headers = rawHeaders[0]?.startsWith(':') === true ? withoutPseudoHeaders(rawHeaders) : rawHeaders
  return headers.length === 0
    ? { text: line, fields: FIXED_FIELDS }
    : { text: `${line}\0${headers.join('\0')}`, fields: FIXED_FIELDS + headers.length }
}

/**
 * The headers of a request of HTTP/2 as those of HTTP/1.1: no pseudo headers, `:authority` in the place of any `host`
 * (RFC 9113 8.3.1), the pieces that clients cut cookies into joined (8.2.3).
 */
function withoutPseudoHeaders(rawHeaders: readonly string[]): readonly string[] {
  const headers: string[] = []
  let authority: string | undefined
  let cookieAt = -1
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    const value = rawHeaders[at + 1]!
    if (name === ':authority') {
      authority = value
      headers.push('host', value)
    } else if (name === 'cookie' && cookieAt !== -1) {
      headers[cookieAt] += `; ${value}`
    } else if (!name.startsWith(':') && (name !== 'host' || authority === undefined)) {
      headers.push(name, value)
      cookieAt = name === 'cookie' ? headers.length - 1 : cookieAt
    }
  }
  return headers
}

const REQUEST_OPTIONS: ReadonlySet<string> = new Set([
  'method',
  'url',
  'headers',
  'body',
  'rootPath',
  'httpVersion',
  'scheme',
  'client',
  'server',
  'signal',
] satisfies (keyof HandleRequest)[])

/** What is merely more than is needed, is nobody's mistake. */
function assertNotMisspelt(name: string): void {
  const meant = nearestOption(name, [...REQUEST_OPTIONS])
  if (meant !== undefined) {
    throw new AmphisError(
      'AMPHIS_ERR_INVALID_REQUEST',
      `There is no option ${name} of a request. Did you mean ${meant}?`,
    )
  }
}

/**
 * The head of a request that was made by hand; everything in it is checked.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function headOfRequest(request: HandleRequest): RequestHead {
  if (typeof request !== 'object' || request === null) {
    throw new AmphisError('AMPHIS_ERR_INVALID_REQUEST', "A request is an object with a url: handle({ url: '/path' }).")
  }
  for (const name of Object.keys(request)) {
    if (!REQUEST_OPTIONS.has(name)) {
      assertNotMisspelt(name)
    }
  }
  const { method = 'GET', url, rootPath = '', httpVersion = '1.1', scheme = 'http', client, server } = request
  if (typeof url !== 'string' || typeof method !== 'string' || typeof rootPath !== 'string') {
    throw new AmphisError(
      'AMPHIS_ERR_INVALID_REQUEST',
      "A request needs a url, a string such as '/path?query'; its method and rootPath are strings too.",
    )
  }
  checkLine(method, rootPath, url)
  // The last two fields are empty: without a connection there are neither extensions nor TLS.
  const line = `${httpVersion}\0${scheme}\0${joinAddress(client ?? null)}\0${joinAddress(server ?? null)}\0\0`
  if (!JOINED_TEXT.test(line)) {
    throw invalid('scheme, HTTP version or address', line.replaceAll('\0', ' '))
  }
  const headers = flatHeaders(request.headers)
  let text = `${method}\0${url}\0${rootPath}\0${line}`
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!
    const value = headers[at + 1]!
    if (!TOKEN.test(name)) {
      throw invalid('header name', String(name))
    }
    if (!FIELD_VALUE.test(value)) {
      throw invalid(`header ${name} with the value`, String(value))
    }
    text += `\0${name}\0${value}`
  }
  return { text, fields: FIXED_FIELDS + headers.length }
}

function flatHeaders(headers: HandleRequest['headers']): readonly string[] {
  if (headers === undefined) {
    return []
  }
  if (isFlat(headers)) {
    if (headers.length % 2 !== 0) {
      throw new AmphisError(
        'AMPHIS_ERR_INVALID_REQUEST',
        'A list of headers holds names and values in turn, but this one has an odd length.',
      )
    }
    return headers
  }
  const flat: string[] = []
  for (const [name, value] of Object.entries(headers)) {
    for (const one of isFlat(value) ? value : [value]) {
      flat.push(name, one)
    }
  }
  return flat
}

function isFlat(value: unknown): value is readonly string[] {
  return Array.isArray(value)
}

type Address = readonly [host: string, port: number | null] | null

function joinAddress(address: Address): string {
  return address === null ? '\0' : `${address[0]}\0${address[1] ?? ''}`
}

// ASGI extensions by letter, as `src/asgi/extensions.rs` reads them: pathsend, trailers, early hints. HTTP/1.0 knows
// neither chunks, which trailers need, nor responses before the response.
//
// Files not in a worker: Node closes the descriptors of a worker that is terminated only where it has opened them.
const HTTP_1_0_EXTENSIONS = isMainThread ? 'p' : ''
const EXTENSIONS = `${HTTP_1_0_EXTENSIONS}te`

// The same for every request of a connection, so it is kept on the socket.
const CONNECTION: unique symbol = Symbol('amphis.connection')

interface Connection {
  readonly scheme: string
  readonly client: string
  readonly server: string
  readonly tls: string
  /** What it said last, and of what. */
  fields: string
  prefix: string
  httpVersion: string
}

interface ConnectionSocket extends Socket {
  [CONNECTION]?: Connection
  encrypted?: boolean
  /** Set by `node:http`. */
  server?: { address?: () => unknown }
}

function connectionOf(socket: ConnectionSocket): Connection {
  return (socket[CONNECTION] ??= describeConnection(socket))
}

/** The fields from the mount prefix to TLS, which rarely change from one request of a connection to the next. */
function fieldsOf(connection: Connection, prefix: string, httpVersion: string): string {
  if (connection.fields === '' || connection.prefix !== prefix || connection.httpVersion !== httpVersion) {
    connection.fields = joinFields(connection, prefix, httpVersion)
    connection.prefix = prefix
    connection.httpVersion = httpVersion
  }
  return connection.fields
}

/** The same, with what a proxy says of its client. */
function joinFields(own: Connection, prefix: string, httpVersion: string, forwarded?: Forwarded): string {
  const client = forwarded?.client === undefined ? own.client : joinAddress(forwarded.client)
  const extensions = httpVersion === '1.0' ? HTTP_1_0_EXTENSIONS : EXTENSIONS
  // Joined, it lies in memory as one string and not as a tree of its parts.
  return [prefix, httpVersion, forwarded?.scheme ?? own.scheme, client, own.server, extensions, own.tls].join('\0')
}

function describeConnection(socket: ConnectionSocket): Connection {
  const scheme = socket.encrypted === true ? 'https' : 'http'
  const { remoteAddress, remotePort } = socket
  const client = joinAddress(remoteAddress === undefined ? null : [remoteAddress, remotePort ?? null])
  const server = joinAddress(serverOf(socket))
  const tls = socket.encrypted === true ? describeTls(socket) : ''
  return { scheme, client, server, tls, fields: '', prefix: '', httpVersion: '' }
}

function serverOf(socket: ConnectionSocket): Address {
  const { localAddress, localPort } = socket
  if (localAddress !== undefined) {
    return [localAddress, localPort ?? null]
  }
  const path = socket.server?.address?.()
  // The path of a Unix socket may hold anything but NUL; what latin-1 can't say goes as UTF-8 bytes.
  return typeof path === 'string' ? [Buffer.from(path, 'utf8').toString('latin1'), null] : null
}
