// One WebSocket: messages and closing both ways, backpressure.
import type { ServerResponse } from 'node:http'
import type { WebSocket } from 'ws'
import { AmphisError } from '../base/errors.js'
import type { Exchange } from '../bridge/exchange.js'
import { tellWebSocketError, webSocketObserved } from '../diagnostics.js'
import { cutOff, ResponseWriter } from '../http/response-writer.js'
import { answerTo, logAnswered } from '../wire/error-answer.js'
import type { RequestHead } from '../wire/request-head.js'
import { defaultsOf, servingOf } from '../wire/served-socket.js'
import type { LiveWebSocket, WebSocketContext } from './context.js'
import { smallFrame } from './frame.js'
import type { Handshake } from './handshake.js'
import { Heartbeat } from './heartbeat.js'
import { unmaskNatively } from './unmask.js'

/** Bytes that the app may leave unreceived before the client's socket is no longer read. */
const HIGH_WATER = 256 * 1024
/** Unreceived bytes at which the socket is read again. */
const LOW_WATER = 128 * 1024
/** Bytes sent after which Python is told once they have left: half of what it lets be on its way. */
const CREDIT = 128 * 1024
/** What a message counts beside its bytes, as in `src/asgi/websocket_cycle.rs`: also empty ones have to stop some time. */
const MESSAGE_COST = 64
/** Messages up to this size are copied at once, larger ones are read where Node has them. As in `src/handler.rs`. */
const COPY_BODY = 4 * 1024
/** How long a client may take to answer the close frame of a server that ends, in milliseconds. */
const GOING_AWAY_LIMIT = 1_000

const ABNORMAL = 1006
const INTERNAL_ERROR = 1011
const SERVICE_RESTART = 1012

/** What the close frame says that `ws` has answered a client's mistake with. */
const MISTAKES: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
}
const PROTOCOL_ERROR = 1002
/** For what zlib can't unpack. */
const INVALID_PAYLOAD = 1007

/** One WebSocket, from its handshake on. */
export class WebSocketExchange implements Exchange, LiveWebSocket {
  readonly #context: WebSocketContext
  readonly #handshake: Handshake
  #slot = -1
  /** Once the handshake is accepted. */
  #webSocket: WebSocket | undefined
  #heartbeat: Heartbeat | undefined
  /** Once the handshake is refused. */
  #response: ServerResponse | undefined
  #writer: ResponseWriter | undefined
  #timer: NodeJS.Timeout | undefined
  /** The end of the connection is known to the app, or of its own making. */
  #isOver = false
  /** The app has closed it. */
  #isClosing = false
  /** Messages that Python has not received, each with its bytes where it reads them in place. */
  #unreceived: (Uint8Array | undefined)[] = []
  #unreceivedBytes = 0
  #uncredited = 0
  /** The batch of the bridge that brought the last message. */
  #batch = -1
  #mistake = 0

  constructor(context: WebSocketContext, handshake: Handshake) {
    this.#context = context
    this.#handshake = handshake
  }

