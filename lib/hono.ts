// `amphis/hono`: a Python app as a handler of Hono's.
import { wrongArgument, type AmphisError } from './base/errors.js'
import { unknownOption } from './base/nearest.js'
import { fallsThrough } from './base/options.js'
import { checkContextFunction, type ContextFunction, type HeldTo } from './base/request-context.js'
import { kindOf } from './base/shown.js'
import { NODE, type NodeBindings } from './fetch/node-exchange.js'
import type { Fetch } from './fetch/request.js'
import { knownAnswer } from './wire/error-answer.js'

/**
 * Options of {@link hono}.
 *
 * @typeParam Context Hono's own, with its variables
 * @typeParam Known what the option `context` says of a request
 */
export interface HonoOptions<Context extends HonoContext = HonoContext, Known extends object = object> {
  /**
   * Where the app is mounted: the path of its route without the `/*`, with that of `basePath()` and `route()` before it.
   * @default ''
   */
  prefix?: string | undefined
  /**
   * Says what Hono knows of a request, such as `c.get('user')`; the app finds it as
   * `scope['extensions']['amphis.context']`. What it throws goes to `app.onError`. WebSockets, which Hono does not see,
   * ask the function of `attach` or of the handler.
   * @default undefined
   */
  context?: ContextFunction<Context, Known> | undefined
  /**
   * Whether a GET or HEAD that the app answers with 404 goes to the next handler of Hono's.
   * @default the option `fallthrough` of the handler
   */
  fallthrough?: boolean | undefined
}

const OPTIONS = ['prefix', 'context', 'fallthrough']

/** What this needs of Hono's context, whose own types a user may have in another version. */
export interface HonoContext {
  readonly req: { readonly raw: Request }
  readonly env: unknown
  /** What middleware has set so far; once somebody has asked for it, Hono copies what comes after into another. */
  readonly res: Response
  /** A response with what middleware has set so far, which changes nothing. */
  body(data: null): Response
}

/**
 * Answers what comes to a route of Hono's by a Python app, as a `Response` that all middleware sees and can change.
 * Errors go to `app.onError`; those that stand for a status (413, 503, 504) are answered with it where there is none.
 * Client, server and scheme are those of the connection, where `@hono/node-server` serves.
 *
 * @example
 * app.all('/api/*', hono(python, { prefix: '/api' }))
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function hono<Context extends HonoContext = HonoContext, Known extends object = object>(
  python: { readonly fetch: Fetch<Known>; readonly [fallsThrough]?: boolean },
  options: HonoOptions<Context, HeldTo<Known>> = {},
): (context: Context, next?: () => Promise<void>) => Promise<Response | undefined> {
  if (typeof (python as Partial<typeof python> | undefined)?.fetch !== 'function') {
    throw wrong("hono takes a PythonHandler: app.all('/api/*', hono(python, { prefix: '/api' })).")
  }
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw wrong(unknownOption(name, OPTIONS, ' of hono'))
    }
  }
  const { prefix = '', context: ask, fallthrough = python[fallsThrough] ?? false } = options
  checkContextFunction(' of hono', ask)
  if (typeof fallthrough !== 'boolean') {
    throw wrong(`fallthrough of hono must be true or false, but it is ${kindOf(fallthrough)}.`)
  }
  if (typeof prefix !== 'string' || !/^(?:\/[^*:?#]*)?$/.test(prefix)) {
    throw wrong(
      `prefix of hono must be a path such as '/api', without a wildcard, but it is ${JSON.stringify(prefix)}.`,
    )
  }
  return async (context, next) => {
    const { req, env } = context
    const known = ask === undefined ? undefined : ((await ask(context)) as Known | undefined)
    let response: Response
    try {
      const told = { rootPath: prefix, context: known, [NODE]: env as NodeBindings | undefined }
      response = await python.fetch(req.raw, told)
    } catch (error) {
      if ((error as AmphisError).code === 'AMPHIS_ERR_ABORTED') {
        // Nobody is there to be answered, and nothing has gone wrong.
        return new Response(null, { status: CLIENT_LEFT })
      }
      throw answerable(error as AmphisError)
    }
    if (fallthrough && next !== undefined && response.status === 404 && mayFallThrough(req.raw)) {
      await response.body?.cancel()
      await next()
      return undefined
    }
    if (hasHeaders(context.body(null))) {
      yieldTo(response.headers, context.res.headers)
    }
    return response
  }
}

function mayFallThrough({ method, headers }: Request): boolean {
  const hasBody = (headers.get('content-length') ?? '0') !== '0' || headers.has('transfer-encoding')
  return (method === 'GET' || method === 'HEAD') && !hasBody
}

/** As nginx logs it. */
const CLIENT_LEFT = 499

/** What middleware may have said of a body that is another one. */
const OF_ANOTHER_BODY = new Set(['content-length', 'content-encoding', 'content-range', 'etag', 'transfer-encoding'])

function hasHeaders({ headers }: Response): boolean {
  return headers.keys().next().done !== true
}

/**
 * Changes what middleware has set so that the response keeps its own: Hono sets those of middleware over it, and drops
 * its cookies for theirs.
 */
function yieldTo(own: Headers, earlier: Headers): void {
  for (const name of new Set(earlier.keys())) {
    if (name === 'set-cookie') {
      for (const cookie of own.getSetCookie()) {
        earlier.append(name, cookie)
      }
    } else if (name === 'vary' && own.has(name)) {
      earlier.append(name, own.get(name)!)
    } else if (own.has(name) || OF_ANOTHER_BODY.has(name)) {
      earlier.delete(name)
    }
  }
}

/** What Hono's own errors have, where an error stands for an answer. */
function answerable(error: AmphisError): AmphisError {
  const answer = knownAnswer(error)
  if (answer !== undefined) {
    const { status, text, headers } = answer
    Object.defineProperty(error, 'status', { value: status, configurable: true, writable: true })
    Object.defineProperty(error, 'getResponse', {
      value: () => new Response(text, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } }),
      configurable: true,
    })
  }
  return error
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
