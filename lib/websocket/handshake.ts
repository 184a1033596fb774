// Opening handshakes: of HTTP/1.1 by `ws`, of HTTP/2 by an extended CONNECT.
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createRequire } from 'node:module'
import type * as Ws from 'ws'
import type { WebSocket, WebSocketServer } from 'ws'
import type { ResolvedOptions } from '../base/options.js'
import { webSocketObserved } from '../diagnostics.js'
import { abortResponse, http2Record } from '../wire/http2-response.js'

/** A client's wish for a WebSocket, sound and not yet answered. */
export interface Handshake {
  readonly request: IncomingMessage
  /** What its WebSocket is framed on. */
  readonly stream: Duplex
  /** Grants it; `undefined` when the client has left meanwhile. Headers are names and values in turn. */
  accept(subprotocol: string, headers: readonly string[]): WebSocket | undefined
  /** The response that answers it in another way, and ends the connection. */
  refuse(): ServerResponse
  /** Ends its connection or stream, so that nobody takes it for a good end. */
  abort(): void
}

/** What is done with a sound handshake: `onGone` of what it returns is called when the client leaves unanswered. */
export type Accepter = (handshake: Handshake) => { onGone(): void } | undefined

/**
 * Frames of one message. Enough for a large one in small pieces (4 MiB in frames of 64 bytes, as Autobahn sends it); a
 * frame costs about 150 bytes over what `wsMaxSize` allows.
 */
const MAX_FRAGMENTS = 128 * 1024

/** Bytes that are read before the accept. */
const EARLY = 64 * 1024

/** How long a client may keep a connection that is closed, in milliseconds. */
const LINGER = 500

const NO_HEAD = Buffer.alloc(0)

/** Loaded with the first handshake: it is a third of what this package takes to load, and many apps never need it. */
function loadWs(): typeof Ws {
  // By a name of its own, as `@vercel/nft` follows it.
  const require = createRequire(import.meta.url)
  return require('ws') as typeof Ws
}

type Decide = (verified: boolean) => void

/** The opening handshakes of one handler's WebSockets (RFC 6455 4.2, RFC 8441 5); `ws` checks and frames them. */
export class Handshakes {
  readonly #options: ResolvedOptions
  #server: WebSocketServer | undefined
  readonly #pending = new WeakMap<IncomingMessage, UpgradeHandshake>()

  constructor(options: ResolvedOptions) {
    this.#options = options
  }

  #makeServer(): WebSocketServer {
    const { wsCloseTimeout, wsMaxSize, wsPerMessageDeflate } = this.#options
    const { WebSocketServer: Server } = loadWs()
    // Not in the types of ws.
    const closing: object = { closeTimeout: wsCloseTimeout }
    const server = new Server({
      ...closing,
      noServer: true,
      clientTracking: false,
      maxPayload: wsMaxSize,
      maxFragments: MAX_FRAGMENTS,
      perMessageDeflate: wsPerMessageDeflate,
      // Called once the request was found sound. The answer waits for the app.
      verifyClient: ({ req }: { req: IncomingMessage }, decide: Decide) => this.#pending.get(req)?.checked(decide),
      handleProtocols: (_offered, request) => this.#pending.get(request)?.subprotocol || false,
    })
    server.on('headers', (lines, request) => {
      const headers = this.#pending.get(request)?.headers ?? []
      for (let at = 0; at < headers.length; at += 2) {
        lines.push(`${headers[at]}: ${headers[at + 1]}`)
      }
    })
    return server
  }

  /** An upgrade of HTTP/1.1. A malformed one is answered here. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, accept: Accepter): void {
    const handshake = new UpgradeHandshake(request, socket as Socket, accept)
    this.#pending.set(request, handshake)
    if (head.length > 0) {
      // Before anything comes behind it. ws would do it after the accept, and lose it where writing that has failed.
      socket.unshift(head)
    }
    this.#server ??= this.#makeServer()
    this.#server.handleUpgrade(request, socket, NO_HEAD, (webSocket) => handshake.completed(webSocket))
    const observed = webSocketObserved(request)
    if (observed !== undefined && !handshake.isChecked && socket.writableEnded) {
      // ws has said so, without a response of Node's.
      observed.status = request.method === 'GET' ? 400 : 405
    }
  }

  /** An extended CONNECT of HTTP/2. */
  connect(request: Http2ServerRequest, response: Http2ServerResponse, accept: Accepter): void {
    if (request.headers['sec-websocket-version'] !== '13') {
      response.writeHead(400, { 'sec-websocket-version': '13' })
      response.end()
      return
    }
    this.#server ??= this.#makeServer()
    new ConnectHandshake(request, response, this.#server.options).begin(accept)
  }
}

class UpgradeHandshake implements Handshake {
  readonly request: IncomingMessage
  readonly stream: Socket
  readonly #accept: Accepter
  subprotocol = ''
  headers: readonly string[] = []
  #decide: Decide | undefined
  #webSocket: WebSocket | undefined
  #response: ServerResponse | undefined
  #taker: ReturnType<Accepter>
  /** What the client sends before it has its answer. */
  #early: Buffer[] = []
  #earlyBytes = 0

