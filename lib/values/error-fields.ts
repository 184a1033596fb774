// What Python is told of an error besides its handle.

import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { packageRoot } from '../package-root.js'
import { isPythonDate } from './dates.js'
import { isIterable, isPlainPrototype } from './plain.js'

/** A property that cannot be told. */
const NOTHING = Symbol('nothing')
/** An error tells of so many values at most, and so many levels deep. */
const MAX_VALUES = 10_000
const MAX_LEVELS = 16

/** Also those of other realms, and `DOMException`, which V8 does not count among errors. */
export function isError(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error
}

/** Name, message, stack, code, cause, and own properties that are data. Never throws for what the error does. */
export function fieldsOf(error: Error, isWhole: boolean): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    name: textOf(error, 'name') ?? 'Error',
    message: textOf(error, 'message') ?? '',
  }
  if (!isWhole) {
    return fields
  }
  const stack = textOf(error, 'stack')
  if (stack !== undefined) {
    fields['stack'] = withoutOwnFrames(stack)
  }
  const budget = { left: MAX_VALUES }
  const code = snapshot(read(error, 'code'), budget, MAX_LEVELS)
  if (typeof code === 'string' || typeof code === 'number') {
    fields['code'] = code
  }
  const cause = read(error, 'cause')
  if (typeof cause === 'object' && cause !== null && isError(cause)) {
    fields['cause'] = cause
  } else if (cause !== undefined) {
    keep(fields, 'cause', snapshot(cause, budget, MAX_LEVELS))
  }
  fields['props'] = propertiesOf(error, budget)
  return fields
}

// Where the frames of amphis itself are, which say nothing to whoever reads the stack.
const ownFolder = fileURLToPath(new URL('dist/', packageRoot))

function withoutOwnFrames(stack: string): string {
  return stack.includes(ownFolder)
    ? stack
        .split('\n')
        .filter((line) => !(line.includes(ownFolder) && /^ +at /.test(line)))
        .join('\n')
    : stack
}

function propertiesOf(error: Error, budget: { left: number }): Record<string, unknown> {
  const properties: Record<string, unknown> = {}
  for (const key of keysOf(error)) {
    if (key !== 'name' && key !== 'message' && key !== 'stack' && key !== 'code' && key !== 'cause') {
      keep(properties, key, snapshot(read(error, key), budget, MAX_LEVELS))
    }
  }
  return properties
}

function keep(target: Record<string, unknown>, key: string, value: unknown): void {
  if (value !== NOTHING) {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true })
  }
}

function keysOf(error: object): string[] {
  try {
    return Object.keys(error)
  } catch {
    return []
  }
}

function read(error: object, key: string): unknown {
  try {
    return (error as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function textOf(error: object, key: string): string | undefined {
  const text = read(error, key)
  return typeof text === 'string' ? text : undefined
}

/** A copy of data; `NOTHING` for what is none. */
function snapshot(value: unknown, budget: { left: number }, levels: number): unknown {
  if (--budget.left < 0) {
    return NOTHING
  }
  switch (typeof value) {
    case 'symbol':
    case 'function':
      return NOTHING
    case 'object':
      return value === null ? null : snapshotOfObject(value, budget, levels)
    default:
      return value
  }
}

function snapshotOfObject(value: object, budget: { left: number }, levels: number): unknown {
  if (levels === 0) {
    return NOTHING
  }
  try {
    if (ArrayBuffer.isView(value) || (types.isDate(value) && isPythonDate(value.getTime()))) {
      return value
    }
    if (Array.isArray(value)) {
      if (value.length > budget.left) {
        return NOTHING
      }
      const copy = Array.from(value, (item: unknown) => snapshot(item, budget, levels - 1))
      return copy.includes(NOTHING) ? NOTHING : copy
    }
    if (!isPlainPrototype(Object.getPrototypeOf(value) as object | null) || isIterable(value)) {
      return NOTHING
    }
    const copy: Record<string, unknown> = {}
    for (const key of Object.keys(value)) {
      const item = snapshot((value as Record<string, unknown>)[key], budget, levels - 1)
      if (item === NOTHING) {
        return NOTHING
      }
      keep(copy, key, item)
    }
    return copy
  } catch {
    // A getter or a proxy that throws.
    return NOTHING
  }
}
