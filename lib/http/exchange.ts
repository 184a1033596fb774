// One request over a socket: from its head to the end of its response, limits and disconnects.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AmphisError } from '../base/errors.js'
import { ALONE, AWAITS_CONTINUE, MORE_BODY, REFUSED } from '../bridge/bridge.js'
import type { ExchangeContext } from '../bridge/context.js'
import type { Exchange, OpenFile } from '../bridge/exchange.js'
import { isBareError } from '../debug/bare-error.js'
import { requestObserved, tellRequestError } from '../diagnostics.js'
import { unwatchConnection, watchEnd } from '../wire/connection-close.js'
import { abortResponse, isGone } from '../wire/http2-response.js'
import type { RequestHead } from '../wire/request-head.js'
import { awaitsContinue, sendContinue, stopExpecting } from './expect-continue.js'
import { bodyTooLarge, readAtOnce, RequestBodyPump, type IncomingBody } from './request-body.js'
import { closeFile } from './response-file.js'
import { cutOff, ResponseWriter } from './response-writer.js'

/** How long an app may go on after a bare 500 before that is sent, in milliseconds. */
const HOLD_LIMIT = 1_000

/** Takes a request that failed before its response started. */
export type FailureHandler = (error: AmphisError) => void

/** One request over a socket and its response. */
export class HttpExchange implements Exchange {
  readonly #context: ExchangeContext
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #fail: FailureHandler
  readonly #over: (() => void) | undefined
  /** Gives the request back to the host, where what the app does not have is another's. */
  readonly #next: (() => void) | undefined
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
  /** The app may leave the request to the host: it has no body, and asks for nothing to be changed. */
  #mayFallThrough = false
  /** Sends the response that is held back. */
  #held: (() => void) | undefined

  /**
   * @param over told when the response is over, unless it failed before it began
   * @param next takes what the app answers with 404, as if it had never seen it
   */
  constructor(
    context: ExchangeContext,
    request: IncomingMessage,
    response: ServerResponse,
    fail: FailureHandler,
    over?: () => void,
    next?: () => void,
  ) {
    this.#over = over
    this.#next = next
    this.#context = context
    this.#request = request
    this.#response = response
    this.#fail = fail
    this.#writer = new ResponseWriter(response, this, requestObserved(request))
  }

  /** The client's connection has taken so much of the response. */
  credit(bytes: number): void {
    if (this.#slot >= 0) {
      this.#context.native.credit(this.#slot, bytes)
    }
  }