  /** Sends the handshake to Python. */
  begin({ text, fields }: RequestHead): void {
    const { bridge, native, options, concurrency, webSockets } = this.#context
    if (!concurrency.enter()) {
      this.#refuse(concurrency.refusal())
      return
    }
    const slot = bridge.open(this)
    if (!native.connect(slot, text, text.length, fields, options.wsMaxQueue)) {
      bridge.release(slot)
      concurrency.leave()
      this.#refuse(
        new AmphisError('AMPHIS_ERR_INVALID_REQUEST', 'The handshake has a header with a NUL, CR or LF. Leave it out.'),
      )
      return
    }
    this.#slot = slot
    webSockets.add(this)
    if (options.timeoutRequest > 0) {
      this.#timer = setTimeout(this.#onTimeout, options.timeoutRequest)
    }
  }

  /** The client has left before the handshake was answered. */
  onGone(): void {
    this.#disconnect()
  }

  onAccept(subprotocol: string, headers: string[]): void {
    clearTimeout(this.#timer)
    if (!this.#isOver) {
      this.#guard(() => this.#open(subprotocol, headers))
    }
  }

  #open(subprotocol: string, headers: string[]): void {
    servingOf(this.#handshake.request.socket)?.headers.addTo(headers)
    const webSocket = this.#handshake.accept(subprotocol, headers)
    if (webSocket === undefined) {
      this.#disconnect()
      return
    }
    this.#webSocket = webSocket
    unmaskNatively(webSocket, this.#context.bridge.binding)
    webSocketObserved(this.#handshake.request)?.open(subprotocol)
    webSocket.on('message', this.#onMessage)
    webSocket.on('error', this.#onError)
    webSocket.on('close', this.#onClosed)
    const { wsPingInterval, wsPingTimeout } = this.#context.options
    if (wsPingInterval > 0) {
      this.#heartbeat = new Heartbeat(webSocket, this.#handshake.stream, wsPingInterval, wsPingTimeout)
    }
  }

  onMessage(data: string | Buffer, isText: boolean): void {
    const webSocket = this.#webSocket
    if (this.#isOver || webSocket === undefined) {
      return
    }
    this.#uncredited += data.length + MESSAGE_COST
    let onSent: (() => void) | undefined
    if (this.#uncredited >= CREDIT) {
      // What was sent before has left as well once this has.
      const sent = this.#uncredited
      this.#uncredited = 0
      onSent = () => this.#credit(sent)
    }
    this.#guard(() => this.#send(webSocket, data, isText, onSent))
  }

  #send(webSocket: WebSocket, data: string | Buffer, isText: boolean, onSent: (() => void) | undefined): void {
    const { batch } = this.#context.bridge
    const stream = this.#handshake.stream
    if (batch === this.#batch && stream.writableCorked === 0) {
      // Not the first message of this batch: it and those behind it leave together.
      stream.cork()
      process.nextTick(() => stream.uncork())
    }
    this.#batch = batch
    if (typeof data !== 'string') {
      webSocket.send(data, { binary: !isText }, onSent)
    } else if (webSocket.extensions === '' && webSocket.readyState === webSocket.OPEN) {
      stream.write(smallFrame(data, isText), onSent)
    } else {
      webSocket.send(Buffer.from(data, 'latin1'), { binary: !isText }, onSent)
    }
  }

  onClose(code: number, reason: string): void {
    clearTimeout(this.#timer)
    const webSocket = this.#webSocket
    if (webSocket !== undefined) {
      // Nobody receives what still comes, but the client's close frame behind it has to be read.
      this.#isClosing = true
      this.#unreceived = []
      this.#guard(() => {
        webSocket.close(code, Buffer.from(reason, 'latin1'))
        webSocket.resume()
      })
    } else if (!this.#isOver) {
      // Its status says all there is to say.
      this.#guard(() => answer(this.#takeResponse(), 403, {}, ''))
    }
  }

  onResponse(status: number, headers: string[], body: string | Buffer, end: boolean): void {
    clearTimeout(this.#timer)
    if (!this.#isOver) {
      this.#guard(() => this.#respond().start(status, headers, body, end))
    }
  }

  #respond(): ResponseWriter {
    const response = this.#takeResponse()
    response.on('close', () => {
      if (!response.writableEnded) {
        this.#disconnect()
      }
    })
    const writer = new ResponseWriter(response, { credit: (bytes) => this.#credit(bytes) })
    this.#writer = writer
    return writer
  }

  onChunk(body: string | Buffer, end: boolean): void {
    if (!this.#isOver) {
      this.#guard(() => this.#writer?.write(body, end))
    }
  }

  onFail(error: AmphisError): void {
    if (error.code === 'AMPHIS_ERR_CLIENT_DISCONNECTED') {
      this.#context.options.logger.debug(error)
      return
    }
    if (this.#isOver && (error.code === 'AMPHIS_ERR_REQUEST_TIMEOUT' || error.code === 'AMPHIS_ERR_CLOSED')) {
      // The client was told, and the log.
      return
    }
    const webSocket = this.#webSocket
    if (webSocket !== undefined) {
      this.#guard(() => webSocket.close(error.code === 'AMPHIS_ERR_CLOSED' ? SERVICE_RESTART : INTERNAL_ERROR))
    } else if (this.#response !== undefined) {
      if (!this.#response.writableEnded) {
        cutOff(this.#response)
      }
    } else if (!this.#isOver) {
      this.#refuse(error)
      return
    }
    this.#report(error)
  }

  /** Tells of an error that comes too late for an answer. */
  #report(error: unknown): void {
    const { options } = this.#context
    tellWebSocketError(options, this.#handshake.request, error)
    options.logger.error(error)
  }

  onAck(bytes: number, parts: number): void {
    this.#unreceived.splice(0, parts)
    this.#unreceivedBytes -= bytes
    if (
      this.#webSocket?.isPaused === true &&
      this.#unreceivedBytes <= LOW_WATER &&
      this.#unreceived.length < this.#context.options.wsMaxQueue
    ) {
      this.#webSocket.resume()
    }
  }

  onDone(): void {
    const { concurrency, webSockets } = this.#context
    this.#slot = -1
    concurrency.leave()
    webSockets.delete(this)
    clearTimeout(this.#timer)
    this.#unreceived = []
    if (this.#webSocket?.isPaused === true) {
      // Nobody receives what still comes, but the close frame behind it has to be read.
      this.#webSocket.resume()
    }
  }

  goAway(error: AmphisError): void {
    if (this.#isOver) {
      return
    }
    const webSocket = this.#webSocket
    if (webSocket === undefined) {
      if (this.#response === undefined) {
        this.#guard(() => answerError(this.#takeResponse(), error))
        this.#disconnect()
      }
      return
    }
    this.#end(SERVICE_RESTART, Buffer.alloc(0))
    this.#guard(() => webSocket.close(SERVICE_RESTART))
    setTimeout(() => webSocket.terminate(), GOING_AWAY_LIMIT).unref()
  }

  /** What Node or ws throws at what an app sends ends this connection, and nothing else. */
  #guard(write: () => void): void {
    try {
      write()
    } catch (error) {
      this.#disconnect()
      this.#handshake.abort()
      this.#report(error)
    }
  }

  /** Answers the handshake in the app's place. */
  #refuse(error: AmphisError): void {
    this.#isOver = true
    this.#guard(() => answerError(this.#takeResponse(), error))
    tellWebSocketError(this.#context.options, this.#handshake.request, error)
    logAnswered(this.#context.options.logger, error)
  }

  #takeResponse(): ServerResponse {
    return (this.#response ??= this.#handshake.refuse())
  }

  /** The client's socket has taken so much. */
  #credit(bytes: number): void {
    if (this.#slot >= 0) {
      this.#context.native.credit(this.#slot, bytes)
    }
  }

  /** The app is told that its client has gone without a word. */
  #disconnect(): void {
    this.#end(ABNORMAL, Buffer.alloc(0))
  }

  #end(code: number, reason: Buffer): void {
    if (this.#isOver) {
      return
    }
    this.#isOver = true
    if (this.#slot >= 0) {
      this.#context.native.closed(this.#slot, code, reason)
    }
  }

  readonly #onMessage = (data: unknown, isBinary: boolean): void => {
    if (this.#slot < 0 || this.#isOver || this.#isClosing) {
      return
    }
    // With ws' own default for its binary type.
    const bytes = data as Buffer
    this.#unreceived.push(bytes.length > COPY_BODY ? bytes : undefined)
    this.#unreceivedBytes += bytes.length
    const { bridge, native } = this.#context
    const outcome = native.message(this.#slot, bytes, !isBinary, bridge.isAlone())
    if (this.#unreceivedBytes >= HIGH_WATER || this.#unreceived.length >= this.#context.options.wsMaxQueue) {
      this.#webSocket?.pause()
    }
    bridge.sent(outcome)
  }

  readonly #onError = (error: Error & { code?: string }): void => {
    const { code = '' } = error
    if (/^(?:WS_ERR|Z)_/.test(code)) {
      this.#mistake = MISTAKES[code] ?? (code.startsWith('Z_') ? INVALID_PAYLOAD : PROTOCOL_ERROR)
      this.#context.options.logger.debug('A WebSocket was closed for a mistake of its client:', error)
    }
  }

  readonly #onClosed = (received: number, reason: Buffer): void => {
    this.#heartbeat?.stop()
    const code = received === ABNORMAL && this.#mistake !== 0 ? this.#mistake : received
    webSocketObserved(this.#handshake.request)?.closed(code, reason)
    this.#end(code, reason)
  }

  readonly #onTimeout = (): void => {
    if (this.#slot < 0 || this.#isOver) {
      return
    }
    const { native, options } = this.#context
    native.cancel(this.#slot)
    this.#refuse(
      new AmphisError(
        'AMPHIS_ERR_REQUEST_TIMEOUT',
        `The WebSocket handshake of ${this.#handshake.request.url} was not answered within timeoutRequest ` +
          `(${options.timeoutRequest} ms), so the app's task was cancelled. Accept it sooner, or raise timeoutRequest.`,
      ),
    )
  }
}

/** Answers a handshake in the app's place. */
export function answerError(response: ServerResponse, error: AmphisError): void {
  const { status, text, headers } = answerTo(error)
  answer(response, status, { 'content-type': 'text/plain; charset=utf-8', ...headers }, text)
}

function answer(response: ServerResponse, status: number, headers: Record<string, string>, text: string): void {
  if (response.headersSent || response.destroyed) {
    return
  }
  const isHttp2 = response.req.httpVersionMajor >= 2
  response.writeHead(status, {
    ...defaultsOf(response)?.toRecord(),
    ...headers,
    'content-length': Buffer.byteLength(text),
    ...(!isHttp2 && { connection: 'close' }),
  })
  response.end(text)
}
