import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AmphisError, AmphisErrorCode } from './errors.js'
import { HttpExchange, type ExchangeContext, type FailureHandler } from './http-exchange.js'
import { mountPath } from './mount-path.js'
import type { Logger } from './types.js'
import { incomingBody } from './request-body.js'
import { headOfSocket } from './request-head.js'

/** Express' and Connect's `next`. */
export type Next = (error?: unknown) => void

/** The handler as the listener sees it. */
export interface ListenerHost {
  readonly logger: Logger
  /** What requests run on, once Python and the app are there. */
  readonly context: ExchangeContext | undefined
  /** Starts what is missing. */
  start(): Promise<ExchangeContext>
}

const STATUS: Partial<Record<AmphisErrorCode, readonly [status: number, text: string]>> = {
  AMPHIS_ERR_CLOSED: [503, 'Service Unavailable'],
  AMPHIS_ERR_REQUEST_TIMEOUT: [504, 'Gateway Timeout'],
  AMPHIS_ERR_INVALID_REQUEST: [400, 'Bad Request'],
}

/** Runs a request of `node:http`. Errors before the response starts go to `fail`. */
function run(host: ListenerHost, request: IncomingMessage, response: ServerResponse, fail: FailureHandler): void {
  const { context } = host
  if (context !== undefined) {
    begin(context, request, response, fail)
    return
  }
  host.start().then(
    (started) => begin(started, request, response, fail),
    (error: unknown) => fail(error as AmphisError),
  )
}

function begin(
  context: ExchangeContext,
  request: IncomingMessage,
  response: ServerResponse,
  fail: FailureHandler,
): void {
  if (response.destroyed) {
    // The client has left while Python started, or while middleware was at work.
    return
  }
  try {
    const { prefix, url } = mountPath(request)
    const { method = 'GET', httpVersion, socket, rawHeaders } = request
    const head = headOfSocket(method, prefix, url, httpVersion, socket, rawHeaders)
    new HttpExchange(context, request, response, fail).begin(head, incomingBody(request))
  } catch (error) {
    fail(error as AmphisError)
  }
}

/** `(req, res) => void` for `node:http`: answers errors itself. */
export function createListener(host: ListenerHost): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    run(host, request, response, (error) => {
      const [status, text] = STATUS[error.code] ?? [500, 'Internal Server Error']
      if (response.headersSent || response.destroyed) {
        response.destroy()
      } else {
        const close = status === 503 ? { connection: 'close' } : {}
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...close })
        response.end(text)
      }
      // Last, since a logger may throw.
      if (status !== 503) {
        host.logger.error(error)
      }
    })
  }
}

/** `(req, res, next) => void` for Express and Connect: errors go to `next`, with the status they stand for. */
export function createMiddleware(
  host: ListenerHost,
): (request: IncomingMessage, response: ServerResponse, next: Next) => void {
  return (request, response, next) => {
    run(host, request, response, (error) => {
      const status = STATUS[error.code]?.[0]
      if (status !== undefined) {
        // Where Express looks for the status of its answer.
        Object.defineProperty(error, 'status', { value: status, configurable: true })
      }
      next(error)
    })
  }
}
