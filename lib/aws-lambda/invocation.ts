// One invocation: the app's response to its event, or the result of the function for events.
import { AmphisError } from '../base/errors.js'
import { noteFailedRequest } from '../base/failed-request.js'
import type { HandleRequest } from '../base/types.js'
import type { HandleResponse } from '../handle/handle.js'
import { prepared, type PreparedRequest } from '../handle/request.js'
import { answerTo, logAnswered } from '../wire/error-answer.js'
import { headOfRequest } from '../wire/request-head.js'
import { Deadline, remainingOf, scopeKeys, type LambdaInvocation } from './context.js'
import { kindOf, tried } from './events/kinds.js'
import type { EventKind, EventRequest } from './events/request.js'
import { webSocket } from './events/websocket.js'
import type { Life, Started } from './life.js'
import type { ResolvedLambdaOptions } from './options.js'
import type { Head } from './response.js'

/** What every invocation of a handler has. */
export interface LambdaHost {
  readonly options: ResolvedLambdaOptions
  readonly life: Life
}

/** Status, headers and body of an answer that is not the app's. */
export interface ErrorAnswer extends Head {
  readonly body: Buffer
}

/** One invocation. */
export class Invocation {
  readonly kind: EventKind | undefined
  readonly deadline: Deadline
  readonly #host: LambdaHost
  readonly #event: unknown
  readonly #context: LambdaInvocation
  readonly #remaining: number
  #request: EventRequest | undefined
  /** Resolves when the app has returned; `undefined` before it was called. */
  #over: Promise<void> | undefined

  /** @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST` for an event that nothing is there for */
  constructor(host: LambdaHost, event: unknown, context: LambdaInvocation) {
    this.#host = host
    this.#event = event
    this.#context = context
    this.kind = kindOf(event)
    const { events, hasApp } = host.options
    if (this.kind === undefined ? events === undefined : !hasApp && events === undefined) {
      throw unknown(event)
    }
    // What the app leaves running, an idle connection for one, is no reason to wait: Lambda freezes it.
    context.callbackWaitsForEmptyEventLoop = false
    this.#remaining = remainingOf(context)
    this.deadline = new Deadline(this.#remaining, host.options.timeoutMargin)
  }

  /** Whether it is for the app, and not for the function of events. */
  get isRequest(): boolean {
    return this.kind !== undefined && this.#host.options.hasApp
  }

  /** Starts what has not started. */
  start(): Started | Promise<Started> {
    return this.#host.life.started ?? this.#host.life.start()
  }

  /** Runs the function for events. */
  async runFunction(): Promise<unknown> {
    const { events } = await this.start()
    try {
      return await events!.run(this.#event, this.#context, this.#remaining, this.deadline.signal)
    } catch (error) {
      throw this.deadline.isReached ? this.deadline.error() : error
    }
  }

  /**
   * Has the app answer.
   *
   * @throws {AmphisError} what kept it from answering
   */
  async ask(): Promise<HandleResponse> {
    const { python } = await this.start()
    const kind = this.kind!
    const { basePath, webSocketPath } = this.#host.options
    const request = kind.read(this.#event as never, kind === (webSocket as EventKind) ? webSocketPath : basePath)
    this.#request = request
    let ended = (): void => {}
    const over = new Promise<void>((resolve) => {
      ended = resolve
    })
    const { method, url, body } = request
    const asked: HandleRequest & { [prepared]: PreparedRequest } = {
      url,
      [prepared]: {
        method,
        url,
        head: headOfRequest(request, scopeKeys(this.#event, this.#context, this.#remaining)),
        body: { bytes: body },
        signal: undefined,
        source: this,
        over: ended,
        sent: (giveUp) => this.deadline.tell(giveUp),
      },
    }
    const response = await python.handle(asked)
    this.#over = over
    return response
  }

  /** The answer to what has kept the app from answering; logged, where it is worth it. */
  answerTo(error: unknown): ErrorAnswer {
    const failure = this.deadline.isReached ? this.deadline.error() : (error as AmphisError)
    noteFailedRequest(failure, this.#request?.method, this.#request?.url)
    logAnswered(this.#host.options.logger, failure)
    const { status, text, headers = {} } = answerTo(failure)
    return textAnswer(status, text, headers)
  }

  /** `GET /path`, for words. */
  get words(): string {
    const { method = 'GET', url = '/' } = this.#request ?? {}
    return `${method} ${url.split('?', 1)[0]}`
  }

  /** Waits for what the app does after its response, as far as there is time and the option says so. */
  async end(): Promise<void> {
    if (this.#over !== undefined && this.#host.options.waitForBackgroundTasks && !this.deadline.isReached) {
      const outcome = await Promise.race([
        this.#over,
        new Promise<'late'>((resolve) => this.deadline.tell(() => resolve('late'))),
      ])
      if (outcome === 'late') {
        this.#host.options.logger.warn(
          `What the app does after its response to ${this.words} was not done at the end of the invocation: it is frozen, ` +
            'and goes on with the next one if there is any. Give long tasks to a queue.',
        )
      }
    }
    this.deadline.end()
  }
}

/** An answer in a line of text. */
export function textAnswer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): ErrorAnswer {
  return {
    status,
    headers: ['content-type', 'text/plain; charset=utf-8', ...Object.entries(headers).flat()],
    body: Buffer.from(text),
  }
}

/** Whether an error is for the caller: any other is one of the environment, which Lambda should hear of. */
export function isAnswered(error: unknown): error is AmphisError {
  return error instanceof AmphisError
}

function unknown(event: unknown): AmphisError {
  const keys = typeof event === 'object' && event !== null ? Object.keys(event).join(', ') || 'none' : typeof event
  return new AmphisError(
    'AMPHIS_ERR_INVALID_REQUEST',
    `This event is no request that amphis/aws-lambda knows; it has ${keys}. Tried: ${tried()}. ` +
      "For other events name a function of Python's: lambda({ app: 'main:app', events: 'jobs:handler' }).",
  )
}
