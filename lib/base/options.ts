// Checks the options of a handler, and fills in the defaults.
import { resolve } from 'node:path'
import { isAppTarget } from './app-target.js'
import { AmphisError } from './errors.js'
import { failedRequest } from './failed-request.js'
import { unknownOption } from './nearest.js'
import { TrustedPeers } from './trusted-peers.js'
import { checkContextFunction } from './request-context.js'
import type { Logger, PythonHandlerOptions } from './types.js'

/** Where a handler tells adapters of its option `fallthrough`. */
export const fallsThrough: unique symbol = Symbol.for('amphis.fallthrough')

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly app: string
  readonly appDir: string
  readonly factory: boolean
  readonly interface: 'auto' | 'asgi' | 'wsgi'
  readonly wsgiThreads: number
  readonly python: string | undefined
  readonly rootPath: string
  readonly lifespan: 'auto' | 'on' | 'off'
  readonly loop: 'auto' | 'uvloop' | 'asyncio'
  readonly gcFreeze: boolean
  readonly logConfig: string | undefined
  readonly debug: boolean
  readonly pathsend: boolean
  readonly logLevel: (typeof LOG_LEVELS)[number] | undefined
  readonly timeoutGracefulShutdown: number
  /** At most `timeoutGracefulShutdown`. */
  readonly timeoutStreams: number
  readonly timeoutStartup: number
  readonly timeoutRequest: number
  /** `undefined`: the server decides. */
  readonly proxyHeaders: boolean | undefined
  readonly forwardedAllowIps: TrustedPeers
  /** `Infinity` for no limit. */
  readonly limitConcurrency: number
  /** `Infinity` for no limit. */
  readonly maxBodySize: number
  readonly reuseParsedBody: boolean
  readonly context: PythonHandlerOptions['context']
  readonly fallthrough: boolean
  readonly onError: PythonHandlerOptions['onError']
  readonly wsMaxSize: number
  readonly wsMaxQueue: number
  readonly wsPingInterval: number
  readonly wsPingTimeout: number
  readonly wsCloseTimeout: number
  readonly wsPerMessageDeflate: boolean
  readonly logger: Logger
  readonly signal: AbortSignal | undefined
}

/* oxlint-disable no-console -- the default logger */
/** What logs where no other logger is given. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: (...values) => console.info(...values),
  warn: (...values) => console.warn(...values),
  error(...values) {
    const request = values.length === 1 ? failedRequest(values[0]) : undefined
    if (request === undefined) {
      console.error(...values)
    } else {
      console.error('%s failed:', request, values[0])
    }
  },
}
/* oxlint-enable no-console */

const LOG_LEVELS = ['critical', 'error', 'warning', 'info', 'debug', 'trace'] as const

// Timers and the native side count in 32 bits.
const MAX_MILLISECONDS = 2 ** 31 - 1
const MAX_COUNT = 2 ** 31 - 1
const MAX_THREADS = 1024

function invalid(message: string): AmphisError {
  return new AmphisError('AMPHIS_ERR_INVALID_OPTIONS', message)
}

function expected(name: string, what: string, value: unknown): AmphisError {
  const shown = typeof value === 'string' ? `'${value}'` : String(value)
  return invalid(`Option ${name} must be ${what}, but it is ${shown}.`)
}

function text(name: string, value: unknown): string {
  if (typeof value !== 'string' || value.includes('\0')) {
    throw expected(name, 'a string without NUL characters', value)
  }
  return value
}

function oneOf<T extends string>(name: string, words: readonly T[], value: unknown): T {
  const found = words.find((word) => word === value)
  if (found === undefined) {
    throw expected(name, `one of ${words.map((word) => `'${word}'`).join(', ')}`, value)
  }
  return found
}

function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw expected(name, 'true or false', value)
  }
  return value
}

function whole(name: string, unit: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw expected(name, `a whole number${unit && ` of ${unit}`} from ${least} to ${most}`, value)
  }
  return value
}

function milliseconds(name: string, value: unknown): number {
  return whole(name, 'milliseconds', value, 0, MAX_MILLISECONDS)
}

function peers(name: string, value: unknown): TrustedPeers {
  const entries: unknown = typeof value === 'string' ? value.split(',') : value
  if (!Array.isArray(entries) || !entries.every((entry) => typeof entry === 'string')) {
    throw expected(name, "a string or a list of strings, such as '127.0.0.1,10.0.0.0/8'", value)
  }
  try {
    // An empty one trusts nobody.
    return new TrustedPeers(entries.map((entry: string) => entry.trim()).filter((entry) => entry !== ''))
  } catch (error) {
    throw expected(
      name,
      "made of IP addresses, networks such as 10.0.0.0/8, names such as unix:, or '*' for anybody",
      (error as TypeError).message,
    )
  }
}

function isLogger(value: unknown): value is Logger {
  return (
    typeof value === 'object' &&
    value !== null &&
    (['debug', 'info', 'warn', 'error'] as const).every(
      (level) => typeof (value as Record<string, unknown>)[level] === 'function',
    )
  )
}

const KNOWN = [
  'app',
  'appDir',
  'factory',
  'interface',
  'wsgiThreads',
  'python',
  'rootPath',
  'lifespan',
  'loop',
  'gcFreeze',
  'logConfig',
  'debug',
  'pathsend',
  'logLevel',
  'timeoutGracefulShutdown',
  'timeoutStreams',
  'timeoutStartup',
  'timeoutRequest',
  'proxyHeaders',
  'forwardedAllowIps',
  'limitConcurrency',
  'maxBodySize',
  'reuseParsedBody',
  'context',
  'fallthrough',
  'onError',
  'wsMaxSize',
  'wsMaxQueue',
  'wsPingInterval',
  'wsPingTimeout',
  'wsCloseTimeout',
  'wsPerMessageDeflate',
  'logger',
  'signal',
] as const satisfies readonly (keyof PythonHandlerOptions)[]

