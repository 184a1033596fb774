// `amphis/koa`: a Python app as middleware of Koa's.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { wrongArgument, type AmphisError } from './base/errors.js'
import { unknownOption } from './base/nearest.js'
import {
  checkContextFunction,
  textOfAnswer,
  withGivenContext,
  type ContextFunction,
  type HeldTo,
} from './base/request-context.js'
import type { Fetch } from './fetch/request.js'
import type { Middleware } from './http/listener.js'
import { whenOver } from './wire/connection-close.js'

/**
 * Options of {@link koa}.
 *
 * @typeParam Context Koa's own, with its state
 * @typeParam Known what the option `context` says of a request
 */
export interface KoaOptions<Context extends KoaContext = KoaContext, Known extends object = object> {
  /**
   * Where the app is mounted; what is not below it goes to the next middleware. Below koa-mount it is not needed.
   * @default ''
   */
  prefix?: string | undefined
  /**
   * Says what Koa knows of a request, such as `ctx.state.user`; the app finds it as
   * `scope['extensions']['amphis.context']`. What it throws is thrown to Koa. WebSockets, which have no context of Koa's,
   * ask the function of `attach` or of the handler.
   * @default the option `context` of the handler, which is asked with `ctx.req`
   */
  context?: ContextFunction<Context, Known> | undefined
}

const OPTIONS = ['prefix', 'context']

/** What this needs of Koa's context, whose own types a user may have in another version. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly originalUrl: string
  /** Set by koa-mount. */
  readonly mountPath?: unknown
  respond?: boolean | undefined
}

/** Where a request is, while the app reads it. */
interface Place {
  readonly baseUrl: string
  readonly url: string
}

interface MountedRequest extends IncomingMessage {
  baseUrl?: string | undefined
}

/**
 * Answers by a Python app what comes below a prefix, or to `mount('/api', koa(python))`. Headers that middleware has set
 * before are kept, but for those that the app sets itself; cookies are those of both. Errors before the response starts
 * are thrown, as Koa has it: they reach the middleware in front, and the `error` event of the app.
 *
 * @example
 * app.use(koa(python, { prefix: '/api' }))
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function koa<Context extends KoaContext = KoaContext, Known extends object = object>(
  python: { readonly middleware: Middleware; readonly fetch?: Fetch<Known> },
  options: KoaOptions<Context, HeldTo<Known>> = {},
): (context: Context, next: () => Promise<unknown>) => Promise<unknown> {
  if (typeof (python as Partial<typeof python> | undefined)?.middleware !== 'function') {
    throw wrong("koa takes a PythonHandler: app.use(koa(python, { prefix: '/api' })).")
  }
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw wrong(unknownOption(name, OPTIONS, ' of koa'))
    }
  }
  const { prefix: given = '', context: ask } = options
  checkContextFunction(' of koa', ask)
  if (typeof given !== 'string' || !/^(?:\/[^*:?#]*)?$/.test(given)) {
    throw wrong(`prefix of koa must be a path such as '/api', without a wildcard, but it is ${JSON.stringify(given)}.`)
  }
  const prefix = given.replace(/\/+$/, '')
  const answer = (
    context: Context,
    place: Place,
    next: () => Promise<unknown>,
    known: string | undefined,
  ): Promise<unknown> => {
    const { req, res } = context
    return new Promise<unknown>((resolve, reject) => {
      const run = (): void =>
        python.middleware(req, res, (error) => {
          context.respond = true
          if (error === undefined) {
            // The app does not have it, and the handler falls through.
            resolve(next())
          } else {
            reject(error)
          }
        })
      context.respond = false
      // It is read at once: whoever looks at the context later finds it as it was.
      const before = { baseUrl: (req as MountedRequest).baseUrl, url: req.url }
      Object.assign(req, place)
      try {
        whenOver(req, res, () => resolve(undefined))
        if (known === undefined) {
          run()
        } else {
          withGivenContext(req, known, run)
        }
      } finally {
        Object.assign(req, before)
      }
    })
  }
  return async (context, next) => {
    const asked = context.req.url ?? '/'
    // koa-mount takes a slash at the end of its prefix for a part of it.
    const url = /^[/?]/.test(asked) ? asked : `/${asked}`
    if (!isBelow(url, prefix)) {
      return next()
    }
    const place = { baseUrl: mountOf(context, url) + prefix, url: url.slice(prefix.length) || '/' }
    return answer(context, place, next, ask === undefined ? undefined : await textOfAnswer(ask(context)))
  }
}

function isBelow(url: string, prefix: string): boolean {
  return url.startsWith(prefix) && (prefix === '' || url.length === prefix.length || '/?'.includes(url[prefix.length]!))
}

/**
 * What koa-mount has cut off, by all of its mounts: what the client's URL has in front of the one that is left. Without
 * koa-mount the two differ only by a rewrite, which is none of the app's business.
 */
function mountOf({ mountPath, originalUrl }: KoaContext, url: string): string {
  if (typeof mountPath !== 'string') {
    return ''
  }
  const [path = '/', left = '/'] = [originalUrl.split('?', 1)[0], url.split('?', 1)[0]]
  if (path.endsWith(left)) {
    return path.slice(0, path.length - left.length)
  }
  return left === '/' ? path : mountPath.replace(/\/+$/, '')
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
