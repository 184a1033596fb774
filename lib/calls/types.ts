// What calls of Python look like to TypeScript.
import type { PythonObject } from './python-object.js'
import type { CallOptions } from './target.js'

export type { CallOptions } from './target.js'

/** What a call gives: a promise of its result. Of a generator it can be iterated over at once. */
export type PythonCall<Result> = Promise<Result> & {
  [Symbol.asyncIterator](): Result extends AsyncIterable<infer Item>
    ? AsyncIterator<Item, undefined>
    : AsyncIterator<unknown, undefined>
}

/**
 * A function of Python's. `Args` are those that can be given by their place, `Keywords` those that can be given by name.
 */
// oxlint-disable typescript/no-explicit-any -- any arguments, where nothing is known of a function
export interface PythonFunction<Args extends unknown[] = any[], Result = any, Keywords extends object = any> {
  (...args: Args): PythonCall<Result>
  /** The same function with some arguments given by name, and with limits. */
  with(keywords?: Partial<Keywords>, options?: CallOptions): PythonFunction<Partial<Args>, Result, Keywords>
  /** Calls it, and leaves the result in Python. */
  ref(...args: Args): Promise<PythonObject & Record<string, any>>
}
// oxlint-enable typescript/no-explicit-any
