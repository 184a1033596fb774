// `handle()`: a request without a socket, and its `HandleResponse`.
import { offAbort, onAbort } from '../base/abort-signals.js'
import { AmphisError } from '../base/errors.js'
import { noteFailedRequest } from '../base/failed-request.js'
import { tellHost } from '../base/tell-host.js'
import { ALONE, MORE_BODY, REFUSED } from '../bridge/bridge.js'
import type { ExchangeContext } from '../bridge/context.js'
import type { Exchange } from '../bridge/exchange.js'
import { pieceOf } from './body.js'
import type { PreparedRequest, RunningPump } from './request.js'
import { ResponseBody } from './response-body.js'

/** Bytes that Python may leave unread before no more is taken from a body's iterable. */
const HIGH_WATER = 256 * 1024

/**
 * The response to a request that was made by hand. Its body is read once, by one of `bytes`, `text`, `json` and
 * iteration. A streamed body that is never read keeps the app waiting: read it, leave the iteration, or abort the
 * request's signal.
 */
export class HandleResponse implements AsyncIterable<Buffer> {
  readonly status: number
  /** Names and values in turn, as the app sent them. */
  readonly rawHeaders: string[]
  readonly #body: ResponseBody
  #headers: Headers | undefined

  constructor(status: number, rawHeaders: string[], body: ResponseBody) {
    this.status = status
    this.rawHeaders = rawHeaders
    this.#body = body
  }

  /** The headers by name; made when it is first asked for. */
  get headers(): Headers {
    if (this.#headers === undefined) {
      this.#headers = new Headers()
      for (let at = 0; at < this.rawHeaders.length; at += 2) {
        this.#headers.append(this.rawHeaders[at]!, this.rawHeaders[at + 1]!)
      }
    }
    return this.#headers
  }

  /** The whole body. */
  bytes(): Promise<Buffer> {
    return this.#body.readAll()
  }

  /** The whole body as UTF-8. */
  async text(): Promise<string> {
    return (await this.bytes()).toString('utf8')
  }

  /** The whole body as JSON. */
  async json(): Promise<unknown> {
    return JSON.parse(await this.text())
  }

  /** The body piece by piece, as the app sends it. Leaving the iteration early is the client's disconnect. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return this.#body
  }
}

/** Takes the head of a response, and its body. What it throws fails the request. */
export type Answer = (status: number, rawHeaders: string[], body: ResponseBody) => void

/** One request made by hand. */
class HandleExchange implements Exchange {
  readonly #context: ExchangeContext
  readonly #answer: Answer
  readonly #reject: (error: Error) => void
  readonly #over: (() => void) | undefined
  #slot = -1
  #body: ResponseBody | undefined
  #isSettled = false
  #timer: NodeJS.Timeout | undefined
  #signal: AbortSignal | undefined
  #request: PreparedRequest | undefined
  /** Bytes of the request's body that Python has not read. */
  #unread = 0
  #resumeBody: (() => void) | undefined
  #pumping: RunningPump | undefined

  constructor(context: ExchangeContext, answer: Answer, reject: (error: Error) => void, over?: () => void) {
    this.#context = context
    this.#answer = answer
    this.#reject = reject
    this.#over = over
  }

  begin(request: PreparedRequest): void {
    this.#request = request
    const {
      head,
      body: { bytes, stream, pump },
      signal,
    } = request
    if (signal?.aborted === true) {
      throw aborted(signal)
    }
    const { bridge, native, options } = this.#context
    const slot = bridge.open(this)
    const flags = stream === undefined && pump === undefined ? (bridge.isAlone() ? ALONE : 0) : MORE_BODY
    const { text, fields } = head
    const outcome = native.request(slot, text, text.length, fields, flags, pump?.first ?? bytes, pump === undefined)
    if (outcome === REFUSED) {
      bridge.release(slot)
      throw new AmphisError('AMPHIS_ERR_INVALID_REQUEST', 'The head of the request is not valid HTTP.')
    }
    this.#slot = slot
    if (options.timeoutRequest > 0) {
      this.#timer = setTimeout(this.#onTimeout, options.timeoutRequest)
    }
    this.#pumping = pump?.start(native, slot, this.#onBodyError)
    if (stream !== undefined) {
      this.#pump(stream).catch(this.#onBodyError)
    }
    request.sent?.(this.#giveUp)
    bridge.sent(outcome)
    // To listen costs as much as a small request, which may be over by now.
    if (signal !== undefined && this.#slot >= 0) {
      this.#listen(signal)
    }
  }

  #listen(signal: AbortSignal): void {
    this.#signal = signal
    if (signal.aborted) {
      // By what the body's first piece was taken from.
      this.#onAbort()
    } else {
      onAbort(signal, this.#onAbort)
    }
  }

  async #pump(body: AsyncIterable<unknown>): Promise<void> {
    for await (const piece of body) {
      if (this.#slot < 0) {
        return
      }
      const chunk = pieceOf(piece)
      if (chunk.length === 0) {
        continue
      }
      this.#unread += chunk.length
      this.#context.native.chunk(this.#slot, chunk, true, true)
      if (this.#unread >= HIGH_WATER) {
        await new Promise<void>((resolve) => {
          this.#resumeBody = resolve
        })
      }
    }
    if (this.#slot >= 0) {
      this.#context.native.chunk(this.#slot, undefined, false, true)
    }
  }

