// `listener` and `middleware`: takes requests from `node:http` and answers what fails.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AmphisError } from '../base/errors.js'
import type { ExchangeContext, ExchangeHost } from '../bridge/context.js'
import { debugHeaders, debugPage, debugText, wantsPage } from '../debug/page.js'
import { observeRequest, requestObserved, tellRequestError } from '../diagnostics.js'
import { answerTo, knownAnswer, logAnswered, type ErrorAnswer } from '../wire/error-answer.js'
import { abortResponse, isGone } from '../wire/http2-response.js'
import { headersOf } from '../wire/host-headers.js'
import { mountPath } from '../wire/mount-path.js'
import { forwardedOf } from '../wire/proxy-headers.js'
import { headOfSocket, type RequestHead } from '../wire/request-head.js'
import { defaultsOf } from '../wire/served-socket.js'
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
function run(host: ListenerHost, request: IncomingMessage, response: ServerResponse, fail: FailureHandler): void {
  const { options, context } = host
  observeRequest(options, request, response)
  if (isGone(response)) {
    // The client has left while middleware was at work.
    return
  }
  let head: RequestHead
  let body: IncomingBody
  try {
    const { prefix, url } = mountPath(request, options.rootPath)
    const forwarded = forwardedOf(options, request)
    const headers = headersOf(request)
    body = incomingBody(request, options)
    const described = body.bytes === undefined ? headers : describeBody(request, headers, body)
    head = headOfSocket(request, prefix, url, options.pathsend, forwarded, described)
  } catch (error) {
    fail(error as AmphisError)
    return
  }
  if (context !== undefined) {
    begin(context, request, response, head, body, fail)
    return
  }
  if (body.bytes !== undefined) {
    // They are the parser's, which may use them for something else meanwhile.
    body = { ...body, bytes: Buffer.from(body.bytes) }
  }
  host.start().then(
    (started) => {
      if (isGone(response)) {
        // The client has left while Python started.
      } else if (body.kind === 'stream' && !isUnread(request)) {
        fail(bodyConsumed(request, options.reuseParsedBody))
      } else {
        begin(started, request, response, head, body, fail)
      }
    },
    (error: unknown) => fail(error as AmphisError),
  )
}

function begin(
  context: ExchangeContext,
  request: IncomingMessage,
  response: ServerResponse,
  head: RequestHead,
  body: IncomingBody,
  fail: FailureHandler,
): void {
  try {
    new HttpExchange(context, request, response, fail).begin(head, body)
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

/** `(req, res) => void` for `node:http`: answers errors itself. */
export function createListener(host: ListenerHost): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    run(host, request, response, (error) => {
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
    })
  }
}

/** `(req, res, next) => void` for Express and Connect: errors go to `next`, with the status they stand for. */
export function createMiddleware(
  host: ListenerHost,
): (request: IncomingMessage, response: ServerResponse, next: Next) => void {
  return (request, response, next) => {
    run(host, request, response, (error) => {
      tellRequestError(host.options, request, response, error)
      const answer = knownAnswer(error)
      if (answer !== undefined) {
        // Where Express looks for the status of its answer, and for headers.
        Object.defineProperty(error, 'status', { value: answer.status, configurable: true })
        if (answer.headers !== undefined) {
          Object.defineProperty(error, 'headers', { value: answer.headers, configurable: true })
        }
      }
      next(error)
    })
  }
}
