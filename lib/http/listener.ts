// `listener` and `middleware`: takes requests from `node:http` and answers what fails.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AmphisError } from '../base/errors.js'
import { asError, contextFor } from '../base/request-context.js'
import type { ExchangeContext, ExchangeHost } from '../bridge/context.js'
import { debugHeaders, debugPage, debugText, wantsPage } from '../debug/page.js'
import { observeRequest, requestObserved, tellRequestError } from '../diagnostics.js'
import { answerTo, knownAnswer, logAnswered, type ErrorAnswer } from '../wire/error-answer.js'
import { whenOver } from '../wire/connection-close.js'
import { abortResponse, isGone } from '../wire/http2-response.js'
import { headersOf } from '../wire/host-headers.js'
import { mountPath } from '../wire/mount-path.js'
import { forwardedOf } from '../wire/proxy-headers.js'
import { headOfSocket, withContext, type RequestHead } from '../wire/request-head.js'
import { defaultsOf } from '../wire/served-socket.js'
import { checkArguments } from './arguments.js'
import { stopExpecting } from './expect-continue.js'
import { HttpExchange, type FailureHandler } from './exchange.js'
import { describeBody } from './parsed-body.js'
import { bodyConsumed, incomingBody, isUnread, type IncomingBody } from './request-body.js'

/** Express' and Connect's `next`. */
export type Next = (error?: unknown) => void

/** The handler as the listener sees it. */
export interface ListenerHost extends ExchangeHost {
  /** What runs, for the foot of a page. */
  readonly versions: readonly string[]
}

/**
 * Runs a request of `node:http`. Errors before the response starts go to `fail`.
 *
 * What the request says is read at once: while Python starts, a host may put back what it has cut off for this call.
 */
function run(
  host: ListenerHost,
  request: IncomingMessage,
  response: ServerResponse,
  fail: FailureHandler,
  over?: () => void,
  next?: () => void,
): void {
  const { options, context } = host
  observeRequest(options, request, response)
  if (isGone(response)) {
    // The client has left while middleware was at work.
    over?.()
    return
  }
  let head: RequestHead
  let body: IncomingBody
  let known: string | Promise<string>
  try {
    const { prefix, url } = mountPath(request, options.rootPath)
    const forwarded = forwardedOf(options, request)
    const headers = headersOf(request)
    body = incomingBody(request, options)
    const described = body.bytes === undefined ? headers : describeBody(request, headers, body)
    head = headOfSocket(request, prefix, url, options.pathsend ? 'files' : 'socket', forwarded, described)
    known = contextFor(options.context, request)
  } catch (error) {
    fail(asError(error) as AmphisError)
    return
  }
  if (context !== undefined && typeof known === 'string') {
    begin(context, request, response, withContext(head, known), body, fail, over, next)
    return
  }
  if (body.bytes !== undefined) {
    // They are the parser's, which may use them for something else meanwhile.
    body = { ...body, bytes: Buffer.from(body.bytes) }
  }
  if (over !== undefined) {
    // A client that leaves meanwhile is not told of again.
    whenOver(request, response, over)
  }
  ready(host, known).then(
    ({ started, text }) => {
      if (isGone(response)) {
        // The client has left while the host looked up what it knows, or while Python started.
      } else if (body.kind === 'stream' && !isUnread(request)) {
        fail(bodyConsumed(request, options.reuseParsedBody))
      } else {
        begin(started, request, response, withContext(head, text), body, fail, over, next)
      }
    },
    (error: unknown) => fail(asError(error) as AmphisError),
  )
}

/** What the host knows, and then the app: who is refused starts nothing. */
async function ready(
  host: ListenerHost,
  known: string | Promise<string>,
): Promise<{ started: ExchangeContext; text: string }> {
  const text = typeof known === 'string' ? known : await known
  return { started: await host.start(), text }
}

