// `amphis/nest`: a Python app as a module of Nest's, on Express and on Fastify. It needs nothing of Nest's packages: what
// Nest's decorators note of a class is noted here in their words.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
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
import { hideBody, showBody } from './http/hidden-body.js'
import { createMount, prefixOf } from './http/mount.js'
import { PythonHandler } from './python-handler.js'
import { whenOver } from './wire/connection-close.js'

/**
 * Options of {@link AmphisModule.forRoot}.
 *
 * @typeParam Request what guards have made of the request
 * @typeParam Known what the option `context` says of it
 */
export interface AmphisModuleOptions<Request extends object = object, Known extends object = object> {
  /** The app, by name or with all options of a `PythonHandler`. It starts and ends with Nest. */
  app: string | PythonHandlerOptions<Known>
  /** Where the app is, below the global prefix. */
  path: string
  /**
   * Guards of every request to the app, as `@UseGuards` takes them; global guards run before them.
   * @default []
   */
  guards?: readonly unknown[] | undefined
  /**
   * Modules that export what the guards need.
   * @default []
   */
  imports?: readonly unknown[] | undefined
  /**
   * Says what Nest knows of a request, such as the `request.user` of a guard; the app finds it as
   * `scope['extensions']['amphis.context']`. What it throws goes to the exception filters. WebSockets ask the function of
   * the handler: `app: { app: 'main:app', context: (req) => … }`.
   * @default the option `context` of the handler
   */
  context?: ContextFunction<Request, Known> | undefined
  /**
   * Whether the app gets the WebSockets below its path. Guards do not run for them.
   * @default true
   */
  webSockets?: boolean | undefined
}

/** What `imports` of a module takes. */
export interface AmphisDynamicModule {
  module: new (...args: unknown[]) => object
}

/** What is used of Nest. */
interface Adapter {
  getType(): string
  getInstance(): never
  getHttpServer(): Server
}
interface Consumer {
  getHttpAdapter(): Adapter
  readonly routeInfoPathExtractor?: { readonly prefixPath?: string }
}
interface FastifyRequest {
  readonly raw: IncomingMessage
}
interface FastifyReply {
  readonly raw: ServerResponse
  getHeaders(): Record<string, string>
  callNotFound(): unknown
}
interface ReflectMetadata {
  defineMetadata?(key: string, value: unknown, target: object, property?: string): void
}

const OPTIONS = ['app', 'path', 'guards', 'imports', 'context', 'webSockets']

/** `RequestMethod.ALL`, and the kinds of parameters, of Nest's. */
const ALL = 5
const REQUEST = 0
const RESPONSE = 1
const NEXT = 2

/**
 * A Python app in Nest, as a route of its own: guards, filters, interceptors, the global prefix and CORS hold for it.
 * Bodies are the app's to read, whatever parsers Nest has. The app is ready when Nest is, and closes with `app.close()`
 * (by signals with `enableShutdownHooks()`). The module exports its `PythonHandler`.
 *
 * @example
 * import { AmphisModule } from 'amphis/nest'
 *
 * (at)Module({ imports: [AmphisModule.forRoot({ app: 'main:app', path: '/api' })] })
 * export class AppModule {}
 */
export const AmphisModule = {
  /** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`; with Nest's start what kept the app from starting */
  forRoot<Request extends object = object, Known extends object = object>(
    options: AmphisModuleOptions<Request, Known>,
  ): AmphisDynamicModule {
    const path = checked(options)
    const mount = { prefix: path }
    const controller = controllerOf(options, mount)
    const module = {
      // Nest gives it what is named for it, and no other.
      module: moduleOf(options, path, mount, controller) as never,
      imports: options.imports ?? [],
      controllers: [controller],
      // One for each application: a test may make several of one module.
      providers: [{ provide: PythonHandler, useFactory: () => new PythonHandler(options.app) }],
      exports: [PythonHandler],
    }
    return module
  },
}

type Class = new (python: PythonHandler) => object

/** Where the app is, global prefix and all; known when Nest starts. */
interface Mount {
  prefix: string
}

/** The module itself: start, WebSockets, end. */
function moduleOf(options: AmphisModuleOptions, path: string, mount: Mount, controller: Class): Class {
  class AmphisRootModule {
    readonly #python: PythonHandler
    #detach: (() => void) | undefined

    constructor(python: PythonHandler) {
      this.#python = python
    }

    /** Called when parsers are there, and routes are not. */
    configure(consumer: Consumer): void {
      mount.prefix = (consumer.routeInfoPathExtractor?.prefixPath ?? '') + path
      const adapter = consumer.getHttpAdapter()
      const isFastify = adapter.getType() === 'fastify'
      note('path', ['', isFastify ? '/*' : '/*path'], controller.prototype, 'answer')
      leaveBodies(adapter, isFastify, mount.prefix)
      if (options.webSockets !== false) {
        this.#detach = this.#python.attach(adapter.getHttpServer(), { path: mount.prefix })
      }
    }

    async onModuleInit(): Promise<void> {
      await this.#python.ready()
    }

    /** Before connections are waited for: streams and WebSockets would not end by themselves. */
    async beforeApplicationShutdown(): Promise<void> {
      this.#detach?.()
      await this.#python.close()
    }
  }
  define('design:paramtypes', [PythonHandler], AmphisRootModule)
  return AmphisRootModule
}

