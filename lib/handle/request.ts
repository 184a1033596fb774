// What `handle()` is given as one request: a `Request`, or the parts of one, and what goes before it.
import { AmphisError, wrongArgument } from '../base/errors.js'
import { nearestOption } from '../base/nearest.js'
import { kindOf, tagOf } from '../base/shown.js'
import type { HandleRequest } from '../base/types.js'
import { hasName } from '../wire/default-headers.js'
import { headOfRequest, type RequestHead } from '../wire/request-head.js'
import { bodyOf } from './body.js'
import { flatHeaders } from './headers.js'
import type { HandleBody } from './pieces.js'

/** What pumps a body to Python by itself, where handing over pieces would cost a copy of each. */
export interface BodyPump {
  /** What is sent with the head. It is kept by the pump. */
  readonly first: Uint8Array | undefined
  /** @param fail takes what is wrong with the body */
  start(target: BodyTarget, slot: number, fail: (error: Error) => void): RunningPump
}

/** A pump at work. */
export interface RunningPump {
  /** Python has read so much. */
  acknowledge(bytes: number, parts: number): void
  /** Nobody reads what still comes. */
  stop(): void
}

/** What the native handler does with pieces of a body. */
export interface BodyTarget {
  chunk(slot: number, bytes: Uint8Array | undefined, moreBody: boolean, isUsers: boolean): void
  hold(slot: number, bytes: Uint8Array): void
  release(): void
}

/** A request, ready to be sent. */
export interface PreparedRequest {
  /** For words. */
  readonly method: string | undefined
  readonly url: string
  readonly head: RequestHead
  readonly body: HandleBody & { readonly pump?: BodyPump | undefined }
  readonly signal: AbortSignal | undefined
  /** Kept as long as it runs: of a `Request` that was collected nobody hears that its signal was aborted. */
  readonly source: object
  /** Told once when the app has returned. */
  readonly over?: (() => void) | undefined
  /** Given, when it is sent, what gives it up: the app's client has left, and whoever waits gets the error. */
  readonly sent?: ((giveUp: (error: Error) => void) => void) | undefined
}

/** Where hosts within amphis have a request that is ready; the same in every copy of this file. */
export const prepared: unique symbol = Symbol.for('amphis.prepared')

/**
 * Reads and checks a request.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`; `AMPHIS_ERR_BODY_CONSUMED` for a `Request` that was read
 */
export function prepareRequest(given: HandleRequest | Request, more: Partial<HandleRequest>): PreparedRequest {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || tagOf(given) === 'URL') {
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_REQUEST',
      `A request is a Request, or an object with a url: handle({ url: '/path' }); but this one is ${kindOf(given)}.`,
    )
  }
  const own = (given as { [prepared]?: PreparedRequest })[prepared]
  if (own !== undefined) {
    return own
  }
  if (!isRequest(given)) {
    assertNoneMisspelt(given)
  }
  assertNoneMisspelt(more)
  const request = isRequest(given) ? partsOf(given, more) : { ...given, ...presentOf(more) }
  const { url } = request
  if (typeof url !== 'string') {
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_REQUEST',
      `A request needs a url, a string such as '/path?query', but it is ${kindOf(url)}.`,
    )
  }
  const headers = flatHeaders(request.headers)
  const body = bodyOf(request.body)
  if (isRequest(given) && !hasName(headers, 'host')) {
    // As whoever sends it would.
    headers.unshift('host', new URL(given.url).host)
  }
  if (body.type !== undefined && !hasName(headers, 'content-type')) {
    headers.push('content-type', body.type)
  }
  const head = headOfRequest({ ...request, headers })
  return { method: request.method, url, head, body, signal: request.signal, source: given }
}

/** A `Request` of any realm or library. */
function isRequest(value: object): value is Request {
  return tagOf(value) === 'Request'
}

function partsOf(request: Request, more: Partial<HandleRequest>): HandleRequest {
  const own = presentOf(more)
  if (request.bodyUsed && own.body === undefined) {
    throw new AmphisError('AMPHIS_ERR_BODY_CONSUMED', 'The body of the Request was read before. Hand over its clone().')
  }
  const { protocol, pathname, search } = new URL(request.url)
  const { rootPath = '' } = own
  const isBelow = rootPath !== '' && (pathname === rootPath || pathname.startsWith(`${rootPath}/`))
  return {
    method: request.method,
    url: (isBelow ? pathname.slice(rootPath.length) || '/' : pathname) + search,
    headers: request.headers,
    body: own.body === undefined ? request.body : undefined,
    scheme: protocol.slice(0, -1),
    signal: request.signal,
    ...own,
  }
}

/** Without what is `undefined`. */
export function presentOf(more: Partial<HandleRequest>): Partial<HandleRequest> {
  return Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined))
}

const REQUEST_OPTIONS: ReadonlySet<string> = new Set([
  'method',
  'url',
  'headers',
  'body',
  'rootPath',
  'httpVersion',
  'scheme',
  'client',
  'server',
  'context',
  'signal',
] satisfies (keyof HandleRequest)[])

/** What is merely more than is needed, is nobody's mistake. */
function assertNoneMisspelt(request: object): void {
  for (const name of Object.keys(request)) {
    const meant = REQUEST_OPTIONS.has(name) ? undefined : nearestOption(name, [...REQUEST_OPTIONS])
    if (meant !== undefined) {
      throw new AmphisError(
        'AMPHIS_ERR_INVALID_REQUEST',
        `There is no option ${name} of a request. Did you mean ${meant}?`,
      )
    }
  }
}
