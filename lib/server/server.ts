// `createServer`: a server of Node's for one app.
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http'
import type { Http2SecureServer, Http2Server, SecureServerOptions } from 'node:http2'
import type { Server as HttpsServer, ServerOptions as NodeOptions } from 'node:https'
import type { Socket } from 'node:net'
import { AmphisError } from '../base/errors.js'
import { DefaultHeaders, flatHeaders } from '../wire/default-headers.js'
import { serveSocket } from '../wire/served-socket.js'
import { takeClientErrors } from './client-error.js'
import { answerHealth } from './health.js'
import { misspeltOption } from './node-options.js'
import { closeWhenIdle } from './http2-idle.js'
import { requireOneHost } from './one-host.js'

/** Options of {@link createServer}: its own, and those of `node:https` (or `node:http`, without a certificate). */
export interface ServerOptions extends NodeOptions {
  /**
   * HTTP/2, beside HTTP/1.1 where there is a certificate; without one it is HTTP/2 alone (h2c).
   * @default false
   */
  http2?: boolean | undefined
  /** The settings of HTTP/2. */
  settings?: SecureServerOptions['settings']
  /**
   * `server: amphis` in responses in which the app names no server.
   * @default true
   */
  serverHeader?: boolean | undefined
  /**
   * The `date` in responses in which the app gives none.
   * @default true
   */
  dateHeader?: boolean | undefined
  /**
   * Headers of every response in which the app gives none of the name, by name or as names and values in turn; `vary`
   * and `set-cookie` are added to the app's. Those of a connection or of a body cannot be among them.
   * @default none
   */
  headers?: Readonly<Record<string, string | readonly string[]>> | readonly string[] | undefined
  /**
   * A path that is answered with 200 as long as the server serves, whatever the app does: for a liveness probe. Neither
   * it nor `readyPath` reaches the app, and the limits do not count them.
   * @default undefined
   */
  healthPath?: string | undefined
  /**
   * A path that is answered with 200 while requests are taken, and with 503 before the app has started, while it is
   * closing, and when `limitConcurrency` is reached: for a readiness probe.
   * @default undefined
   */
  readyPath?: string | undefined
}

type Present<T> = Exclude<T, undefined>

/** With a certificate. */
export type SecureOptions = ServerOptions &
  ({ cert: Present<ServerOptions['cert']> } | { pfx: Present<ServerOptions['pfx']> })

/** Without one. */
export type PlainOptions = ServerOptions & { cert?: undefined; key?: undefined; pfx?: undefined }

/** Any server that {@link createServer} makes. */
export type PythonServer = HttpServer | HttpsServer | Http2Server | Http2SecureServer

/** What a server needs of the handler of its app; a `PythonHandler` has it. */
export interface ServedHandler {
  readonly listener: (request: IncomingMessage, response: ServerResponse) => unknown
  /** Whether a request would be taken now. */
  readonly available: boolean
  /** Takes the WebSockets of a server. */
  attach(server: PythonServer): unknown
}

/**
 * A server of Node's for one app, complete with what a middleware leaves to others: WebSockets, `100 Continue` once
 * the app asks for the body, `X-Forwarded-*` of trusted proxies (see `proxyHeaders`), a `server` header. A certificate
 * makes it HTTPS. Listening, closing and the app's own end stay the caller's.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 *
 * @example
 * createServer(python).listen(8000)
 * createServer(python, { cert, key, http2: true }).listen(443)
 */
export function createServer(python: ServedHandler, options: SecureOptions & { http2: true }): Http2SecureServer
export function createServer(python: ServedHandler, options: PlainOptions & { http2: true }): Http2Server
export function createServer(python: ServedHandler, options: SecureOptions & { http2?: false }): HttpsServer
export function createServer(python: ServedHandler, options?: PlainOptions & { http2?: false }): HttpServer
export function createServer(python: ServedHandler, options?: ServerOptions): PythonServer
export function createServer(python: ServedHandler, options: ServerOptions = {}): PythonServer {
  if (typeof python?.listener !== 'function') {
    throw invalid("createServer needs a PythonHandler: createServer(new PythonHandler('module:attribute')).")
  }
  for (const name of Object.keys(options)) {
    const meant = misspeltOption(name, OWN_OPTIONS)
    if (meant !== undefined) {
      throw invalid(`There is no option ${name} of createServer. Did you mean ${meant}?`)
    }
  }
  const {
    http2 = false,
    serverHeader = true,
    dateHeader = true,
    headers = [],
    healthPath,
    readyPath,
    ...nodes
  } = options
  const answers = answerHealth({ healthPath, readyPath }, () => python.available, python.listener)
  checkFlags({ http2, serverHeader, dateHeader })
  const defaults = new DefaultHeaders(flatHeaders(headers), serverHeader ? SERVER_NAME : undefined)
  const server = makeServer(http2, nodes)
  const serving = { headers: defaults, dateHeader: dateHeader && !defaults.hasDate }
  const isSecure = 'setSecureContext' in server
  // Its own listener comes first, before Node reads a request.
  server.prependListener(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => serveSocket(socket, serving))
  const listener = requireOneHost(server, answers)
  server.on('request', listener)
  server.on('checkContinue', listener)
  python.attach(server)
  return server
}

