// Every option of a handler, the request of `handle()`, `Versions`.
import type { IncomingMessage } from 'node:http'
import type { AmphisError, PythonError } from './errors.js'
import type { ContextFunction } from './request-context.js'

/** What amphis writes its messages to: `console`, pino and their like fit. */
export interface Logger {
  debug: (...values: unknown[]) => void
  info: (...values: unknown[]) => void
  warn: (...values: unknown[]) => void
  error: (...values: unknown[]) => void
}

/** What hears of an app's errors; a `PythonError` has the traceback. */
export type ErrorFunction = {
  bivariant(error: PythonError | AmphisError, request: IncomingMessage | Request | HandleRequest): unknown
}['bivariant']

/** Options of a `PythonHandler`; those that uvicorn has go by its names. */
export interface PythonHandlerOptions<Context extends object = object> {
  /** The ASGI or WSGI app: `module:attribute`, both of which may be dotted. */
  app: string
  /**
   * Folder that is put first on `sys.path`.
   * @default process.cwd()
   */
  appDir?: string | undefined
  /**
   * `app` names a function that returns the app.
   * @default false
   */
  factory?: boolean | undefined
  /**
   * What the app is called with. `auto` tells by its arguments, and refuses one that could be either. WSGI apps (Flask,
   * Django's `get_wsgi_application()`) are served through the Python package `a2wsgi`, which has to be installed beside
   * them; they have no WebSockets and no lifespan.
   * @default 'auto'
   */
  interface?: 'auto' | 'asgi' | 'wsgi' | undefined
  /**
   * How many threads call a WSGI app, 1 to 1,024: as many requests as it can have at a time. A response takes its thread
   * until it has been sent.
   * @default 10
   */
  wsgiThreads?: number | undefined
  /**
   * Virtual environment or interpreter. By default `AMPHIS_PYTHON`, `VIRTUAL_ENV`, a `.venv` or `venv` from `appDir`
   * upwards, `UV_PROJECT_ENVIRONMENT`, `CONDA_PREFIX`, then `python3` on `PATH`.
   */
  python?: string | undefined
  /**
   * ASGI `root_path` of an app that is mounted by something that leaves the whole path in the request's URL, which
   * `attach()` then does as well. Under Express' `app.use('/prefix', …)` it is not needed.
   * @default ''
   */
  rootPath?: string | undefined
  /**
   * ASGI lifespan: `on` requires it, `off` leaves it out, `auto` goes on without when the app does not support it.
   * @default 'auto'
   */
  lifespan?: 'auto' | 'on' | 'off' | undefined
  /**
   * The event loop; `auto` is uvloop where it can be imported. One process has one.
   * @default 'auto'
   */
  loop?: 'auto' | 'uvloop' | 'asyncio' | undefined
  /**
   * Whether what the app has made by the end of its startup is kept from Python's cyclic garbage collector
   * (`gc.freeze()`), which otherwise walks through all of it again and again while requests wait. An app that calls
   * `gc.freeze()` or `gc.disable()` by then is left to it. Closing the last handler undoes it.
   * @default true
   */
  gcFreeze?: boolean | undefined
  /**
   * File that configures Python's `logging` before the app is imported: `.json` and `.yaml` (which needs PyYAML) as for
   * `logging.config.dictConfig`, any other as for `fileConfig`. Apps share one Python, and so one `logging`.
   * @default none: Python's own configuration
   */
  logConfig?: string | undefined
  /**
   * Whether `listener` and `createServer` answer an exception of the app with its traceback: a page for browsers, text
   * for others. A bare `Internal Server Error` that a framework sends before it raises on gives way to it. For
   * development only.
   * @default false
   */
  debug?: boolean | undefined
  /**
   * Whether apps are offered `http.response.pathsend` (ASGI extension "Path Send"): they name a file, and Node sends it
   * without Python. Middleware of the app that looks for `http.response.body` does not see such responses: some pass
   * them by without compressing them, others lose them. Not in a worker thread, nor in `handle()`.
   * @default false
   */
  pathsend?: boolean | undefined
  /**
   * Level of Python's root logger, and what of it is shown on stderr, as long as neither the app nor `logConfig` gives
   * the root logger a handler or a level.
   * @default Python's own: 'warning'
   */
  logLevel?: 'critical' | 'error' | 'warning' | 'info' | 'debug' | 'trace' | undefined
  /**
   * Milliseconds that `close()` lets requests run before their tasks are cancelled.
   * @default 10_000
   */
  timeoutGracefulShutdown?: number | undefined
  /**
   * Milliseconds that `close()` lets responses go on that have begun and have no `content-length`: streams, which may
   * never end by themselves. Those of `text/event-stream` are told `http.disconnect` at once.
   * @default that of timeoutGracefulShutdown, which is also the most
   */
  timeoutStreams?: number | undefined
  /**
   * Milliseconds that the app's lifespan startup may take; 0 for no limit.
   * @default 0
   */
  timeoutStartup?: number | undefined
  /**
   * Milliseconds until a request's task is cancelled and the client gets a 504; 0 for no limit.
   * @default 0
   */
  timeoutRequest?: number | undefined
  /**
   * Whether `X-Forwarded-For` and `X-Forwarded-Proto` of a trusted proxy set the app's `client` and `scheme`. The
   * headers themselves reach the app in any case. Under an Express app with `trust proxy`, that decides in the place of
   * this option and `forwardedAllowIps`, unless this one is `false`: `client` and `scheme` are `req.ip` and `req.protocol`.
   * @default false; true in `createServer` and on the command line
   */
  proxyHeaders?: boolean | undefined
  /**
   * The proxies that `proxyHeaders` trusts: IP addresses, networks (`10.0.0.0/8`) and names that stand in for an
   * address (`unix:`), as a list or joined by commas. `*` is whoever connects, and the only word for a proxy that
   * comes through a Unix socket, since it has no address.
   * @default '127.0.0.1,::1'
   */
  forwardedAllowIps?: string | readonly string[] | undefined
  /**
   * Most requests and WebSockets that the app has at a time, 1 at least; what is beyond gets a 503 with `retry-after`.
   * @default no limit
   */
  limitConcurrency?: number | undefined
  /**
   * Most bytes of a request's body; a larger one gets a 413, before the app has seen the excess.
   * @default no limit
   */
  maxBodySize?: number | undefined
  /**
   * Whether a body that a parser of the host has read, and of which no bytes are left, is written anew from `req.body`:
   * JSON, and forms without lists and nested values. It is then not what the client has sent, byte by byte, so that
   * signatures do not fit, and numbers that JavaScript cannot hold are others.
   * @default false
   */
  reuseParsedBody?: boolean | undefined
  /**
   * Says what the host knows of a request, such as the user that it has verified: an object that JSON can have, of at
   * most 65,536 characters as such, or a promise of one; `undefined` for nothing. The app finds it as
   * `scope['extensions']['amphis.context']`, where nothing that a client sends can put anything. What it throws fails
   * the request as an error of the host's (in `middleware` by `next`), before Python hears of it, and refuses a
   * WebSocket; a `status` of 400 to 599 on the error is what `listener` and WebSockets answer.
   *
   * WebSockets ask with their upgrade request, which no middleware has seen.
   * @default undefined
   */
  context?: ContextFunction<IncomingMessage, Context> | undefined
  /**
   * Whether a GET or HEAD without a body that the app answers with 404 goes to the host's next handler (`next()` of
   * Express, Koa and Hono; the not-found handler of Fastify) as if the app were not there. The app is called in any case.
   * `listener`, which has no next handler, takes no notice.
   * @default false
   */
  fallthrough?: boolean | undefined
  /**
   * Hears of every exception of the app in a request or a WebSocket, also of those that its framework has answered
   * itself (FastAPI by a 500), each once; and of requests without a whole response, or beyond `timeoutRequest`. Beside
   * `next(error)` and the `logger`. What it throws is logged.
   *
   * The request is that of `node:http`; of `fetch` and `handle` what they were given.
   * @default undefined
   */
  onError?: ErrorFunction | undefined
  /**
   * Most bytes of a WebSocket message, also after it is decompressed; a larger one closes the WebSocket with 1009.
   * @default 16_777_216
   */
  wsMaxSize?: number | undefined
  /**
   * Messages of a WebSocket that the app may leave unread before the client's socket is no longer read.
   * @default 32
   */
  wsMaxQueue?: number | undefined
  /**
   * Milliseconds between two pings of a WebSocket; 0 for none.
   * @default 20_000
   */
  wsPingInterval?: number | undefined
  /**
   * Milliseconds that the answer to a ping may take before the connection is ended; 0 for no limit.
   * @default 20_000
   */
  wsPingTimeout?: number | undefined
  /**
   * Milliseconds that the answer to the close of a WebSocket may take before its connection is ended.
   * @default 10_000
   */
  wsCloseTimeout?: number | undefined
  /**
   * Whether WebSocket messages are compressed where the client offers it (permessage-deflate). Costs memory and time
   * for each connection.
   * @default false
   */
  wsPerMessageDeflate?: boolean | undefined
  /**
   * Where errors go that have nobody else to go to.
   * @default console, without its debug messages
   */
  logger?: Logger | undefined
  /** Closes the handler when it is aborted. */
  signal?: AbortSignal | undefined
}