  onResponse(status: number, headers: string[], body: string | Buffer, end: boolean): void {
    if (end) {
      clearTimeout(this.#timer)
    }
    if (!this.#isSettled) {
      this.#isSettled = true
      this.#body = new ResponseBody(body, end, this.#credit, this.#disconnect)
      try {
        this.#answer(status, headers, this.#body)
      } catch (error) {
        this.#disconnect()
        this.#reject(error as Error)
      }
    }
  }

  onChunk(body: string | Buffer, end: boolean): void {
    if (end) {
      clearTimeout(this.#timer)
    }
    this.#body?.push(body, end)
  }

  onFail(error: AmphisError): void {
    noteFailedRequest(error, this.#request?.method, this.#request?.url)
    const { options } = this.#context
    const { logger } = options
    if (error.code === 'AMPHIS_ERR_CLIENT_DISCONNECTED') {
      logger.debug(error)
      return
    }
    tellHost(options, error, this.#request?.source)
    if (this.#isSettled) {
      this.#body?.fail(error)
      logger.error(error)
    } else {
      this.#settle(error)
    }
  }

  onAck(bytes: number, parts: number): void {
    this.#pumping?.acknowledge(bytes, parts)
    this.#unread -= bytes
    if (this.#unread < HIGH_WATER) {
      this.#resumeBody?.()
      this.#resumeBody = undefined
    }
  }

  onDone(): void {
    this.#slot = -1
    this.#pumping?.stop()
    this.#pumping = undefined
    this.#resumeBody?.()
    clearTimeout(this.#timer)
    if (this.#signal !== undefined) {
      offAbort(this.#signal, this.#onAbort)
    }
    this.#over?.()
  }

  /** Ends the exchange for whoever waits for it. */
  #settle(error: Error): void {
    if (this.#isSettled) {
      this.#body?.fail(error)
    } else {
      this.#isSettled = true
      this.#reject(error)
    }
  }

  readonly #credit = (bytes: number): void => {
    if (this.#slot >= 0) {
      this.#context.native.credit(this.#slot, bytes)
    }
  }

  readonly #disconnect = (): void => {
    if (this.#slot >= 0) {
      this.#context.native.disconnect(this.#slot)
    }
  }

  readonly #onAbort = (): void => {
    this.#giveUp(aborted(this.#signal))
  }

  readonly #giveUp = (error: Error): void => {
    this.#disconnect()
    this.#settle(error)
  }

  readonly #onTimeout = (): void => {
    if (this.#slot >= 0) {
      this.#context.native.cancel(this.#slot)
      const { options } = this.#context
      const error = new AmphisError(
        'AMPHIS_ERR_REQUEST_TIMEOUT',
        `The request took longer than timeoutRequest (${options.timeoutRequest} ms), ` +
          "so the app's task was cancelled. Answer sooner, or raise timeoutRequest.",
      )
      this.#settle(error)
      tellHost(options, error, this.#request?.source)
    }
  }

  readonly #onBodyError = (error: unknown): void => {
    this.#disconnect()
    this.#settle(error instanceof Error ? error : new Error(String(error)))
  }
}

function aborted(signal: AbortSignal | undefined): AmphisError {
  return new AmphisError('AMPHIS_ERR_ABORTED', 'The request was aborted through its signal.', { cause: signal?.reason })
}

/** Runs a request that was made by hand. */
export function handle(context: ExchangeContext, request: PreparedRequest): Promise<HandleResponse> {
  return send(context, request, (status, headers, body) => new HandleResponse(status, headers, body), request.over)
}

/**
 * The same with a response of any kind.
 *
 * @param respond makes it; what it throws rejects the promise
 * @param over told once when nothing more comes from the app, or when the request never got there
 */
export function send<Response>(
  context: ExchangeContext,
  request: PreparedRequest,
  respond: (...head: Parameters<Answer>) => Response,
  over?: () => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const answer: Answer = (status, headers, body) => resolve(respond(status, headers, body))
    const exchange = new HandleExchange(context, answer, reject, over)
    try {
      exchange.begin(request)
    } catch (error) {
      over?.()
      reject(error)
    }
  })
}