const OWN_OPTIONS = ['http2', 'serverHeader', 'dateHeader', 'headers', 'healthPath', 'readyPath']

/** What the `server` header says. */
const SERVER_NAME = 'amphis'

/** What `node:http` has by default, in milliseconds. */
const KEEP_ALIVE_TIMEOUT = 5_000
const REQUEST_TIMEOUT = 300_000

/** How long the head of a request may take: Node's own 60 seconds are 90 by the time that it looks. */
const HEADERS_TIMEOUT = 20_000
const CHECKING_INTERVAL = 1_000

/** Most bytes of a request's head: what uvicorn takes. */
const MAX_HEADER_SIZE = 64 * 1024

function invalid(message: string, options?: ErrorOptions): AmphisError {
  return new AmphisError('AMPHIS_ERR_INVALID_OPTIONS', message, options)
}

function checkFlags(flags: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(flags)) {
    if (typeof value !== 'boolean') {
      throw invalid(`Option ${name} must be true or false, but it is ${String(value)}.`)
    }
  }
}

/** Limits of the head of a request: those that were given, and others than Node's where none were. */
function limitsOf(options: NodeOptions): NodeOptions {
  const { headersTimeout, requestTimeout } = options
  return {
    // Node wants the head to have no more time than the request, unless that has no limit.
    headersTimeout: headersTimeout ?? Math.min(HEADERS_TIMEOUT, requestTimeout || Infinity),
    requestTimeout: requestTimeout ?? Math.max(REQUEST_TIMEOUT, headersTimeout ?? 0),
    connectionsCheckingInterval: options.connectionsCheckingInterval ?? CHECKING_INTERVAL,
    maxHeaderSize: options.maxHeaderSize ?? MAX_HEADER_SIZE,
    requireHostHeader: options.requireHostHeader ?? true,
  }
}

/**
 * A server of Node's, without an app.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function makeServer(http2: boolean, options: Omit<ServerOptions, 'http2'>): PythonServer {
  const { key, cert, pfx, SNICallback } = options
  const isSecure = cert !== undefined || pfx !== undefined || SNICallback !== undefined
  if (key !== undefined && !isSecure) {
    throw invalid('Option key needs the certificate that it belongs to. Give it as cert.')
  }
  if (cert !== undefined && key === undefined) {
    throw invalid('Option cert needs its private key. Give it as key.')
  }
  try {
    const limits = limitsOf(options)
    const limited = { ...options, ...limits }
    const server = http2
      ? makeHttp2Server(isSecure, limited, limits)
      : isSecure
        ? process.getBuiltinModule('node:https').createServer(limited)
        : createHttpServer(limited)
    takeClientErrors(server)
    return server
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    const isNodes = error instanceof RangeError || /^ERR_(?:INVALID|HTTP2)_/.test(code)
    throw invalid(
      isNodes
        ? `Node.js does not take an option of the server: ${message}`
        : `The options of TLS cannot be used: ${message}. Check cert, key, ca and passphrase.`,
      { cause: error },
    )
  }
}

function makeHttp2Server(
  isSecure: boolean,
  options: Omit<ServerOptions, 'http2'>,
  limits: NodeOptions,
): Http2Server | Http2SecureServer {
  const { keepAliveTimeout = KEEP_ALIVE_TIMEOUT } = options
  if (!Number.isInteger(keepAliveTimeout) || keepAliveTimeout < 0) {
    throw new RangeError(`keepAliveTimeout must be a whole number of milliseconds, not ${keepAliveTimeout}.`)
  }
  // WebSockets over HTTP/2 (RFC 8441) have to be announced.
  const settings = { enableConnectProtocol: true, maxHeaderListSize: limits.maxHeaderSize, ...options.settings }
  // Not imported: loading HTTP/2 and TLS takes milliseconds of everybody's start.
  const {
    createSecureServer,
    createServer: createPlainServer,
    getPackedSettings,
  } = process.getBuiltinModule('node:http2')
  // Checks them: Node itself looks at them only when somebody connects.
  getPackedSettings(settings)
  createHttpServer(limits)
  const all = { ...options, settings }
  const server = isSecure ? createSecureServer({ ...all, allowHTTP1: true }) : createPlainServer(all)
  // Node reads them from the server for its HTTP/1.1, but does not set them.
  Object.assign(server, { keepAliveTimeout }, isSecure && limits)
  server.on('session', (session) => closeWhenIdle(session, keepAliveTimeout))
  return server
}