/** The route of the app. */
function controllerOf({ guards = [], context: ask }: AmphisModuleOptions, mount: Mount): Class {
  class AmphisController {
    readonly #python: PythonHandler

    constructor(python: PythonHandler) {
      this.#python = python
    }

    async answer(
      request: IncomingMessage | FastifyRequest,
      response: ServerResponse | FastifyReply,
      next: (() => void) | undefined,
    ): Promise<void> {
      const known = ask === undefined ? undefined : await textOfAnswer(ask(request))
      const raw = 'raw' in request ? request.raw : request
      const answer = 'raw' in response ? rawOf(response) : response
      const mounted = createMount(this.#python.middleware, mount.prefix)
      await new Promise<void>((resolve, reject) => {
        whenOver(raw, answer, resolve)
        const run = (): void =>
          mounted(raw, answer, (error) => {
            if (error !== undefined) {
              reject(withStatus(error))
              return
            }
            // The app does not have it, and the handler falls through.
            if ('raw' in response) {
              response.callNotFound()
            } else {
              next?.()
            }
          })
        if (known === undefined) {
          run()
        } else {
          withGivenContext(raw, known, run)
        }
      })
    }
  }
  define('__controller__', true, AmphisController)
  define('path', mount.prefix, AmphisController)
  define('__guards__', [...guards], AmphisController)
  define('design:paramtypes', [PythonHandler], AmphisController)
  const parameters = [REQUEST, RESPONSE, NEXT].map((kind, index) => [`${kind}:${index}`, { index, pipes: [] }])
  define('__routeArguments__', Object.fromEntries(parameters), AmphisController, 'answer')
  note('method', ALL, AmphisController.prototype, 'answer')
  return AmphisController
}

/** Nest's parsers come before its guards, and so before the app. */
function leaveBodies(adapter: Adapter, isFastify: boolean, prefix: string): void {
  const isOurs = ({ url = '/' }: IncomingMessage): boolean => {
    const path = url.slice(0, prefix.length)
    return path.toLowerCase() === prefix.toLowerCase() && /^(?:[/?]|$)/.test(url.slice(prefix.length))
  }
  if (isFastify) {
    const fastify: { addHook(name: string, hook: (...args: never[]) => void): void } = adapter.getInstance()
    fastify.addHook('onRequest', ({ raw }: FastifyRequest, _reply: unknown, done: () => void) => {
      if (isOurs(raw)) {
        hideBody(raw)
      }
      done()
    })
    fastify.addHook('preValidation', ({ raw }: FastifyRequest, _reply: unknown, done: () => void) => {
      showBody(raw)
      done()
    })
    return
  }
  const express: { use(middleware: (req: IncomingMessage, res: unknown, next: () => void) => void): void } =
    adapter.getInstance()
  adapter.getHttpServer().prependListener('request', (request) => {
    if (isOurs(request)) {
      hideBody(request)
    }
  })
  express.use((request, _response, next) => {
    showBody(request)
    next()
  })
}

/** The response of Node's, with the headers that hooks have set. */
function rawOf(reply: FastifyReply): ServerResponse {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) {
      reply.raw.setHeader(name, value)
    }
  }
  return reply.raw
}

/** Nest's own filter looks for the status by another name. */
function withStatus(thrown: unknown): Error {
  const error = asError(thrown) as Error & { status?: unknown; statusCode?: unknown }
  if (error.status !== undefined && error.statusCode === undefined) {
    Object.defineProperty(error, 'statusCode', { value: error.status, configurable: true, writable: true })
  }
  return error
}

function checked(options: AmphisModuleOptions<never>): string {
  if (typeof options !== 'object' || options === null) {
    throw wrong("forRoot takes options: AmphisModule.forRoot({ app: 'main:app', path: '/api' }).")
  }
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw wrong(unknownOption(name, OPTIONS, ' of AmphisModule.forRoot'))
    }
  }
  const { app, path, guards = [], imports = [], context, webSockets = true } = options
  if (app === undefined) {
    throw wrong("AmphisModule.forRoot needs an app: { app: 'main:app', path: '/api' }.")
  }
  if (!Array.isArray(guards) || !Array.isArray(imports)) {
    throw wrong('guards and imports of AmphisModule.forRoot must be lists.')
  }
  if (typeof webSockets !== 'boolean') {
    throw wrong('webSockets of AmphisModule.forRoot must be true or false.')
  }
  checkContextFunction(' of AmphisModule.forRoot', context)
  const prefix = prefixOf(path)
  if (prefix === '') {
    throw wrong("path of AmphisModule.forRoot must be a path below which the app is, such as '/api'.")
  }
  return prefix
}

/** As Nest's decorators of classes do. */
function define(key: string, value: unknown, type: object, property?: string): void {
  const { defineMetadata } = Reflect as ReflectMetadata
  if (defineMetadata === undefined) {
    throw wrong("amphis/nest needs what Nest loads: import '@nestjs/common' before AmphisModule.forRoot is called.")
  }
  if (property === undefined) {
    defineMetadata(key, value, type)
  } else {
    defineMetadata(key, value, type, property)
  }
}

/** As its decorators of methods do. */
function note(key: string, value: unknown, prototype: object, method: string): void {
  define(key, value, (prototype as Record<string, object>)[method]!)
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
