// `amphis/fastify`: a Python app as a plugin of Fastify's.
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { wrongArgument, type AmphisError } from './base/errors.js'
import { unknownOption } from './base/nearest.js'
import {
  asError,
  checkContextFunction,
  textOfAnswer,
  withGivenContext,
  type ContextFunction,
} from './base/request-context.js'
import type { PythonHandlerOptions } from './base/types.js'
import { PythonHandler } from './python-handler.js'
import type { UpgradableServer } from './websocket/servers.js'

/**
 * Options of {@link amphis}, beside those of `register`.
 *
 * @typeParam Context the request of Fastify's that `context` is asked with
 * @typeParam Known what that says of it
 */
export interface FastifyPluginOptions<Context extends object = FastifyRequestLike, Known extends object = object> {
  /** The app, by name or with all options of a `PythonHandler`. It starts and ends with Fastify. */
  app?: string | PythonHandlerOptions<Known> | undefined
  /** A handler of yours in the place of `app`; starting and closing it is up to you. */
  python?: Pick<PythonHandler<Known>, 'attach' | 'middleware'> | undefined
  /**
   * Where the app is mounted, below the prefixes of the plugins that this one is in.
   * @default ''
   */
  prefix?: string | undefined
  /**
   * Whether the app gets the WebSockets below its prefix.
   * @default true
   */
  webSockets?: boolean | undefined
  /**
   * Says what Fastify knows of a request, such as `request.user`, when its hooks have run; the app finds it as
   * `scope['extensions']['amphis.context']`. What it throws goes to the error handler. WebSockets, which come without
   * hooks, ask the function of the handler: `app: { app: 'main:app', context: (req) => … }`.
   * @default the option `context` of the handler, which is asked with `request.raw`
   */
  context?: ContextFunction<Context, Known> | undefined
}

/** What is known here of Fastify's request. */
export interface FastifyRequestLike {
  readonly raw: IncomingMessage
}

interface Request {
  readonly raw: IncomingMessage
  readonly headers: Readonly<Record<string, unknown>>
}

interface Reply {
  readonly raw: ServerResponse
  getHeaders(): Readonly<Record<string, unknown>>
  hijack(): unknown
  callNotFound(): unknown
  send(payload: unknown): unknown
}

/** What this says of Fastify, whose own types a user may have in another version, and for another kind of server. */
export interface FastifyScope {
  readonly prefix: string
  readonly server: object
  readonly log: object
}

/** What it uses of it. */
interface Scope extends FastifyScope {
  removeAllContentTypeParsers(): void
  addContentTypeParser(type: string, parser: (...args: never[]) => void): unknown
  addHook(name: string, hook: (...args: never[]) => unknown): unknown
  all(path: string, handler: (...args: never[]) => unknown): unknown
}

const OPTIONS = ['app', 'python', 'prefix', 'webSockets', 'context', 'logLevel', 'logSerializers']

/**
 * Gives a Python app what comes below the plugin's prefix, WebSockets as well. Bodies are the app's to read; headers that
 * hooks have set are kept, but for those that the app sets itself. Errors before the response starts go to the error
 * handler. A handler that is made here is ready when Fastify is, logs to `fastify.log`, and closes with Fastify.
 *
 * @example
 * import { amphis } from 'amphis/fastify'
 *
 * fastify.register(amphis, { app: 'main:app', prefix: '/api' })
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`; what kept the app from starting
 */
