// What the host knows of a request, as JSON on its way to the app's `scope['extensions']['amphis.context']`.
import { types } from 'node:util'
import { ConversionError, wrongArgument, type AmphisError } from './errors.js'
import { kindOf } from './shown.js'

/**
 * Says what the host knows of a request. What it throws is the error of the request, and Python hears nothing of it.
 * Written so that a host's own type of request may stand for that of Node's.
 */
export type ContextFunction<Request, Context extends object = object> = {
  bivariant(request: Request): Context | undefined | Promise<Context | undefined>
}['bivariant']

/** A handler's context, which what stands beside the handler has to fit and does not change. */
export type HeldTo<Context extends object> = [Context][Context extends object ? 0 : never]

/** Most characters of the JSON, as it crosses the bridge. */
export const MOST_CONTEXT = 64 * 1024

/** Deeper, and Python's own reader might refuse it. */
const DEEPEST = 100

// What latin-1 does not have, and what would end a field of the head (JSON itself escapes that).
const UNSAID = /[\u007F-\uFFFF]/g

/** What an adapter has asked for in the place of the handler, under a key that all copies of the package know. */
const GIVEN: unique symbol = Symbol.for('amphis.context')

interface ContextRequest {
  [GIVEN]?: string | undefined
}

/** Calls `run` while a request has this context, whatever the handler's own function would say. */
export function withGivenContext(request: object, text: string, run: () => void): void {
  const holder = request as ContextRequest
  const before = holder[GIVEN]
  holder[GIVEN] = text
  try {
    run()
  } finally {
    holder[GIVEN] = before
  }
}

/**
 * The context of a request as text, `''` for none: what an adapter has given, or what the function says.
 *
 * @throws whatever the function throws
 */
export function contextFor<Request extends object>(
  ask: ContextFunction<Request> | undefined,
  request: Request,
): string | Promise<string> {
  const given = (request as ContextRequest)[GIVEN]
  if (given !== undefined || ask === undefined) {
    return given ?? ''
  }
  return textOfAnswer(ask(request))
}

/** The same for those who ask with something else than a request of Node's. */
export function textOfAnswer(known: object | undefined | Promise<object | undefined>): string | Promise<string> {
  return types.isPromise(known) ? known.then(contextText) : contextText(known)
}

/** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS` where the option is no function */
export function checkContextFunction(of: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') {
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_OPTIONS',
      `context${of} must be a function that says what the host knows of a request, (req) => ({ user: req.user }), ` +
        `but it is ${kindOf(value)}.`,
    )
  }
}

/**
 * A context as JSON of ASCII, `''` for none.
 *
 * @throws {AmphisError} `AMPHIS_ERR_CONVERSION` for what JSON cannot have, and for what is too large
 */
export function contextText(context: unknown): string {
  if (context === undefined || context === null) {
    return ''
  }
  if (typeof context !== 'object' || Array.isArray(context) || types.isPromise(context)) {
    throw refused('context', `must be an object such as { user: 'ada' }, but it is ${kindOf(context)}`)
  }
  const text = JSON.stringify(context, checker()).replaceAll(
    UNSAID,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  if (text.length > MOST_CONTEXT) {
    throw refused('context', `has ${text.length} characters as JSON, and ${MOST_CONTEXT} are the most`)
  }
  if (!text.startsWith('{')) {
    throw refused('context', 'must be an object, but its toJSON() makes something else of it')
  }
  return text
}

/** For `JSON.stringify`: refuses what it would leave out or make something else of, and knows where that is. */
function checker(): (this: unknown, key: string, value: unknown) => unknown {
  const holders: unknown[] = []
  const path: string[] = []
  return function check(this: unknown, key: string, value: unknown): unknown {
    // The holder of the root is none of the user's.
    while (holders.length > 0 && holders.at(-1) !== this) {
      holders.pop()
      path.pop()
    }
    const place = holders.length === 0 ? 'context' : `${path.at(-1)}${Array.isArray(this) ? `[${key}]` : `.${key}`}`
    const problem = problemOf(value)
    if (problem !== undefined) {
      throw refused(place, problem)
    }
    if (typeof value === 'object' && value !== null) {
      if (holders.length === 0) {
        holders.push(this)
        path.push('')
      }
      if (holders.includes(value)) {
        throw refused(place, 'contains itself')
      }
      if (holders.length > DEEPEST) {
        throw refused(place, `lies deeper than ${DEEPEST} levels`)
      }
      holders.push(value)
      path.push(place)
    }
    return value
  }
}

function problemOf(value: unknown): string | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : `is ${value}, which JSON does not have`
  }
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function') {
    return `is a ${typeof value}, which JSON does not have`
  }
  const isLost =
    types.isMap(value) ||
    types.isSet(value) ||
    types.isPromise(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isNativeError(value) ||
    types.isRegExp(value) ||
    ArrayBuffer.isView(value)
  return isLost ? `is ${kindOf(value)}, of which JSON keeps nothing` : undefined
}

function refused(path: string, problem: string): AmphisError {
  return new ConversionError(
    path,
    `${path} ${problem}. A context is made of objects, lists, texts, finite numbers, true, false and null.`,
  )
}

/** Whatever a function of the user's has thrown, as an error that can be told of. */
export function asError(thrown: unknown): Error {
  return types.isNativeError(thrown) || thrown instanceof Error
    ? thrown
    : new Error(`The host threw ${kindOf(thrown)} and no error: ${String(thrown)}`, { cause: thrown })
}