  /** The host could not send what it was given. */
  failed(error: unknown): void {
    this.#abandon(error)
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
      if (isGone(this.#response)) {
        this.#over?.()
      } else {
        this.#stream(head)
      }
    })
  }

  #stream(head: RequestHead): void {
    const { bytes, isWhole } = readAtOnce(this.#request)
    const { maxBodySize } = this.#context.options
    if (bytes !== undefined && bytes.length > maxBodySize) {
      // What is still to come is for nobody, but the connection can be used again.
      this.#request.resume()
      this.#isOver = true
      this.#fail(bodyTooLarge(this.#request, maxBodySize))
      return
    }
    if (isWhole) {
      stopExpecting(this.#response, true)
      this.#wholeBody = bytes
      this.#submit(head, bytes, false, false)
      return
    }
    if (this.#submit(head, bytes, true, false)) {
      const { native } = this.#context
      const onTooLarge = (): void => this.#onTooLarge()
      this.#pump = new RequestBodyPump(this.#request, native, this.#slot, bytes, maxBodySize, onTooLarge)
      this.#pump.start()
    }
  }

  /** `isUsers`: somebody else holds the bytes and may change them, so they are copied. */
  #submit({ text, fields }: RequestHead, bytes: Uint8Array | undefined, moreBody: boolean, isUsers: boolean): boolean {
    const { bridge, native, options, concurrency } = this.#context
    if (!concurrency.enter()) {
      this.#isOver = true
      this.#request.resume()
      this.#fail(concurrency.refusal())
      return false
    }
    if (this.#next !== undefined) {
      const { method } = this.#request
      this.#mayFallThrough = !moreBody && !bytes?.length && (method === 'GET' || method === 'HEAD')
    }
    const slot = bridge.open(this)
    const flags = moreBody ? this.#bodyFlags() : bridge.isAlone() ? ALONE : 0
    const outcome = native.request(slot, text, text.length, fields, flags, bytes, isUsers)
    if (outcome === REFUSED) {
      bridge.release(slot)
      concurrency.leave()
      this.#isOver = true
      this.#fail(
        new AmphisError('AMPHIS_ERR_INVALID_REQUEST', 'The request has a header with a NUL, CR or LF. Leave it out.'),
      )
      return false
    }
    this.#slot = slot
    watchEnd(this.#request, this.#response, this.#onClose)
    if (options.timeoutRequest > 0) {
      this.#timer = setTimeout(() => this.#onTimeout(), options.timeoutRequest)
    }
    bridge.sent(outcome)
    return true
  }

  #bodyFlags(): number {
    return awaitsContinue(this.#request, this.#response) ? MORE_BODY | AWAITS_CONTINUE : MORE_BODY
  }

  onResponse(status: number, headers: string[], body: string | Buffer, end: boolean): void {
    // What is written to a connection that can't send keeps V8's heap from being cleaned cheaply ever after: see
    // CONTRIBUTING, "Performance notes".
    if (this.#response.headersSent || isGone(this.#response)) {
      this.#disconnect()
    }
    if (this.#isOver) {
      return
    }
    if (this.#mayFallThrough && status === 404) {
      this.#fallThrough(end)
    } else if (this.#context.options.debug && isBareError(status, headers, body, end)) {
      this.#hold(() => this.#start(status, headers, body, end))
    } else {
      this.#start(status, headers, body, end)
    }
  }

  /** Nothing of the app's answer is left: what more of it comes is for nobody. */
  #fallThrough(end: boolean): void {
    if (end) {
      this.#isOver = true
    } else {
      this.#disconnect()
    }
    clearTimeout(this.#timer)
    this.#response.off('close', this.#onClose)
    unwatchConnection(this.#request.socket, this.#onClose)
    this.#next?.()
  }

  #start(status: number, headers: string[], body: string | Buffer, end: boolean): void {
    this.#isStarted = true
    stopExpecting(this.#response, this.#request.complete)
    this.#setEnded(end)
    // As `#guard`, without a closure for each request.
    try {
      this.#writer.start(status, headers, body, end)
    } catch (error) {
      this.#abandon(error)
    }
  }

  /** Keeps a whole response back until the app has ended, and perhaps raised what is behind it. */
  #hold(start: () => void): void {
    // Nobody receives what is left of the request's body.
    this.#setEnded(true)
    this.#isEnded = false
    this.#held = start
    this.#timer = setTimeout(() => this.#release(), HOLD_LIMIT)
  }

  #release(): void {
    const start = this.#held
    this.#held = undefined
    if (start !== undefined && !this.#isOver) {
      start()
    }
  }

  onChunk(body: string | Buffer, end: boolean): void {
    if (this.#response.writableEnded || isGone(this.#response)) {
      this.#disconnect()
    }
    if (!this.#isOver) {
      this.#setEnded(end)
      try {
        this.#writer.write(body, end)
      } catch (error) {
        this.#abandon(error)
      }
    }
  }

  onFile(file: OpenFile, end: boolean): void {
    if (this.#isOver) {
      closeFile(file)
      return
    }
    this.#setEnded(end)
    this.#guard(() => this.#writer.file(file, end, (error) => this.#abandon(error)))
  }

  onTrailers(fields: string[], end: boolean): void {
    if (!this.#isOver) {
      this.#setEnded(end)
      this.#guard(() => this.#writer.trailers(fields, end))
    }
  }

  onEarlyHints(links: string[]): void {
    const response = this.#response
    if (!this.#isOver && !this.#mayFallThrough && !response.headersSent && !isGone(response)) {
      this.#guard(() => response.writeEarlyHints({ link: links }))
    }
  }

  onContinue(): void {
    if (!this.#isOver) {
      this.#guard(() => sendContinue(this.#response))
    }
  }

  onFail(error: AmphisError, destroy: boolean): void {
    if (error.code === 'AMPHIS_ERR_CLIENT_DISCONNECTED') {
      this.#context.options.logger.debug(error)
      return
    }
    if (this.#isOver || this.#isEnded || this.#isStarted || destroy) {
      // It was told, or nobody is there any more who waits for the answer.
      const isKnown =
        this.#isOver && (error.code === 'AMPHIS_ERR_REQUEST_TIMEOUT' || error.code === 'AMPHIS_ERR_CLOSED')
      if (!this.#isOver && !this.#isEnded) {
        this.#isOver = true
        cutOff(this.#response)
      }
      if (!isKnown) {
        this.#report(error)
      }
      return
    }
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#fail(error)
  }

  onAck(bytes: number, parts: number): void {
    this.#pump?.acknowledge(bytes, parts)
  }

  onDone(): void {
    this.#release()
    this.#slot = -1
    this.#context.concurrency.leave()
    if (this.#over === undefined || this.#response.socket !== null) {
      unwatchConnection(this.#request.socket, this.#onClose)
    }
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
      this.#abandon(error)
    }
  }

  /** The response can't be completed: writing it failed, or reading the file that its head has promised. */
  #abandon(error: unknown): void {
    this.#disconnect()
    abortResponse(this.#response)
    this.#report(error)
  }

  /** Tells of an error that comes too late for an answer. Last of all that is to be done, since a logger may throw. */
  #report(error: unknown): void {
    const { options } = this.#context
    tellRequestError(options, this.#request, this.#response, error)
    options.logger.error(error)
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
    if (this.#over !== undefined) {
      // A pipelined response may have waited for its turn when the app was done.
      unwatchConnection(this.#request.socket, this.#onClose)
      this.#over()
    }
  }

  #onTooLarge(): void {
    const error = bodyTooLarge(this.#request, this.#context.options.maxBodySize)
    this.#disconnect()
    if (this.#isStarted) {
      abortResponse(this.#response)
      this.#context.options.logger.warn(error.message)
    } else {
      this.#fail(error)
    }
  }

  #onTimeout(): void {
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
      abortResponse(this.#response)
      this.#report(error)
    } else {
      this.#fail(error)
    }
  }
}