export async function amphis(instance: FastifyScope, options: FastifyPluginOptions): Promise<void> {
  const scope = instance as Scope
  const own = ownHandler(scope, options)
  const python = own ?? options.python!
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request: Request, _payload: unknown, done: (error: null) => void) => done(null))
  const prefix = scope.prefix.replace(/\/+$/, '')
  if (options.webSockets !== false) {
    const detach = attachFirst(python, scope.server as UpgradableServer & EventEmitter, prefix)
    scope.addHook('onClose', (_: unknown, done: () => void) => {
      detach()
      done()
    })
    // @fastify/websocket leads every handshake through the routes, this one too, which has been taken already.
    scope.addHook('onRequest', ({ headers, raw }: Request, reply: Reply, done: () => void) => {
      if (String(headers['upgrade']).toLowerCase() === 'websocket') {
        reply.hijack()
        reply.raw.detachSocket(raw.socket)
      } else {
        done()
      }
    })
  }
  const { context: ask } = options
  const answer = (request: Request, reply: Reply): void =>
    ask === undefined ? answerBy(python, prefix, request, reply) : answerKnown(python, prefix, request, reply, ask)
  scope.all('/', answer)
  scope.all('/*', answer)
  if (own !== undefined) {
    // Before connections are waited for: streams and WebSockets would not end by themselves.
    scope.addHook('preClose', () => own.close())
    await own.ready()
  }
}

/**
 * In front of @fastify/websocket, which puts a response on the connection of every handshake: to others that is one which
 * has another request to answer first.
 */
function attachFirst(
  python: Pick<PythonHandler, 'attach'>,
  server: UpgradableServer & EventEmitter,
  prefix: string,
): () => void {
  const before = new Set(server.listeners('upgrade'))
  const detach = python.attach(server, prefix === '' ? {} : { path: prefix })
  for (const listener of server.listeners('upgrade') as ((...args: unknown[]) => void)[]) {
    if (!before.has(listener)) {
      server.off('upgrade', listener).prependListener('upgrade', listener)
    }
  }
  return detach
}

/** The handler that Fastify starts and closes; `undefined` where the user has one. */
function ownHandler({ log }: FastifyScope, options: FastifyPluginOptions): PythonHandler | undefined {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw wrong(unknownOption(name, OPTIONS, ' of amphis/fastify'))
    }
  }
  const { app, python, context } = options
  checkContextFunction(' of amphis/fastify', context)
  if ((app === undefined) === (python === undefined)) {
    throw wrong("amphis/fastify needs one of app and python: fastify.register(amphis, { app: 'main:app' }).")
  }
  if (app === undefined) {
    return undefined
  }
  const given = typeof app === 'string' ? { app } : app
  return new PythonHandler({ logger: log as NonNullable<PythonHandlerOptions['logger']>, ...given })
}

/** With what the host knows. Fastify gets no promise: it would answer when that is fulfilled. */
function answerKnown(
  python: Pick<PythonHandler, 'middleware'>,
  prefix: string,
  request: Request,
  reply: Reply,
  ask: ContextFunction<Request>,
): void {
  const answer = (known: string): void =>
    withGivenContext(request.raw, known, () => answerBy(python, prefix, request, reply))
  const refuse = (thrown: unknown): void => {
    reply.send(asError(thrown))
  }
  let known: string | Promise<string>
  try {
    known = textOfAnswer(ask(request))
  } catch (thrown) {
    refuse(thrown)
    return
  }
  if (typeof known === 'string') {
    answer(known)
  } else {
    known.then(answer).catch(refuse)
  }
}

function answerBy(
  { middleware }: Pick<PythonHandler, 'middleware'>,
  prefix: string,
  { raw }: Request,
  reply: Reply,
): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) {
      reply.raw.setHeader(name, value as string)
    }
  }
  const url = raw.url ?? '/'
  const isBelow = url.toLowerCase().startsWith(prefix.toLowerCase())
  const mounted = raw as IncomingMessage & { baseUrl?: string | undefined }
  const { baseUrl } = mounted
  mounted.baseUrl = isBelow ? prefix : ''
  raw.url = isBelow ? url.slice(prefix.length) || '/' : url
  try {
    // The reply is not hijacked, so that the error handler can have it.
    middleware(raw, reply.raw, (error) => (error === undefined ? reply.callNotFound() : reply.send(error)))
  } finally {
    // It is read at once: hooks find the request as it was.
    mounted.baseUrl = baseUrl
    raw.url = url
  }
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
