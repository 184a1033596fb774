import { resolve } from 'node:path'
import { AmphisError } from './errors.js'
import type { Logger, PythonHandlerOptions } from './types.js'

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly app: string
  readonly appDir: string
  readonly factory: boolean
  readonly python: string | undefined
  readonly rootPath: string
  readonly lifespan: 'auto' | 'on' | 'off'
  readonly loop: 'auto' | 'uvloop' | 'asyncio'
  readonly timeoutGracefulShutdown: number
  readonly timeoutStartup: number
  readonly timeoutRequest: number
  readonly logger: Logger
  readonly signal: AbortSignal | undefined
}

/* oxlint-disable no-console -- the default logger */
const consoleLogger: Logger = {
  debug: () => {},
  info: (...values) => console.info(...values),
  warn: (...values) => console.warn(...values),
  error: (...values) => console.error(...values),
}
/* oxlint-enable no-console */

// Timers and the native side count in 32 bits.
const MAX_MILLISECONDS = 2 ** 31 - 1

// Python's identifiers (PEP 3131), dotted.
const NAME = String.raw`[\p{ID_Start}_]\p{ID_Continue}*`
const TARGET = new RegExp(String.raw`^${NAME}(?:\.${NAME})*:${NAME}(?:\.${NAME})*$`, 'u')

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

function milliseconds(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_MILLISECONDS) {
    throw expected(name, `a whole number of milliseconds from 0 to ${MAX_MILLISECONDS}`, value)
  }
  return value
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
  'python',
  'rootPath',
  'lifespan',
  'loop',
  'timeoutGracefulShutdown',
  'timeoutStartup',
  'timeoutRequest',
  'logger',
  'signal',
] as const satisfies readonly (keyof PythonHandlerOptions)[]

/**
 * Checks options and fills in the defaults.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function resolveOptions(given: string | PythonHandlerOptions): ResolvedOptions {
  const options = typeof given === 'string' ? { app: given } : given
  if (typeof options !== 'object' || options === null) {
    throw invalid("PythonHandler needs an app: new PythonHandler('module:attribute') or new PythonHandler({ app }).")
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name as (typeof KNOWN)[number])) {
      throw invalid(`There is no option ${name}. The options are ${KNOWN.join(', ')}.`)
    }
  }
  const app = text('app', options.app)
  if (!TARGET.test(app)) {
    throw expected('app', "of the form 'module:attribute', both of them Python names joined by dots", app)
  }
  const rootPath = text('rootPath', options.rootPath ?? '')
  if (rootPath !== '' && (!rootPath.startsWith('/') || rootPath.endsWith('/'))) {
    throw expected('rootPath', "empty or begin with '/' and not end with it", rootPath)
  }
  if (typeof (options.factory ?? false) !== 'boolean') {
    throw expected('factory', 'true or false', options.factory)
  }
  const logger = options.logger ?? consoleLogger
  if (!isLogger(logger)) {
    throw expected('logger', 'an object with the methods debug, info, warn and error', logger)
  }
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw expected('signal', 'an AbortSignal', options.signal)
  }
  return {
    app,
    appDir: resolve(text('appDir', options.appDir ?? '')),
    factory: options.factory ?? false,
    python: options.python === undefined ? undefined : text('python', options.python),
    rootPath,
    lifespan: oneOf('lifespan', ['auto', 'on', 'off'], options.lifespan ?? 'auto'),
    loop: oneOf('loop', ['auto', 'uvloop', 'asyncio'], options.loop ?? 'auto'),
    timeoutGracefulShutdown: milliseconds('timeoutGracefulShutdown', options.timeoutGracefulShutdown ?? 10_000),
    timeoutStartup: milliseconds('timeoutStartup', options.timeoutStartup ?? 0),
    timeoutRequest: milliseconds('timeoutRequest', options.timeoutRequest ?? 0),
    logger,
    signal: options.signal,
  }
}