type HeaderValue = string | number | bigint | boolean | null | undefined

/** What the headers of a {@link HandleRequest} may be in. */
export type HandleHeaders =
  | Headers
  | Iterable<readonly [name: string, value: HeaderValue | readonly HeaderValue[]]>
  | readonly (string | null | undefined)[]
  | Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>

/** What the body of a {@link HandleRequest} may be. */
export type HandleBody =
  | string
  | ArrayBufferLike
  | ArrayBufferView
  | Blob
  | URLSearchParams
  | FormData
  | ReadableStream
  | AsyncIterable<string | ArrayBufferLike | ArrayBufferView>

/** A request for {@link HandleResponse}, by the words of `node:http`. */
export interface HandleRequest {
  /** @default 'GET' */
  method?: string | undefined
  /** Path and query, as in `req.url`. Without the mount's prefix when there is one. */
  url: string
  /**
   * An object, a `Headers`, a `Map` or another iterable of pairs, or names and values in turn. Several headers of a name
   * are a list of values; those that are `undefined` or `null` are left out.
   */
  headers?: HandleHeaders | null | undefined
  /**
   * As in `fetch`, which also says which `content-type` it has where the headers give none.
   */
  body?: HandleBody | null | undefined
  /**
   * The prefix that was cut from `url`; becomes the app's `root_path`.
   * @default ''
   */
  rootPath?: string | undefined
  /** @default '1.1' */
  httpVersion?: string | undefined
  /** @default 'http' */
  scheme?: string | undefined
  /** Address and port of the client. @default null */
  client?: readonly [host: string, port: number] | null | undefined
  /** Address and port of the server; a port of `null` for a Unix socket. @default null */
  server?: readonly [host: string, port: number | null] | null | undefined
  /**
   * What the host knows of the request; the app finds it as `scope['extensions']['amphis.context']`. JSON has to be able
   * to have it, with at most 65,536 characters.
   */
  context?: object | undefined
  /** Aborting it is the client's disconnect. */
  signal?: AbortSignal | undefined
}

/** What is running, for a log line or a bug report. */
export interface Versions {
  amphis: string
  node: string
  /** `3.12.1` */
  python: string
  loop: 'uvloop' | 'asyncio'
  /** The library that was loaded. */
  libpython: string
  /** The environment's interpreter. */
  executable: string
}
