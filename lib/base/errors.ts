// `AmphisError`, `PythonError`, and the codes by which they are told apart.

import { inspect, type InspectOptions } from 'node:util'

/** What went wrong, as a word that stays the same between versions. */
export type AmphisErrorCode =
  /** An option is missing, unknown, of the wrong type or out of range. */
  | 'AMPHIS_ERR_INVALID_OPTIONS'
  /** No Python was found, or the one that was named does not exist. */
  | 'AMPHIS_ERR_PYTHON_NOT_FOUND'
  /** The Python found is older than 3.10. */
  | 'AMPHIS_ERR_PYTHON_VERSION'
  /** The Python found is not CPython, or is a free-threaded build of it. */
  | 'AMPHIS_ERR_PYTHON_IMPLEMENTATION'
  /** The Python found was built for another processor than this Node.js. */
  | 'AMPHIS_ERR_PYTHON_ARCH'
  /** The Python found has no shared library (libpython) that can be loaded. */
  | 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND'
  /** The virtual environment was made for another Python version than the one it now points to. */
  | 'AMPHIS_ERR_VENV_MISMATCH'
  /** Another Python already runs in this process; there can be only one. */
  | 'AMPHIS_ERR_PYTHON_CONFLICT'
  /** Python was found but does not run: it hangs, crashes or does not answer. */
  | 'AMPHIS_ERR_PYTHON_START'
  /** The native addon is missing for this platform, is of another version, or does not load. */
  | 'AMPHIS_ERR_BINDING'
  /** This Node.js is older than amphis needs; the error is an `Error`, no `AmphisError`. */
  | 'AMPHIS_ERR_NODE_VERSION'
  /** Node.js' permission model refuses what amphis needs. */
  | 'AMPHIS_ERR_NODE_PERMISSION'
  /** The module of the app does not exist. */
  | 'AMPHIS_ERR_APP_NOT_FOUND'
  /** The module of the app exists but raised while it was imported. */
  | 'AMPHIS_ERR_APP_IMPORT'
  /** The module of the app has no such attribute. */
  | 'AMPHIS_ERR_APP_ATTRIBUTE'
  /** What the app's name leads to cannot be called. */
  | 'AMPHIS_ERR_APP_NOT_CALLABLE'
  /** The app factory raised, or needs arguments. */
  | 'AMPHIS_ERR_APP_FACTORY'
  /** A module of the same name was already imported from another folder. */
  | 'AMPHIS_ERR_APP_COLLISION'
  /** The app is WSGI, and the Python package `a2wsgi`, which serves such apps, cannot be imported. */
  | 'AMPHIS_ERR_WSGI_ADAPTER'
  /** The app's lifespan startup failed. */
  | 'AMPHIS_ERR_LIFESPAN_FAILED'
  /** The app did not finish its startup within `timeoutStartup`. */
  | 'AMPHIS_ERR_STARTUP_TIMEOUT'
  /** The handler is closed. */
  | 'AMPHIS_ERR_CLOSED'
  /** The request cannot be passed on: its method, target, headers or body are malformed. */
  | 'AMPHIS_ERR_INVALID_REQUEST'
  /** The request's body was read before the handler saw it, or a response's body is read a second time. */
  | 'AMPHIS_ERR_BODY_CONSUMED'
  /** The app returned without starting a response. */
  | 'AMPHIS_ERR_NO_RESPONSE'
  /** The app ended before its response was complete. */
  | 'AMPHIS_ERR_INCOMPLETE_RESPONSE'
  /** The app took longer than `timeoutRequest`. */
  | 'AMPHIS_ERR_REQUEST_TIMEOUT'
  /** There are as many requests and WebSockets as `limitConcurrency` allows. */
  | 'AMPHIS_ERR_OVERLOADED'
  /** The request's body is larger than `maxBodySize`. */
  | 'AMPHIS_ERR_BODY_TOO_LARGE'
  /** The request was given up through its `AbortSignal`. */
  | 'AMPHIS_ERR_ABORTED'
  /** The app let `ClientDisconnected` out after its client had left; only ever logged, at debug level. */
  | 'AMPHIS_ERR_CLIENT_DISCONNECTED'
  /** A value cannot be passed to the other language; the message names its place. */
  | 'AMPHIS_ERR_CONVERSION'
  /** A call of a Python function took longer than its `timeout`. */
  | 'AMPHIS_ERR_CALL_TIMEOUT'
  /** Python code raised an exception. */
  | 'AMPHIS_ERR_PYTHON'

