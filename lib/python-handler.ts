// `PythonHandler`: the start and the end of an app, and the ways to it.
import { offAbort, onAbort } from './base/abort-signals.js'
import { ConcurrencyLimit } from './base/concurrency-limit.js'
import { AmphisError, fromDescription, seenFrom, type ErrorDescription } from './base/errors.js'
import { fallsThrough, resolveOptions, type ResolvedOptions } from './base/options.js'
import type { HandleRequest, PythonHandlerOptions, Versions } from './base/types.js'
import { startPython, type RunningPython } from './bridge/start.js'
import { closeOwner, openOwner } from './calls/environment.js'
import type { Owner } from './calls/owner.js'
import type { Python } from './calls/python.js'
import { pythonOf, THREADS } from './calls/python.js'
import { fetchFrom } from './fetch/fetch.js'
import { NO_OPTIONS, type Fetch } from './fetch/request.js'
import { handle, type HandleResponse } from './handle/handle.js'
import { prepareRequest } from './handle/request.js'
import { createListener, createMiddleware, type Listener, type ListenerHost, type Middleware } from './http/listener.js'
import { createMount, prefixOf } from './http/mount.js'
import { ownManifest } from './package-root.js'
import { assertAppReadable } from './python/app-files.js'
import { attach } from './websocket/attach.js'
import type { UpgradeHost, WebSocketContext } from './websocket/context.js'
import { Handshakes } from './websocket/handshake.js'
import type { AttachOptions, UpgradableServer, UpgradeListener } from './websocket/servers.js'
import { createUpgradeListener } from './websocket/upgrade.js'

/** Middleware that knows where it is mounted, and the WebSockets of the same path. */
export interface Mounted<Context extends object = object> extends Middleware {
  /**
   * Takes the WebSockets of a server that are below the path.
   *
   * @returns what takes the handler off again
   */
  attach(server: UpgradableServer, options?: Omit<AttachOptions<Context>, 'path'>): () => void
}

/** For a server that goes on for a while: tells apps that send events at once that it is to stop. */
export const endEvents: unique symbol = Symbol('amphis.endEvents')

/**
 * A Python app inside this Node process: ASGI, or WSGI by an adapter.
 *
 * Making one does nothing yet: Python starts, and the app is imported, with {@link ready} or the first request. All
 * handlers of a process share one Python and its event loop. An idle handler does not keep Node alive.
 *
 * @typeParam Context what the option `context` says of a request
 *
 * @example
 * const python = new PythonHandler('main:app')
 * app.use('/api', python.middleware)
 */
export class PythonHandler<Context extends object = object> implements AsyncDisposable {
  /**
   * For `node:http`: `createServer(python.listener)`. Answers errors with a 500. The promise resolves when the response
   * is over, or its client gone, and is not rejected for what was answered.
   */
  readonly listener: Listener
  /**
   * For Express and Connect: `app.use('/api', python.middleware)`. Errors go to `next`; without a `next` it is as
   * {@link listener}.
   */
  readonly middleware: Middleware
  /**
   * For a server's 'upgrade' event: `server.on('upgrade', python.upgrade)`. Takes every WebSocket; {@link attach} takes
   * those below a path. Upgrades to anything else are left to other listeners, and answered as ordinary requests where
   * there are none.
   */
  readonly upgrade: UpgradeListener
  /**
   * For hosts of the fetch standard (Hono, route handlers of Next.js, h3) and for code of yours: answers a `Request` with
   * a `Response`, both streamed. Aborting the request, or cancelling the body of the response, is the client's
   * disconnect. The prefix of a mount is to be named as `rootPath`; `client`, `scheme` and `server` are what you say, and
   * nothing that the request does.
   *
   * @example
   * app.all('/api/*', (c) => python.fetch(c.req.raw, { rootPath: '/api' }))
   */
  readonly fetch: Fetch<Context>
  readonly #options: ResolvedOptions
  readonly #host: ListenerHost & UpgradeHost
  /** What requests run on, while they are taken. */
  #context: WebSocketContext | undefined
  /** The same from the beginning of its startup on. */
  #started: WebSocketContext | undefined
  #python: RunningPython | undefined
  #starting: Promise<WebSocketContext> | undefined
  #owner: Owner | undefined
  #functions: Python | undefined
  #closing: Promise<void> | undefined