function begin(
  context: ExchangeContext,
  request: IncomingMessage,
  response: ServerResponse,
  head: RequestHead,
  body: IncomingBody,
  fail: FailureHandler,
  over: (() => void) | undefined,
  next: (() => void) | undefined,
): void {
  try {
    new HttpExchange(context, request, response, fail, over, next).begin(head, body)
  } catch (error) {
    fail(error as AmphisError)
  }
}

/** The answer to an error for whoever writes the app: what nobody has foreseen is shown. */
function debugAnswer(host: ListenerHost, request: IncomingMessage, error: AmphisError): ErrorAnswer {
  const answer = answerTo(error)
  if (knownAnswer(error) !== undefined) {
    return answer
  }
  if (!wantsPage(request)) {
    return { ...answer, text: debugText({ error }), headers: debugHeaders() }
  }
  const text = debugPage({ error, app: host.options.app, request, versions: host.versions })
  return { ...answer, text, headers: { ...debugHeaders(), 'content-type': 'text/html; charset=utf-8' } }
}

/**
 * For `node:http`: answers errors itself. The promise resolves when the response is over, be it that its client has left,
 * for hosts that wait for it.
 */
export type Listener = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** For Express and Connect: errors go to `next`. Without a `next` it is a {@link Listener}. */
export interface Middleware {
  (request: IncomingMessage, response: ServerResponse): Promise<void>
  (request: IncomingMessage, response: ServerResponse, next: Next): void
}

export function createListener(host: ListenerHost): Listener {
  return (request, response) => {
    checkArguments('listener', request, response)
    return listen(host, request, response)
  }
}

function listen(host: ListenerHost, request: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((over) => {
    const fail = (error: AmphisError): void => {
      whenOver(request, response, over)
      answerError(host, request, response, error)
    }
    run(host, request, response, fail, over)
  })
}

/** Answers a request that has failed before its response started. */
function answerError(host: ListenerHost, request: IncomingMessage, response: ServerResponse, error: AmphisError): void {
  tellRequestError(host.options, request, response, error)
  const { status, text, headers } = host.options.debug ? debugAnswer(host, request, error) : answerTo(error)
  if (response.headersSent || isGone(response)) {
    abortResponse(response)
  } else {
    stopExpecting(response, request.complete)
    // HTTP/2 has no such header.
    const close = status === 503 && request.httpVersionMajor < 2 ? { connection: 'close' } : {}
    const own = { 'content-type': 'text/plain; charset=utf-8', ...close, ...headers }
    response.writeHead(status, { ...defaultsOf(response)?.toRecord(), ...own })
    response.end(text)
    const observed = requestObserved(request)
    if (observed !== undefined && request.method !== 'HEAD') {
      observed.bodyBytes += Buffer.byteLength(text)
    }
  }
  // Last, since a logger may throw.
  logAnswered(host.options.logger, error)
}

/** Errors go to `next`, with the status they stand for. */
export function createMiddleware(host: ListenerHost): Middleware {
  // Of three parameters: h3 and others count them.
  const middleware = (
    request: IncomingMessage,
    response: ServerResponse,
    next: Next | undefined,
  ): void | Promise<void> => {
    checkArguments('middleware', request, response, next)
    if (next === undefined) {
      return listen(host, request, response)
    }
    const fail = (error: AmphisError): void => {
      tellRequestError(host.options, request, response, error)
      const answer = knownAnswer(error)
      if (answer !== undefined) {
        // Where Express looks for the status of its answer, and for headers. Koa writes the status there once more.
        Object.defineProperty(error, 'status', { value: answer.status, configurable: true, writable: true })
        if (answer.headers !== undefined) {
          Object.defineProperty(error, 'headers', { value: answer.headers, configurable: true, writable: true })
        }
      }
      next(error)
    }
    // Without arguments: to Express anything is an error.
    run(host, request, response, fail, undefined, host.options.fallthrough ? () => next() : undefined)
  }
  return middleware as Middleware
}
