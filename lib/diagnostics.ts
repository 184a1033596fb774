// What requests and WebSockets go through, for logs, metrics and traces: channels of node:diagnostics_channel. Without
// a subscriber to `start`, `open` or `end` nothing is noted at all; the same object comes from start to end.
import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { askedUrl } from './base/asked-url.js'
import { noteFailedRequest } from './base/failed-request.js'
import type { ResolvedOptions } from './base/options.js'
import { tellHost } from './base/tell-host.js'
import { unwatchConnection, watchEnd } from './wire/connection-close.js'
import { isHttp2 } from './wire/http2-response.js'
import { forwardedOf } from './wire/proxy-headers.js'

const requestStart = channel('amphis:request:start')
const requestEnd = channel('amphis:request:end')
const requestError = channel('amphis:request:error')
const webSocketStart = channel('amphis:websocket:start')
const webSocketOpen = channel('amphis:websocket:open')
const webSocketEnd = channel('amphis:websocket:end')
const webSocketError = channel('amphis:websocket:error')

/**
 * How a request ended: `complete` when the whole response has left, `client-left` when the client went before,
 * `cut-off` when the app failed in the middle of its response.
 */
export type Outcome = 'complete' | 'client-left' | 'cut-off'

/** What the channels of requests and of WebSockets both tell. */
export interface Observation {
  /** The app, as the handler names it: `main:app`. */
  readonly app: string
  readonly request: IncomingMessage
  readonly method: string
  /** Path and query as they came; below the mount's prefix where the app is mounted. */
  readonly url: string
  /** Address and port of the client, by a trusted proxy's word where there is one; `undefined` on a Unix socket. */
  readonly client: readonly [host: string, port: number] | undefined
  /** On the clock of `performance.now()`, in milliseconds. */
  readonly startedAt: number
  /** The same; `undefined` before the end. */
  readonly endedAt: number | undefined
  /** What went wrong last, most often an `AmphisError`; an app may fail also after the end. */
  readonly error: unknown
}

/**
 * What `amphis:request:start`, `:end` and `:error` tell of a request that came to `listener`, `middleware` or a server
 * of `createServer`.
 */
export interface RequestObservation extends Observation {
  readonly response: ServerResponse
  /** Of the response; `undefined` while none has begun, and for ever when the client left before. */
  readonly status: number | undefined
  /** Bytes of the response's body that the connection was given. */
  readonly bodyBytes: number
  /** `undefined` before the end. */
  readonly outcome: Outcome | undefined
}

/**
 * What `amphis:websocket:start`, `:open`, `:end` and `:error` tell of a WebSocket; `:open` is missing where its
 * handshake is refused.
 */
export interface WebSocketObservation extends Observation {
  /** When the handshake was accepted, as `startedAt`. */
  readonly openedAt: number | undefined
  readonly subprotocol: string
  /** Of a handshake that was refused; `undefined` when the client left before there was an answer. */
  readonly status: number | undefined
  /** What an open WebSocket was closed with: 1006 where nobody has said anything. */
  readonly code: number | undefined
  readonly reason: string
}

const OBSERVED: unique symbol = Symbol('amphis.observed')

interface ObservedMessage extends IncomingMessage {
  [OBSERVED]?: ObservedRequest | ObservedWebSocket
}

type Peers = Pick<ResolvedOptions, 'app' | 'proxyHeaders' | 'forwardedAllowIps' | 'onError' | 'logger'>

function clientOf(peers: Peers, request: IncomingMessage): readonly [string, number] | undefined {
  const { remoteAddress, remotePort } = request.socket
  const said = forwardedOf(peers, request)?.client
  return said ?? (remoteAddress === undefined ? undefined : [remoteAddress, remotePort ?? 0])
}

class Observed implements Observation {
  readonly app: string
  readonly request: IncomingMessage
  readonly method: string
  readonly url: string
  readonly client: readonly [host: string, port: number] | undefined
  readonly startedAt = performance.now()
  endedAt: number | undefined
  error: unknown

  constructor(peers: Peers, request: IncomingMessage) {
    this.app = peers.app
    this.request = request
    this.method = request.method ?? 'GET'
    this.url = request.url ?? '/'
    this.client = clientOf(peers, request)
  }
}

class ObservedRequest extends Observed implements RequestObservation {
  readonly response: ServerResponse
  bodyBytes = 0
  outcome: Outcome | undefined