// Registered symbols are the same in every copy of this file, so `instanceof` also holds between two
// copies of the package and between realms (`node:vm`, Jest).
const AMPHIS_ERROR: unique symbol = Symbol.for('amphis.AmphisError')
const PYTHON_ERROR: unique symbol = Symbol.for('amphis.PythonError')
const CONVERSION_ERROR: unique symbol = Symbol.for('amphis.ConversionError')

function isBranded(value: unknown, mark: symbol): boolean {
  return typeof value === 'object' && value !== null && mark in value
}

/**
 * Gives a class its name and its mark. Not within the class: what speaks of a class there makes the bundler rename it,
 * and Node.js prints the new name.
 */
function brand(type: { prototype: object }, name: string, mark: symbol): void {
  // On the prototype, so that V8 finds the name when it writes the first line of `stack`.
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true })
  Object.defineProperty(type.prototype, mark, { value: true })
  // Whatever Node.js' inspection is replaced by (Next.js keeps only frames of JavaScript), this prints the whole stack.
  Object.defineProperty(type.prototype, inspect.custom, { value: inspectWhole, configurable: true, writable: true })
  Object.defineProperty(type, Symbol.hasInstance, {
    configurable: true,
    value(this: unknown, value: unknown): boolean {
      return this === type
        ? isBranded(value, mark)
        : (Function.prototype[Symbol.hasInstance] as (value: unknown) => boolean).call(this, value)
    },
  })
}

function inspectWhole(this: Error, _depth: number, options: InspectOptions, own: unknown): string {
  const native = typeof own === 'function' ? (own as typeof inspect) : inspect
  const text = native(this, { ...options, customInspect: false })
  // Node.js puts brackets around errors without frames, which helps nobody with a traceback in them.
  const { stack = '' } = this
  return text.startsWith(`[${stack}]`) ? stack + text.slice(stack.length + 2) : text
}

/** Any error that amphis itself raises. Tell them apart by `code`. */
export class AmphisError extends Error {
  /** What went wrong, as a word that stays the same between versions. */
  readonly code: AmphisErrorCode

  constructor(code: AmphisErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
brand(AmphisError, 'AmphisError', AMPHIS_ERROR)

/** The same where an argument is of the wrong kind, which is a `TypeError` to everybody else. */
class ArgumentError extends TypeError {
  readonly code: AmphisErrorCode

  constructor(code: AmphisErrorCode, message: string) {
    super(message)
    this.code = code
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'AmphisError', configurable: true, writable: true })
    Object.defineProperty(this.prototype, AMPHIS_ERROR, { value: true })
  }
}

/** An {@link AmphisError} that is a `TypeError` as well. */
export function wrongArgument(code: AmphisErrorCode, message: string): AmphisError {
  return new ArgumentError(code, message)
}

/** A value that the other language cannot have. The message names its place. */
export class ConversionError extends AmphisError {
  /** Where the value stands, as `args[0].user.tags[3]`. */
  readonly path: string

  constructor(path: string, message: string, options?: ErrorOptions) {
    super('AMPHIS_ERR_CONVERSION', message, options)
    this.path = path
  }
}
brand(ConversionError, 'ConversionError', CONVERSION_ERROR)

/** One frame of a Python traceback. */
export interface PythonFrame {
  /** The file as Python names it; `<string>` and the like where there is none. */
  readonly file: string
  /** Counted from 1; `null` where Python knows none. */
  readonly line: number | null
  /** The function, or `<module>`. */
  readonly name: string
  /** As Python prints it: the place, the source and its markers, each a line. */
  readonly text: string
  /** How often it comes again behind this one, as in a recursion. */
  readonly repeated?: number
  /** How many frames behind this one were left out. */
  readonly omitted?: number
}

/** One of the exceptions that a traceback tells of. */
export interface PythonException {
  /** Without the frames, as Python prints it: type, message and notes; of a `SyntaxError` also its place. */
  readonly text: string
  /** What the exception before it in the list is to it: its `__cause__` or its `__context__`. */
  readonly relation: 'cause' | 'context' | null
  /** Outermost first. */
  readonly frames: readonly PythonFrame[]
  /** What an exception group holds, each with its own causes and contexts. */
  readonly group: readonly (readonly PythonException[])[]
  /** The place that a `SyntaxError` is about. */
  readonly syntax: { readonly file: string; readonly line: number } | null
}

