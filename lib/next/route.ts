// A Python app as the functions that a `route.ts` of Next.js exports.
import { AmphisError } from '../base/errors.js'
import { checkContextFunction, type ContextFunction } from '../base/request-context.js'
import type { PythonHandlerOptions } from '../base/types.js'
import type { FetchOptions } from '../fetch/request.js'
import { PythonHandler } from '../python-handler.js'
import { knownAnswer } from '../wire/error-answer.js'
import { basePath, checkNames, checkPath, shared } from './shared.js'

/**
 * Options of {@link amphis}.
 *
 * @typeParam Known what the option `context` says of a request
 */
export interface NextRouteOptions<Known extends object = object> {
  /**
   * The path of the route without its catch-all: `/api` for `app/api/[[...path]]/route.ts`. The `basePath` of Next.js is
   * no part of it.
   * @default ''
   */
  prefix?: string | undefined
  /**
   * The `basePath` of `next.config`. To be given only where `withAmphis` does not stand in it.
   * @default what `withAmphis` knows of it
   */
  basePath?: string | undefined
  /**
   * What you know of a request's connection; Next.js itself tells a route handler nothing of it.
   * @default client and server unknown, scheme `http`
   */
  connection?: ((request: Request) => Pick<FetchOptions, 'client' | 'scheme' | 'server'>) | undefined
  /**
   * Says what the host knows of a request, such as the user that Auth.js has verified; the app finds it as
   * `scope['extensions']['amphis.context']`. What it throws is an error of the route. The handler's own function is not
   * asked, for it is asked with requests of `node:http`.
   * @default undefined
   */
  context?: ContextFunction<Request, Known> | undefined
}

/** A function that Next.js calls with a request. */
export type NextRouteHandler = (request: Request) => Promise<Response>

/** What a `route.ts` exports, and the handler behind it for what else you do with the app. */
export interface NextRouteHandlers<Known extends object = object> {
  GET: NextRouteHandler
  HEAD: NextRouteHandler
  POST: NextRouteHandler
  PUT: NextRouteHandler
  PATCH: NextRouteHandler
  DELETE: NextRouteHandler
  OPTIONS: NextRouteHandler
  readonly python: PythonHandler<Known>
}

const OPTIONS = ['prefix', 'basePath', 'connection', 'context'] as const satisfies (keyof NextRouteOptions)[]

/** As nginx logs it. */
const CLIENT_LEFT = 499

/**
 * A Python app as route handlers of Next.js. It starts with the first request, never during `next build`, and once for
 * each prefix: when development loads the route again, the app goes on as it is. Errors before the response starts are
 * Next.js' own to show; those that stand for a status are answered with it (413, 503, 504).
 *
 * @example
 * // app/api/[[...path]]/route.ts
 * import { amphis } from 'amphis/next'
 *
 * export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = amphis('main:app', { prefix: '/api' })
 *
 * @param app by name, or all options of a `PythonHandler`
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function amphis<Known extends object = object>(
  app: string | PythonHandlerOptions<Known>,
  options: NextRouteOptions<Known> = {},
): NextRouteHandlers<Known> {
  checkNames(options, OPTIONS, 'amphis/next')
  const prefix = checkPath(options.prefix ?? '', 'prefix of amphis/next')
  const base = options.basePath === undefined ? undefined : checkPath(options.basePath, 'basePath of amphis/next')
  checkContextFunction(' of amphis/next', options.context)
  const python = handlerAt(prefix, app)
  const answer: NextRouteHandler = async (request) => {
    const mounted = (base ?? basePath()) + prefix
    // Looked at first: at this a prerendering Next.js notices that there is nothing to prerender.
    const { pathname } = new URL(request.url)
    if (process.env['NEXT_PHASE'] === 'phase-production-build') {
      throw new AmphisError(
        'AMPHIS_ERR_INVALID_REQUEST',
        `next build asks for ${pathname}, but Python does not run during a build. ` +
          "Remove generateStaticParams and dynamic = 'force-static' from the route.",
      )
    }
    const context = await options.context?.(request)
    try {
      const { connection } = options
      const whole = pathname.startsWith(`${mounted}/`) || pathname === mounted
      return await python.fetch(whole ? request : below(mounted.slice(0, mounted.length - prefix.length), request), {
        ...connection?.(request),
        rootPath: mounted,
        context,
      })
    } catch (error) {
      return answerTo(error as AmphisError)
    }
  }
  return {
    GET: answer,
    HEAD: answer,
    POST: answer,
    PUT: answer,
    PATCH: answer,
    DELETE: answer,
    OPTIONS: answer,
    python,
  }
}

/** The request with what Next.js has cut off its URL. */
function below(base: string, request: Request): Request {
  if (base === '') {
    return request
  }
  const url = new URL(request.url)
  url.pathname = base + url.pathname
  return new Request(url, request)
}

/** @throws {AmphisError} all that says nothing to a client */
function answerTo(error: AmphisError): Response {
  if (error.code === 'AMPHIS_ERR_ABORTED') {
    return new Response(null, { status: CLIENT_LEFT })
  }
  const answer = knownAnswer(error)
  if (answer === undefined) {
    throw error
  }
  const { status, text, headers } = answer
  return new Response(text, { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } })
}

/** The one of this process, made anew where its options have changed. */
function handlerAt(prefix: string, app: string | PythonHandlerOptions): PythonHandler {
  const { handlers } = shared()
  const madeFrom = JSON.stringify(app)
  const before = handlers.get(prefix)
  if (before?.madeFrom === madeFrom) {
    return before.python
  }
  const python = new PythonHandler(app)
  handlers.set(prefix, { madeFrom, python })
  // What it is still answering it may finish.
  before?.python.close().catch(() => {})
  return python
}
