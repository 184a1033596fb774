// The objects of JavaScript that Python has, by number.
import { types } from 'node:util'
import { KIND } from './protocol.js'

interface Given {
  readonly value: object
  /** How often Python was given it, and has not dropped it. */
  count: number
}

/**
 * An object has one number for as long as Python has it. Python says of each number that it was given when it drops it:
 * an object that is on its way to it again at that moment stays.
 */
export class JavaScriptObjects {
  readonly #byNumber = new Map<number, Given>()
  readonly #numbers = new Map<object, number>()
  #last = 0

  /** How many Python has. */
  get size(): number {
    return this.#byNumber.size
  }

  /** The number of an object that Python is about to be given. */
  give(value: object): number {
    const known = this.#numbers.get(value)
    if (known !== undefined) {
      this.#byNumber.get(known)!.count++
      return known
    }
    do {
      this.#last = (this.#last + 1) % 2 ** 31
    } while (this.#last === 0 || this.#byNumber.has(this.#last))
    this.#byNumber.set(this.#last, { value, count: 1 })
    this.#numbers.set(value, this.#last)
    return this.#last
  }

  get(number: number): object | undefined {
    return this.#byNumber.get(number)?.value
  }

  /** Python has dropped it. */
  free(number: number, count: number): void {
    const given = this.#byNumber.get(number)
    if (given !== undefined && (given.count -= count) <= 0) {
      this.#byNumber.delete(number)
      this.#numbers.delete(given.value)
    }
  }
}

/** What kind of object Python is told that it is. */
export function kindOf(value: object): number {
  if (typeof value === 'function') {
    return isClass(value) ? KIND.class : KIND.function
  }
  if (types.isModuleNamespaceObject(value)) {
    return KIND.module
  }
  if (types.isPromise(value)) {
    return KIND.promise
  }
  return isIterable(value) ? KIND.iterable : KIND.object
}

const classes = new WeakMap<object, boolean>()

/** Whether a function is called by `new` alone. */
export function isClass(value: object): boolean {
  let known = classes.get(value)
  if (known === undefined) {
    known = typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
    classes.set(value, known)
  }
  return known
}

function isIterable(value: object): boolean {
  const iterable = value as { [Symbol.asyncIterator]?: unknown; [Symbol.iterator]?: unknown; next?: unknown }
  return (
    typeof iterable[Symbol.asyncIterator] === 'function' ||
    (typeof iterable[Symbol.iterator] === 'function' && typeof iterable.next === 'function')
  )
}

/** What an object is called, for messages. */
export function nameOf(value: object): string {
  try {
    if (typeof value === 'function') {
      return value.name
    }
    const { constructor } = value as { constructor?: { name?: unknown } }
    return typeof constructor?.name === 'string' ? constructor.name : ''
  } catch {
    return ''
  }
}
