// Joins and checks the head of a request.
import type { Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { AmphisError } from '../base/errors.js'
import { contextText } from '../base/request-context.js'
import type { HandleRequest } from '../base/types.js'
import { describeTls } from '../tls/extension.js'
import { FIELD_VALUE, TOKEN } from './field-syntax.js'
import { headersOf, type HeadedRequest } from './host-headers.js'
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
const FIXED_FIELDS = 12

/** The same head with what the host knows of the request, which is its first field and empty until then. */
export function withContext(head: RequestHead, context: string): RequestHead {
  return context === '' ? head : { text: context + head.text, fields: head.fields }
}

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

/** What an app may send beside a plain response: nothing, what a socket can take, and files as well. */
export type Offered = 'nothing' | 'socket' | 'files'

/** What `node:http` knows of a request, of its WebSocket handshakes too. */
export interface SocketRequest extends HeadedRequest {
  readonly method?: string | undefined
  readonly socket: Socket
}

/**
 * The head of a request that came over a socket, as it is now. Its headers were checked by Node's parser, or are
 * checked where the host has changed them; its URL may have been rewritten since.
 *
 * @param all the headers, where they are not those of the request
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function headOfSocket(
  request: SocketRequest,
  prefix: string,
  url: string,
  offered: Offered,
  forwarded?: Forwarded,
  all: readonly string[] = headersOf(request),
): RequestHead {
  const { method = 'GET', httpVersion, socket } = request
  checkLine(method, prefix, url)
  const own = connectionOf(socket)
  const fields =
    forwarded === undefined
      ? fieldsOf(own, prefix, httpVersion, offered)
      : joinFields(own, prefix, httpVersion, offered, forwarded)
  const line = `\0${method}\0${url}\0${fields}`
  const headers = all[0]?.startsWith(':') === true ? withoutPseudoHeaders(all) : all
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

/** A request that was made by hand, with its headers as names and values in turn. */
export type ListedRequest = Omit<HandleRequest, 'headers' | 'body'> & { readonly headers: readonly string[] }

/**
 * The head of a request that was made by hand; everything in it is checked.
 *
 * @param keys JSON in ASCII of what `amphis.aws_lambda` adds to the scope
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function headOfRequest(request: ListedRequest, keys?: string): RequestHead {
  const { method = 'GET', url, rootPath = '', httpVersion = '1.1', scheme = 'http', client, server, headers } = request
  if (typeof url !== 'string' || typeof method !== 'string' || typeof rootPath !== 'string') {
    throw new AmphisError(
      'AMPHIS_ERR_INVALID_REQUEST',
      "A request needs a url, a string such as '/path?query'; its method and rootPath are strings too.",
    )
  }
  checkLine(method, rootPath, url)
  // Without a connection there are neither extensions, which come next, nor TLS.
  const extensions = keys === undefined ? '' : MORE_KEYS
  const line = `${httpVersion}\0${scheme}\0${joinAddress(client ?? null)}\0${joinAddress(server ?? null)}\0${extensions}\0`
  if (!JOINED_TEXT.test(line)) {
    throw invalid('scheme, HTTP version or address', line.replaceAll('\0', ' '))
  }
  let text = `${contextText(request.context)}\0${method}\0${url}\0${rootPath}\0${line}`
  if (keys !== undefined) {
    text += `\0\0${keys}`
  }
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
  return { text, fields: FIXED_FIELDS + headers.length + (keys === undefined ? 0 : 2) }
}

/** The letter, among those of extensions, that stands for {@link headOfRequest}'s `keys`. */
const MORE_KEYS = 'x'

type Address = readonly [host: string, port: number | null] | null

function joinAddress(address: Address): string {
  return address === null ? '\0' : `${address[0]}\0${address[1] ?? ''}`
}

// ASGI extensions by letter, as `src/asgi/extensions.rs` reads them: pathsend, trailers, early hints. HTTP/1.0 knows
// neither chunks, which trailers need, nor responses before the response.
//
// Files not in a worker: Node closes the descriptors of a worker that is terminated only where it has opened them.
const PATHSEND = isMainThread ? 'p' : ''
const EXTENSIONS = 'te'

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
  offered: Offered
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
function fieldsOf(connection: Connection, prefix: string, httpVersion: string, offered: Offered): string {
  if (
    connection.fields === '' ||
    connection.prefix !== prefix ||
    connection.httpVersion !== httpVersion ||
    connection.offered !== offered
  ) {
    connection.fields = joinFields(connection, prefix, httpVersion, offered)
    connection.prefix = prefix
    connection.httpVersion = httpVersion
    connection.offered = offered
  }
  return connection.fields
}

/** The same, with what a proxy says of its client. */
function joinFields(
  own: Connection,
  prefix: string,
  httpVersion: string,
  offered: Offered,
  forwarded?: Forwarded,
): string {
  const client = forwarded?.client === undefined ? own.client : joinAddress(forwarded.client)
  const extensions =
    offered === 'nothing' ? '' : `${offered === 'files' ? PATHSEND : ''}${httpVersion === '1.0' ? '' : EXTENSIONS}`
  // Joined, it lies in memory as one string and not as a tree of its parts.
  return [prefix, httpVersion, forwarded?.scheme ?? own.scheme, client, own.server, extensions, own.tls].join('\0')
}

function describeConnection(socket: ConnectionSocket): Connection {
  const scheme = socket.encrypted === true ? 'https' : 'http'
  const { remoteAddress, remotePort } = socket
  const client = joinAddress(remoteAddress === undefined ? null : [remoteAddress, remotePort ?? null])
  const server = joinAddress(serverOf(socket))
  const tls = socket.encrypted === true ? describeTls(socket) : ''
  return { scheme, client, server, tls, fields: '', prefix: '', httpVersion: '', offered: 'socket' }
}

function serverOf(socket: ConnectionSocket): Address {
  const { localAddress, localPort } = socket
  if (localAddress !== undefined) {
    return [localAddress, localPort ?? null]
  }
  const path = socket.server?.address?.()
  return typeof path === 'string' ? [socketName(path), null] : null
}

// What would end a field of the head, or a line.
const UNSAID = /[\0\r\n]/g

/**
 * The path of a Unix socket, which may hold anything; what latin-1 can't say goes as UTF-8 bytes. Abstract names begin
 * with a NUL, and may have more: they are shown as the kernel does, `@name`.
 */
function socketName(path: string): string {
  return Buffer.from(path, 'utf8')
    .toString('latin1')
    .replace(UNSAID, (mark) => (mark === '\0' ? '@' : '?'))
}