/** What a {@link PythonError} is made of. */
export interface PythonErrorInit {
  /** The exception's class, with its module unless that is `builtins`: `ValueError`, `pkg.mod.MyError`. */
  type: string
  /** `str(exc)` */
  message: string
  /** The whole traceback as Python prints it, with causes, contexts and groups. */
  traceback: string
  /** @default [] */
  exceptions?: readonly PythonException[]
  /** @default 'AMPHIS_ERR_PYTHON' */
  code?: AmphisErrorCode
  cause?: unknown
}

/** An exception that was raised by Python code. */
export class PythonError extends AmphisError {
  /** The exception's class, with its module unless that is `builtins`: `ValueError`, `pkg.mod.MyError`. */
  readonly type: string
  /** The whole traceback as Python prints it, with causes, contexts and groups. */
  declare readonly traceback: string
  /**
   * The parts of the traceback: the exception is the last one, what it came from stands before it. Long ones are cut
   * short, and an exception that could not be taken apart has none.
   */
  declare readonly exceptions: readonly PythonException[]

  constructor({ type, message, traceback, exceptions = [], code = 'AMPHIS_ERR_PYTHON', cause }: PythonErrorInit) {
    super(code, message, cause === undefined ? undefined : { cause })
    this.type = type
    // Not enumerable: `stack` already shows it, and console.error would print it a second time.
    Object.defineProperty(this, 'traceback', { value: traceback, configurable: true, writable: true })
    Object.defineProperty(this, 'exceptions', { value: exceptions, configurable: true, writable: true })
    setFrames(this, framesOf(this))
  }
}
brand(PythonError, 'PythonError', PYTHON_ERROR)

/** The frames of JavaScript in the stack of an error that was just made, each a line. */
function framesOf({
  name,
  message,
  stack = '',
}: {
  name: string
  message: string
  stack?: string | undefined
}): string {
  const head = message === '' ? name : `${name}: ${message}`
  return stack.startsWith(head) ? stack.slice(head.length + 1) : ''
}

/**
 * Writes the stack: loggers and Express print it and nothing else. The traceback stands before the frames, where all
 * that cut a stack into message and frames take it for a part of the message.
 */
function setFrames(error: AmphisError, frames: string): void {
  const { name, message } = error
  const parts = [message === '' ? name : `${name}: ${message}`]
  if (error instanceof PythonError) {
    const { type, traceback } = error
    parts.push(`\n${traceback.trimEnd() || (message === '' ? type : `${type}: ${message}`)}`)
  }
  if (frames !== '') {
    parts.push(frames)
  }
  Object.defineProperty(error, 'stack', { value: parts.join('\n'), configurable: true, writable: true })
}

// An error may be given to several callers: the first is named.
const placed = new WeakSet<object>()

/**
 * Has the frames of an error of amphis begin at those who called a function: what lies below is no place of theirs.
 *
 * @param entry a function that is being called
 * @returns the error
 */
export function seenFrom(error: unknown, entry: (...args: never[]) => unknown): unknown {
  if (error instanceof AmphisError && !placed.has(error)) {
    placed.add(error)
    const holder: { stack?: string } = {}
    Error.captureStackTrace(holder, entry)
    setFrames(error, (holder.stack ?? '').split('\n').slice(1).join('\n'))
  }
  return error
}

/** An error as the native side describes it. */
export interface ErrorDescription {
  code?: string | null
  type?: string | null
  message: string
  traceback?: string | null
  exceptions?: readonly PythonException[] | null
}

/** The error object for what the native side describes: a {@link PythonError} when an exception is behind it. */
export function fromDescription({ code, type, message, traceback, exceptions }: ErrorDescription): AmphisError {
  // The native side has the same words for them.
  const known = (code || 'AMPHIS_ERR_PYTHON') as AmphisErrorCode
  const isRaised = type || traceback || known === 'AMPHIS_ERR_PYTHON'
  const error = isRaised
    ? new PythonError({
        code: known,
        type: type || 'BaseException',
        message,
        traceback: traceback ?? '',
        exceptions: exceptions ?? [],
      })
    : new AmphisError(known, message)
  // It comes from Python: the frames are of the bridge, and say nothing.
  setFrames(error, '')
  return error
}
