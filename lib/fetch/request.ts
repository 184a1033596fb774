// What `fetch()` is given: a `Request`, and what only its caller can know of it.
import { AmphisError, wrongArgument } from '../base/errors.js'
import { unknownOption } from '../base/nearest.js'
import { kindOf, tagOf } from '../base/shown.js'
import { contextText } from '../base/request-context.js'
import type { HandleRequest } from '../base/types.js'
import {
  connectionOf,
  exchangeBehind,
  headOfExchange,
  NODE,
  type NodeExchange,
  type NodeOptions,
} from './node-exchange.js'
import { presentOf } from '../handle/request.js'
import { hopByHop } from '../wire/hop-by-hop.js'
import { headOfRequest, withContext, type RequestHead } from '../wire/request-head.js'

/** What a `Request` does not say of itself. None of it is taken from headers or the URL, which are the client's word. */
export interface FetchOptions<Context extends object = object> extends Pick<
  HandleRequest,
  'client' | 'scheme' | 'server'
> {
  /**
   * The prefix that the app is mounted at; becomes its `root_path`, and is cut off the path of the request where that
   * begins with it.
   * @default ''
   */
  rootPath?: string | undefined
  /**
   * What the host knows of the request, such as its user; the app finds it as `scope['extensions']['amphis.context']`.
   * JSON has to be able to have it, with at most 65,536 characters. The handler's own function is not asked.
   */
  context?: Context | undefined
}

/**
 * Answers a `Request` by the app. Needs no `this`.
 *
 * @throws {AmphisError} what happened before the response started; a `PythonError` when the app raised
 */
/* By a method, for a handler of any context stands for one of any other. */
export type Fetch<Context extends object = object> = {
  bivariant(request: Request, options?: FetchOptions<Context>): Promise<Response>
}['bivariant']

/** A `Request`, read and checked but for its body. */
export interface FetchedRequest {
  readonly method: string
  readonly url: string
  readonly signal: AbortSignal | undefined
  readonly body: Request['body']
  /** What it stands for: its body is to be read from there, and its client watched. */
  readonly node: NodeExchange | undefined
  /** What the request says of the length of its body. */
  readonly length: string | undefined
  /** @param length that of the body where it is known */
  head(length: number | string | undefined): RequestHead
}

/** What is told where nothing is: the same object each time, so that nobody looks at it again. */
export const NO_OPTIONS: FetchOptions<never> = Object.freeze({})

const OPTIONS = ['rootPath', 'client', 'scheme', 'server', 'context'] as const satisfies (keyof FetchOptions)[]

/**
 * Reads and checks a request, all of it but its body.
 *
 * @param mounted where the app is mounted by its own option `rootPath`
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`, `AMPHIS_ERR_INVALID_OPTIONS`; `AMPHIS_ERR_BODY_CONSUMED`
 */
export function readRequest(request: Request, options: FetchOptions, mounted: string): FetchedRequest {
  const bindings = (options as NodeOptions | null)?.[NODE]
  const node = exchangeBehind(request, bindings)
  if (node === undefined && !(request instanceof Request) && tagOf(request) !== 'Request') {
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_REQUEST',
      `fetch takes a Request: python.fetch(new Request('http://localhost/path')); but this is ${kindOf(request)}. ` +
        'For a url alone there is python.handle({ url }), for a request of node:http python.listener(req, res).',
    )
  }
  if (options !== NO_OPTIONS && bindings === undefined) {
    checkOptions(options)
  }
  if (node === undefined) {
    assertUnread(request)
  }
  const { pathname, search, host } = partsOf(request.url)
  const { prefix, path } = place(pathname, options.rootPath ?? '', mounted)
  const url = path + search
  const text = contextText(options.context)
  if (node?.outgoing !== undefined) {
    const { incoming } = node
    const head = (length: number | string | undefined): RequestHead =>
      withContext(headOfExchange(incoming, { prefix, url, host }, length), text)
    const { method = 'GET', headers } = incoming
    return { method, url, signal: undefined, body: null, node, length: headers['content-length'], head }
  }
  const { method, headers, signal } = request
  const body = node === undefined ? request.body : null
  const fields: string[] = headers.has('host') ? [] : ['host', host]
  const isHopByHop = hopByHop(headers.get('connection'))
  for (const [name, value] of headers) {
    if (name !== 'content-length' && !isHopByHop(name)) {
      fields.push(name, value)
    }
  }
  const { client, scheme, server } = options
  const connection = { ...connectionOf(bindings), ...presentOf({ client, scheme, server }) }
  const head = (length: number | string | undefined): RequestHead =>
    withContext(
      headOfRequest({
        method,
        url,
        rootPath: prefix,
        ...connection,
        headers: length === undefined ? fields : [...fields, 'content-length', String(length)],
      }),
      text,
    )
  return { method, url, signal, body, node, length: headers.get('content-length') ?? undefined, head }
}

/** A URL as requests have them: normalised, and without credentials. */
const PARTS = /^https?:\/\/([^/?#@\\]+)(\/[^?#]*)(\?[^#]+)?/

function partsOf(url: string): { pathname: string; search: string; host: string } {
  const parts = PARTS.exec(url)
  return parts === null ? new URL(url) : { host: parts[1]!, pathname: parts[2]!, search: parts[3] ?? '' }
}

/** @throws {AmphisError} `AMPHIS_ERR_BODY_CONSUMED` */
export function assertUnread({ bodyUsed, body }: Request): void {
  if (bodyUsed || body?.locked === true) {
    throw new AmphisError(
      'AMPHIS_ERR_BODY_CONSUMED',
      'The body of the Request was read before, or somebody is reading it. Hand over its clone(), made before.',
    )
  }
}

/** Splits a path at the mount. An app that is mounted there by its own option is mounted there once. */
function place(pathname: string, rootPath: string, mounted: string): { prefix: string; path: string } {
  const prefix = rootPath.replace(/\/+$/, '')
  if (prefix === mounted) {
    return { prefix: '', path: pathname }
  }
  const isBelow = pathname === prefix || pathname.startsWith(`${prefix}/`)
  return { prefix, path: isBelow ? pathname.slice(prefix.length) || '/' : pathname }
}

function checkOptions(options: FetchOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw wrong(`The options of fetch are an object, such as { rootPath: '/api' }, but these are ${kindOf(options)}.`)
  }
  for (const name of Object.keys(options)) {
    if (!(OPTIONS as readonly string[]).includes(name)) {
      throw wrong(unknownOption(name, OPTIONS, ' of fetch'))
    }
  }
  const { rootPath, scheme, client, server } = options
  if (rootPath !== undefined && (typeof rootPath !== 'string' || !/^(?:\/.*)?$/.test(rootPath))) {
    throw wrong(`rootPath of fetch must be a path that begins with '/', but it is ${shown(rootPath)}.`)
  }
  if (scheme !== undefined && typeof scheme !== 'string') {
    throw wrong(`scheme of fetch must be a string, 'http' or 'https', but it is ${kindOf(scheme)}.`)
  }
  for (const [name, address] of Object.entries({ client, server })) {
    if (address !== undefined && address !== null && !isAddress(address)) {
      throw wrong(`${name} of fetch must be a pair of an address and a port, ['192.0.2.1', 80], or null.`)
    }
  }
}

function isAddress(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'string' &&
    (value[1] === null || Number.isInteger(value[1]))
  )
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : kindOf(value)
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