  constructor(peers: Peers, request: IncomingMessage, response: ServerResponse) {
    super(peers, request)
    this.response = response
  }

  get status(): number | undefined {
    return this.response.headersSent ? this.response.statusCode : undefined
  }

  readonly end = (): void => {
    if (this.outcome !== undefined) {
      return
    }
    if (isComplete(this.response)) {
      this.outcome = 'complete'
    } else {
      this.outcome = this.error === undefined ? 'client-left' : 'cut-off'
    }
    this.endedAt = performance.now()
    unwatchConnection(this.request.socket, this.end)
    requestEnd.publish(this)
  }
}

class ObservedWebSocket extends Observed implements WebSocketObservation {
  openedAt: number | undefined
  subprotocol = ''
  status: number | undefined
  code: number | undefined
  reason = ''

  open(subprotocol: string): void {
    this.openedAt = performance.now()
    this.subprotocol = subprotocol
    webSocketOpen.publish(this)
  }

  /** The response that says why its handshake is refused. Over HTTP/2 there is one in any case. */
  answeredBy(response: ServerResponse): void {
    response.once('finish', () => {
      if (this.openedAt === undefined) {
        this.status = response.headersSent ? response.statusCode : undefined
        this.end()
      }
    })
  }

  /** The connection is lost. One that was open says itself how it was closed. */
  readonly lost = (): void => {
    if (this.openedAt === undefined) {
      this.end()
    }
  }

  closed(code: number, reason: Buffer): void {
    this.code = code
    this.reason = reason.toString()
    this.end()
  }

  end(): void {
    if (this.endedAt === undefined) {
      this.endedAt = performance.now()
      webSocketEnd.publish(this)
    }
  }
}

function isComplete(response: ServerResponse): boolean {
  // Node's responses of HTTP/2 say that they are finished in any case.
  return isHttp2(response)
    ? response.writableEnded && response.stream.rstCode === 0 && !response.stream.aborted
    : response.writableFinished
}

/** Begins to tell of a request, if anybody listens. */
export function observeRequest(peers: Peers, request: ObservedMessage, response: ServerResponse): void {
  if (requestEnd.hasSubscribers || requestStart.hasSubscribers) {
    const observed = new ObservedRequest(peers, request, response)
    request[OBSERVED] = observed
    watchEnd(request, response, observed.end)
    requestStart.publish(observed)
  }
}

/** Begins to tell of a WebSocket, if anybody listens. */
export function observeWebSocket(peers: Peers, request: ObservedMessage, stream: Duplex): void {
  if (webSocketEnd.hasSubscribers || webSocketOpen.hasSubscribers || webSocketStart.hasSubscribers) {
    const observed = new ObservedWebSocket(peers, request)
    request[OBSERVED] = observed
    stream.once('close', observed.lost)
    webSocketStart.publish(observed)
  }
}

/** Tells that a request went wrong, also where nobody has listened to its start. */
export function tellRequestError(
  peers: Peers,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  noteFailedRequest(error, request.method, askedUrl(request))
  let observed = requestObserved(request)
  if (requestError.hasSubscribers) {
    observed ??= new ObservedRequest(peers, request, response)
  }
  if (observed !== undefined) {
    observed.error = error
    requestError.publish(observed)
  }
  tellHost(peers, error, request)
}

/** The same of a WebSocket. */
export function tellWebSocketError(peers: Peers, request: IncomingMessage, error: unknown): void {
  noteFailedRequest(error, 'WS', askedUrl(request))
  let observed = webSocketObserved(request)
  if (webSocketError.hasSubscribers) {
    observed ??= new ObservedWebSocket(peers, request)
  }
  if (observed !== undefined) {
    observed.error = error
    webSocketError.publish(observed)
  }
  tellHost(peers, error, request)
}

/** What is told of a request, while anybody listens. */
export function requestObserved(request: ObservedMessage): ObservedRequest | undefined {
  const observed = request[OBSERVED]
  return observed instanceof ObservedRequest ? observed : undefined
}

/** The same of a WebSocket's handshake. */
export function webSocketObserved(request: ObservedMessage): ObservedWebSocket | undefined {
  const observed = request[OBSERVED]
  return observed instanceof ObservedWebSocket ? observed : undefined
}