/**
 * Checks options and fills in the defaults.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function resolveOptions(
  given: string | PythonHandlerOptions,
  others?: Omit<PythonHandlerOptions, 'app'>,
): ResolvedOptions {
  if (others !== undefined && (typeof given !== 'string' || typeof others !== 'object' || others === null)) {
    throw invalid(
      "Options stand in one object: new PythonHandler('module:attribute', { … }) or new PythonHandler({ app, … }).",
    )
  }
  const options = typeof given === 'string' ? { ...others, app: given } : given
  if (typeof options !== 'object' || options === null) {
    throw invalid("PythonHandler needs an app: new PythonHandler('module:attribute') or new PythonHandler({ app }).")
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name as (typeof KNOWN)[number])) {
      throw invalid(unknownOption(name, KNOWN))
    }
  }
  const app = text('app', options.app)
  if (!isAppTarget(app)) {
    const module = app
      .replace(/^(?:\.\/)+/, '')
      .replace(/\.py(?=$|:)/, '')
      .replaceAll('/', '.')
    const meant = module.includes(':') ? module : `${module}:app`
    const { message } = expected('app', "of the form 'module:attribute', both of them Python names joined by dots", app)
    throw invalid(isAppTarget(meant) ? `${message} Did you mean '${meant}'?` : message)
  }
  const rootPath = text('rootPath', options.rootPath ?? '').replace(/\/+$/, '')
  if (rootPath !== '' && !rootPath.startsWith('/')) {
    throw expected('rootPath', "empty or begin with '/'", rootPath)
  }
  const logger = options.logger ?? consoleLogger
  if (!isLogger(logger)) {
    throw expected('logger', 'an object with the methods debug, info, warn and error', logger)
  }
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw expected('signal', 'an AbortSignal', options.signal)
  }
  if (options.onError !== undefined && typeof options.onError !== 'function') {
    throw expected('onError', 'a function, (error, req) => …', options.onError)
  }
  checkContextFunction(' of PythonHandler', options.context)
  const timeoutGracefulShutdown = milliseconds('timeoutGracefulShutdown', options.timeoutGracefulShutdown ?? 10_000)
  const timeoutStreams = milliseconds('timeoutStreams', options.timeoutStreams ?? timeoutGracefulShutdown)
  return {
    app,
    appDir: resolve(text('appDir', options.appDir ?? '')),
    factory: flag('factory', options.factory ?? false),
    interface: oneOf('interface', ['auto', 'asgi', 'wsgi'], options.interface ?? 'auto'),
    wsgiThreads: whole('wsgiThreads', '', options.wsgiThreads ?? 10, 1, MAX_THREADS),
    python: options.python === undefined ? undefined : text('python', options.python),
    rootPath,
    lifespan: oneOf('lifespan', ['auto', 'on', 'off'], options.lifespan ?? 'auto'),
    loop: oneOf('loop', ['auto', 'uvloop', 'asyncio'], options.loop ?? 'auto'),
    gcFreeze: flag('gcFreeze', options.gcFreeze ?? true),
    logConfig: options.logConfig === undefined ? undefined : resolve(text('logConfig', options.logConfig)),
    debug: flag('debug', options.debug ?? false),
    pathsend: flag('pathsend', options.pathsend ?? false),
    logLevel: options.logLevel === undefined ? undefined : oneOf('logLevel', LOG_LEVELS, options.logLevel),
    timeoutGracefulShutdown,
    timeoutStreams: Math.min(timeoutStreams, timeoutGracefulShutdown),
    timeoutStartup: milliseconds('timeoutStartup', options.timeoutStartup ?? 0),
    timeoutRequest: milliseconds('timeoutRequest', options.timeoutRequest ?? 0),
    proxyHeaders: options.proxyHeaders === undefined ? undefined : flag('proxyHeaders', options.proxyHeaders),
    forwardedAllowIps: peers('forwardedAllowIps', options.forwardedAllowIps ?? '127.0.0.1,::1'),
    limitConcurrency:
      options.limitConcurrency === undefined
        ? Infinity
        : whole('limitConcurrency', '', options.limitConcurrency, 1, MAX_COUNT),
    maxBodySize:
      options.maxBodySize === undefined
        ? Infinity
        : whole('maxBodySize', 'bytes', options.maxBodySize, 0, Number.MAX_SAFE_INTEGER),
    reuseParsedBody: flag('reuseParsedBody', options.reuseParsedBody ?? false),
    context: options.context,
    fallthrough: flag('fallthrough', options.fallthrough ?? false),
    onError: options.onError,
    wsMaxSize: whole('wsMaxSize', 'bytes', options.wsMaxSize ?? 16 * 1024 * 1024, 1, MAX_COUNT),
    wsMaxQueue: whole('wsMaxQueue', 'messages', options.wsMaxQueue ?? 32, 1, MAX_COUNT),
    wsPingInterval: milliseconds('wsPingInterval', options.wsPingInterval ?? 20_000),
    wsPingTimeout: milliseconds('wsPingTimeout', options.wsPingTimeout ?? 20_000),
    wsCloseTimeout: milliseconds('wsCloseTimeout', options.wsCloseTimeout ?? 10_000),
    wsPerMessageDeflate: flag('wsPerMessageDeflate', options.wsPerMessageDeflate ?? false),
    logger,
    signal: options.signal,
  }
}