  /**
   * @param app `module:attribute`, or all options.
   * @param options all options but the app, where that is named first
   * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
   * @example
   * new PythonHandler('main:app', { appDir: 'python' })
   * new PythonHandler({ app: 'main:app', appDir: 'python' })
   */
  constructor(app: string | PythonHandlerOptions<Context>, options?: Omit<PythonHandlerOptions<Context>, 'app'>) {
    try {
      this.#options = resolveOptions(app, options)
    } catch (error) {
      throw seenFrom(error, PythonHandler as unknown as () => void)
    }
    // oxlint-disable-next-line typescript/no-this-alias -- for the getter below
    const handler = this
    this.#host = {
      options: this.#options,
      get context() {
        return handler.#context
      },
      get versions() {
        const { versions } = handler
        return versions === undefined
          ? [`amphis ${ownManifest().version}`]
          : [`amphis ${ownManifest().version}`, `Python ${versions.python}`, versions.loop, `Node.js ${versions.node}`]
      },
      start: () => this.#start(),
    }
    this.listener = createListener(this.#host)
    this.middleware = createMiddleware(this.#host)
    this.upgrade = createUpgradeListener(this.#host)
    this.fetch = async (request, given = NO_OPTIONS) => {
      try {
        return await fetchFrom(this.#host, request, given)
      } catch (error) {
        throw seenFrom(error, this.fetch)
      }
    }
    const { signal } = this.#options
    if (signal?.aborted === true) {
      this.#onAbort()
    } else if (signal !== undefined) {
      onAbort(signal, this.#onAbort)
    }
  }

  /**
   * Starts Python, imports the app and runs its lifespan startup; once, however often it is called.
   *
   * @throws {AmphisError} what kept it from starting
   */
  async ready(): Promise<this> {
    try {
      await this.#start()
    } catch (error) {
      throw seenFrom(error, this.ready)
    }
    return this
  }

  /**
   * Ends the app: takes no more requests, lets those under way finish for `timeoutGracefulShutdown`, cancels the rest,
   * runs the lifespan shutdown. Idempotent.
   *
   * @throws {AmphisError} `AMPHIS_ERR_LIFESPAN_FAILED` when the app's shutdown failed
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** @internal */
  [endEvents](): void {
    this.#context?.native.endEvents()
  }

  /** @internal */
  get [fallsThrough](): boolean {
    return this.#options.fallthrough
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Takes the WebSockets of a server, all or those below a path, which the app sees as its `root_path`. Several handlers
   * can share a server: the longest path wins. Upgrades below no handler's path are left to other listeners.
   *
   * @example
   * const server = createServer(app).listen(3000)
   * python.attach(server, { path: '/api' })
   *
   * @returns what takes the handler off again
   * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
   */
  attach(server: UpgradableServer, options?: AttachOptions<Context>): () => void {
    try {
      return attach(this.#host, server, options)
    } catch (error) {
      throw seenFrom(error, this.attach)
    }
  }

  /**
   * Middleware for an app that is mounted at a path, in hosts that do not say where: they cut the path off (Connect, Vite,
   * middie), leave the URL whole (`node:http`, Next.js), or take more for it (wildcards of Express and Nest). `path` is the
   * whole of it as clients write it. What is not below it goes to `next`. Its `attach` takes the WebSockets of a server
   * that are below the same path.
   *
   * @example
   * const api = python.mount('/api')
   * app.use('/api', api) // Connect, Vite; app.use('/api/*splat', api) in Express, app.use(api) anywhere
   * api.attach(server)
   *
   * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
   */
  mount(path: string): Mounted<Context> {
    const prefix = prefixOf(path)
    return Object.assign(createMount(this.middleware, prefix), {
      attach: (server: UpgradableServer, options?: Omit<AttachOptions<Context>, 'path'>): (() => void) =>
        this.attach(server, { ...options, path: prefix }),
    })
  }

  /**
   * Runs one request without a socket: a `Request`, or its parts. What is given beside it goes before what it says; the
   * `rootPath` there is cut off the path of a `Request`.
   *
   * @throws {AmphisError} what happened before the response started; a `PythonError` when the app raised
   */
  async handle(request: HandleRequest | Request, more: Partial<HandleRequest> = {}): Promise<HandleResponse> {
    try {
      const prepared = prepareRequest(request, more)
      return await handle(this.#context ?? (await this.#start()), prepared)
    } catch (error) {
      throw seenFrom(error, this.handle)
    }
  }

  /** Whether a request would be taken now: the app has started, is not closing, and `limitConcurrency` has room. */
  get available(): boolean {
    return this.#context?.concurrency.hasRoom === true
  }

  /**
   * Resolves as soon as Python's event loop comes to it. It never does while the loop is blocked, which tells a health
   * check what no request could.
   *
   * @throws {AmphisError} what kept the app from starting; `AMPHIS_ERR_CLOSED`
   */
  async ping(): Promise<void> {
    const { bridge, native } = this.#context ?? (await this.#start())
    await bridge.call((token) => native.ping(token))
  }

  /**
   * The functions of Python's that belong to this handler: `await handler.python.import('model')`. Ends with the handler.
   */
  get python(): Python {
    return (this.#functions ??= pythonOf(async () => {
      await this.#start()
      return this.#owner!
    }))
  }

  /** What is running; `undefined` before {@link ready}. */
  get versions(): Versions | undefined {
    if (this.#python === undefined) {
      return undefined
    }
    const { installation, loop, version: python } = this.#python
    return {
      amphis: ownManifest().version,
      node: process.versions.node,
      python,
      loop,
      libpython: installation.libpython,
      executable: installation.executable,
    }
  }

  #start(): Promise<WebSocketContext> {
    if (this.#closing !== undefined) {
      return Promise.reject(closed())
    }
    return (this.#starting ??= this.#startOnce())
  }

  async #startOnce(): Promise<WebSocketContext> {
    const options = this.#options
    assertAppReadable(options.appDir, options.app)
    const python = await startPython(options)
    this.#python = python
    if (this.#closing !== undefined) {
      throw closed()
    }
    const { binding, bridge } = python
    const owner = openOwner(bridge, options.appDir, THREADS)
    this.#owner = owner
    const native = new binding.PythonHandler(bridge.host, {
      app: options.app,
      appDir: options.appDir,
      factory: options.factory,
      interface: options.interface,
      wsgiThreads: options.wsgiThreads,
      rootPath: options.rootPath,
      lifespan: options.lifespan,
      logLevel: options.logLevel,
      logConfig: options.logConfig,
      gcFreeze: options.gcFreeze,
      owner: owner.native.index,
    })
    const context: WebSocketContext = {
      bridge,
      native,
      options,
      concurrency: new ConcurrencyLimit(options.limitConcurrency),
      handshakes: new Handshakes(options),
      webSockets: new Set(),
    }
    this.#started = context
    bridge.listen(native.index, (error) => options.logger.error(error))
    const { unsupported } = await bridge.call<{ unsupported: ErrorDescription | null }>((token) => {
      native.start(token, options.timeoutStartup)
    })
    if (unsupported !== null) {
      options.logger.debug(
        'The app has no lifespan: it raised before its startup was complete.',
        fromDescription(unsupported),
      )
    }
    if (this.#closing !== undefined) {
      throw closed()
    }
    this.#context = context
    return context
  }

  async #close(): Promise<void> {
    if (this.#options.signal !== undefined) {
      offAbort(this.#options.signal, this.#onAbort)
    }
    // New requests are refused from here on.
    this.#context = undefined
    if (this.#started !== undefined) {
      // A startup that is still under way is given up.
      const { bridge, native, options, webSockets } = this.#started
      for (const webSocket of webSockets) {
        webSocket.goAway(closed())
      }
      await bridge.call((token) => native.close(token, options.timeoutGracefulShutdown, options.timeoutStreams))
      bridge.listen(native.index, undefined)
    }
    if (this.#owner !== undefined) {
      await closeOwner(this.#owner, 0)
    }
    // Why it did not start was told to those who waited for it.
    await this.#starting?.catch(() => {})
  }

  readonly #onAbort = (): void => {
    this.close().catch((error: unknown) => this.#options.logger.error(error))
  }
}

function closed(): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_CLOSED',
    'The handler is closed. Create a new PythonHandler to serve more requests.',
  )
}
