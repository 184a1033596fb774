import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Binding, Bridge, Exchange } from './bridge.js'
import { unwatchConnection, watchConnection } from './connection-close.js'
import { AmphisError } from './errors.js'
import type { ResolvedOptions } from './options.js'
import { readAtOnce, RequestBodyPump, type IncomingBody } from './request-body.js'
import type { RequestHead } from './request-head.js'
import { ResponseWriter } from './response-writer.js'

export type NativeHandler = InstanceType<Binding['PythonHandler']>

/** What an exchange needs of the handler that it belongs to. */
export interface ExchangeContext {
  readonly bridge: Bridge
  readonly native: NativeHandler
  readonly options: ResolvedOptions
}

/** Takes a request that failed before its response started. */
export type FailureHandler = (error: AmphisError) => void

/** One request over a socket and its response. */
export class HttpExchange implements Exchange {
  readonly #context: ExchangeContext
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #fail: FailureHandler
  readonly #writer: ResponseWriter
  #slot = -1
  #pump: RequestBodyPump | undefined
  /** Keeps a body that Python reads in place. */
  #wholeBody: Uint8Array | undefined
  #timer: NodeJS.Timeout | undefined
  #isStarted = false
  #isEnded = false
  /** The client has gone, or the request was answered without the app: what it still sends is dropped. */
  #isOver = false

  constructor(context: ExchangeContext, request: IncomingMessage, response: ServerResponse, fail: FailureHandler) {
    this.#context = context
    this.#request = request
    this.#response = response
    this.#fail = fail
    this.#writer = new ResponseWriter(response, (bytes) => {
      if (this.#slot >= 0) {
        context.native.credit(this.#slot, bytes)
      }
    })
  }

  /** Sends the request to Python. */
  begin(head: RequestHead, body: IncomingBody): void {
    if (body.kind === 'whole') {
      this.#submit(head, body.bytes, false, true)
      return
    }
    if (this.#request.complete || this.#request.readableLength > 0) {
      this.#stream(head)
      return
    }
    // In the tick in which Node parses the head its body has not been seen yet.
    process.nextTick(() => {
      // The client may have left meanwhile, and its `close` is not said twice.
      if (!this.#response.destroyed) {
        this.#stream(head)
      }
    })
  }

  #stream(head: RequestHead): void {
    const { bytes, isWhole } = readAtOnce(this.#request)
    if (isWhole) {
      this.#wholeBody = bytes
      this.#submit(head, bytes, false, false)
      return
    }
    if (this.#submit(head, bytes, true, false)) {
      this.#pump = new RequestBodyPump(this.#request, this.#context.native, this.#slot, bytes)
      this.#pump.start()
    }
  }

  /** `isUsers`: somebody else holds the bytes and may change them, so they are copied. */
  #submit({ text, fields }: RequestHead, bytes: Uint8Array | undefined, moreBody: boolean, isUsers: boolean): boolean {
    const { bridge, native, options } = this.#context
    const slot = bridge.open(this)
    if (!native.request(slot, text, text.length, fields, moreBody, bytes, isUsers)) {
      bridge.release(slot)
      this.#isOver = true
      this.#fail(
        new AmphisError('AMPHIS_ERR_INVALID_REQUEST', 'The request has a header with a NUL, CR or LF. Leave it out.'),
      )
      return false
    }
    this.#slot = slot
    this.#response.on('close', this.#onClose)
    if (this.#response.socket === null) {
      // A pipelined response has no socket before its turn, and is not told when the connection goes.
      watchConnection(this.#request.socket, this.#onClose)
    }
    if (options.timeoutRequest > 0) {
      this.#timer = setTimeout(this.#onTimeout, options.timeoutRequest)
    }
    return true
  }

  onResponse(status: number, headers: string[], body: string | Buffer, end: boolean): void {
    if (this.#response.headersSent) {
      this.#disconnect()
    }
    if (!this.#isOver) {
      this.#isStarted = true
      this.#setEnded(end)
      this.#guard(() => this.#writer.start(status, headers, body, end))
    }
  }

  onChunk(body: string | Buffer, end: boolean): void {
    if (this.#response.writableEnded) {
      this.#disconnect()
    }
    if (!this.#isOver) {
      this.#setEnded(end)
      this.#guard(() => this.#writer.write(body, end))
    }
  }

  onFail(error: AmphisError, destroy: boolean): void {
    const { logger } = this.#context.options
    if (error.code === 'AMPHIS_ERR_CLIENT_DISCONNECTED') {
      logger.debug(error)
      return
    }
    if (this.#isOver || this.#isEnded || this.#isStarted || destroy) {
      const wasTimedOut = this.#isOver && error.code === 'AMPHIS_ERR_REQUEST_TIMEOUT'
      if (!this.#isOver && !this.#isEnded) {
        // Never a clean end: the client must not take half a response for a whole one.
        this.#isOver = true
        this.#response.destroy()
      }
      // Last, since a logger may throw.
      if (!wasTimedOut) {
        logger.error(error)
      }
      return
    }
    this.#isOver = true
    this.#fail(error)
  }

  onAck(bytes: number, parts: number): void {
    this.#pump?.acknowledge(bytes, parts)
  }

  onDone(): void {
    this.#slot = -1
    unwatchConnection(this.#request.socket, this.#onClose)
    this.#wholeBody = undefined
    clearTimeout(this.#timer)
    this.#pump?.stop()
    this.#pump = undefined
  }

  #setEnded(end: boolean): void {
    this.#isEnded = end
    if (end) {
      clearTimeout(this.#timer)
      // Nobody receives what is left of the request's body, also while the app is still at work.
      this.#pump?.stop()
      this.#pump = undefined
    }
  }

  /** Middleware may have replaced what we call; what it throws must not reach the bridge. */
  #guard(write: () => void): void {
    try {
      write()
    } catch (error) {
      this.#disconnect()
      this.#response.destroy()
      this.#context.options.logger.error(error)
    }
  }

  /** The app is told that its client is gone; also where the host has answered in its place. */
  #disconnect(): void {
    this.#isOver = true
    if (this.#slot >= 0) {
      this.#context.native.disconnect(this.#slot)
    }
  }

  readonly #onClose = (): void => {
    // Also where the host has ended the response in the app's place.
    if (!this.#isEnded || !this.#response.writableFinished) {
      this.#disconnect()
    }
  }

  readonly #onTimeout = (): void => {
    if (this.#slot < 0 || this.#isOver || this.#isEnded) {
      return
    }
    const { native, options } = this.#context
    native.cancel(this.#slot)
    const error = new AmphisError(
      'AMPHIS_ERR_REQUEST_TIMEOUT',
      `${this.#request.method} ${this.#request.url} took longer than timeoutRequest (${options.timeoutRequest} ms), ` +
        "so the app's task was cancelled. Answer sooner, or raise timeoutRequest.",
    )
    this.#isOver = true
    if (this.#isStarted) {
      this.#response.destroy()
      options.logger.error(error)
    } else {
      this.#fail(error)
    }
  }
}