  constructor(request: IncomingMessage, socket: Socket, accept: Accepter) {
    this.request = request
    this.stream = socket
    this.#accept = accept
  }

  get isChecked(): boolean {
    return this.#decide !== undefined
  }

  checked(decide: Decide): void {
    this.#decide = decide
    if (this.stream.readableEnded) {
      // It has left while Python started.
      this.stream.destroy()
      return
    }
    this.stream.on('close', this.#onGone)
    this.stream.on('end', this.#onGone)
    // The end is only seen by whoever reads.
    this.stream.on('data', this.#onEarly)
    this.#taker = this.#accept(this)
  }

  accept(subprotocol: string, headers: readonly string[]): WebSocket | undefined {
    this.subprotocol = subprotocol
    this.headers = headers
    this.#unwatch()
    this.stream.pause()
    if (this.#early.length > 0) {
      this.stream.unshift(Buffer.concat(this.#early))
      this.#early = []
    }
    // ws writes the head as text; header values are bytes.
    this.stream.setDefaultEncoding('latin1')
    this.#decide?.(true)
    this.stream.setDefaultEncoding('utf8')
    this.stream.resume()
    return this.#webSocket
  }

  completed(webSocket: WebSocket): void {
    this.#webSocket = webSocket
    endAfter(this.stream, webSocket)
  }

  refuse(): ServerResponse {
    this.#unwatch()
    return (this.#response ??= responseOn(this.request, this.stream))
  }

  abort(): void {
    this.stream.destroy()
  }

  #unwatch(): void {
    this.stream.off('close', this.#onGone)
    this.stream.off('end', this.#onGone)
    this.stream.off('data', this.#onEarly)
  }

  readonly #onEarly = (bytes: Buffer): void => {
    this.#early.push(bytes)
    this.#earlyBytes += bytes.length
    if (this.#earlyBytes >= EARLY) {
      this.stream.pause()
    }
  }

  readonly #onGone = (): void => {
    this.#unwatch()
    this.stream.destroy()
    this.#taker?.onGone()
  }
}

class ConnectHandshake implements Handshake {
  readonly request: IncomingMessage
  readonly stream: Duplex
  readonly #response: Http2ServerResponse
  readonly #options: WebSocketServer['options']
  #taker: ReturnType<Accepter>

  constructor(request: Http2ServerRequest, response: Http2ServerResponse, options: WebSocketServer['options']) {
    // Of the same shape, as far as it is looked at.
    this.request = request as unknown as IncomingMessage
    this.stream = response.stream
    this.#response = response
    this.#options = options
  }

  begin(accept: Accepter): void {
    // It may have left while Python started.
    if (!this.#response.stream.closed) {
      this.stream.on('close', this.#onGone)
      this.#taker = accept(this)
    }
  }

  accept(subprotocol: string, headers: readonly string[]): WebSocket | undefined {
    const { stream } = this.#response
    stream.off('close', this.#onGone)
    if (stream.destroyed || stream.closed) {
      return undefined
    }
    const chosen = subprotocol === '' ? {} : { 'sec-websocket-protocol': subprotocol }
    stream.respond({ ':status': '200', ...http2Record(headers), ...chosen })
    return frame(stream, subprotocol, this.#options)
  }

  refuse(): ServerResponse {
    this.stream.off('close', this.#onGone)
    return this.#response as unknown as ServerResponse
  }

  abort(): void {
    abortResponse(this.#response)
  }

  readonly #onGone = (): void => this.#taker?.onGone()
}

/** What ws keeps for its own server: a WebSocket over any stream. */
interface OpenWebSocket extends WebSocket {
  _protocol: string
  setSocket(stream: Duplex, head: Buffer, options: WebSocketServer['options']): void
}

/** Frames a stream whose handshake was not ws' own; extensions are left out. */
function frame(stream: Duplex, subprotocol: string, options: WebSocketServer['options']): WebSocket {
  const Constructor = loadWs().WebSocket as unknown as new (
    address: null,
    protocols: undefined,
    options: WebSocketServer['options'],
  ) => OpenWebSocket
  const webSocket = new Constructor(null, undefined, options)
  webSocket._protocol = subprotocol
  webSocket.setSocket(stream, NO_HEAD, options)
  endAfter(stream, webSocket)
  return webSocket
}

/** Once both sides have said that they close, a client that keeps its side of the connection is not waited for. */
function endAfter(stream: Duplex, webSocket: WebSocket): void {
  stream.once('finish', () => linger(stream, () => webSocket.terminate()))
}

/** Ends a connection that its client keeps open after the server has closed its own side. */
function linger(stream: Duplex, end: () => void): void {
  const timer = setTimeout(end, LINGER).unref()
  stream.once('close', () => clearTimeout(timer))
}

/** A response to an upgrade request, which Node leaves to whoever takes the socket. It ends the connection. */
export function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  webSocketObserved(request)?.answeredBy(response)
  socket.on('drain', () => response.emit('drain'))
  // Nobody reads what the client may still send; unread it would turn the end into a reset.
  socket.resume()
  response.on('finish', () => {
    response.detachSocket(socket)
    socket.end()
    // Node's own limits are off since the upgrade.
    linger(socket, () => socket.destroy())
  })
  return response
}
