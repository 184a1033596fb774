// The types of what is in Python: functions, classes, objects that stay there; `amphis types` writes declarations in them.
import type { PythonObject } from './python-object.js'
import type { CallOptions } from './target.js'

export type { CallOptions } from './target.js'

/** What a call gives: a promise of its result. Of a generator it can be iterated over at once. */
export type PythonCall<Result> = Promise<Result> & {
  [Symbol.asyncIterator](): Result extends AsyncIterable<infer Item>
    ? AsyncIterator<Item, undefined>
    : AsyncIterator<unknown, undefined>
}

// oxlint-disable-next-line typescript/no-explicit-any -- whatever a function takes
type Signature = (...args: any[]) => unknown

// oxlint-disable-next-line typescript/no-generated-empty-object-type -- to which all is assignable whose keys are optional
type Nothing = Record<never, never>

/** The keywords of a function of whose parameters nothing is known. */
type Anything<Call extends Signature> = unknown[] extends Parameters<Call> ? Record<string, unknown> : Nothing

/** Names that are required. */
type RequiredOf<Keywords> = {
  [Name in keyof Keywords]-?: Nothing extends Pick<Keywords, Name> ? never : Name
}[keyof Keywords]

/** What is left of keywords when some were given; `Omit` would forget the names beside an index signature. */
type Without<Keywords, Names extends PropertyKey> = {
  [Name in keyof Keywords as Name extends Names ? never : Name]: Keywords[Name]
}

/** The same function where parameters that stand in a row may have been given by name. */
type Loosened<Call extends Signature> = (...args: Partial<Parameters<Call>>) => ReturnType<Call>

/** What a call gives when its result stays in Python. */
type Referred<Result> =
  Awaited<Result> extends StaysInPython<infer Shape> ? PythonHandle<Shape> : PythonHandle<Awaited<Result>>

interface Bindable<Call extends Signature, KeywordOnly, Named> {
  /**
   * The same function with some parameters given by name, and with options for its calls.
   *
   * @example await model.search.with({ limit: 10 }, { timeout: 500 })('tea')
   */
  with<Name extends keyof (KeywordOnly & Named) = never>(
    keywords: Pick<KeywordOnly & Named, Name>,
    options?: CallOptions,
  ): PythonFunction<
    [Name & RequiredOf<Named>] extends [never] ? Call : Loosened<Call>,
    Without<KeywordOnly, Name>,
    Without<Named, Name>
  >
  /** Calls it and leaves the result in Python: what comes is a handle of it. */
  ref: Nothing extends KeywordOnly ? (...args: Parameters<Call>) => Promise<Referred<ReturnType<Call>>> : never
}

/**
 * A Python function. A call of it takes the parameters that stand in a row; those that have names can be given by
 * `with()`. While a keyword-only parameter without a default is missing, it cannot be called.
 *
 * @template Call the call by position: `(query: string) => Promise<string[]>`
 * @template KeywordOnly the parameters that have to be given by name; those with a default are optional
 * @template Named the parameters of `Call` that can also be given by name
 */
export type PythonFunction<
  // oxlint-disable-next-line typescript/no-explicit-any -- a function of which nothing is known
  Call extends Signature = (...args: any[]) => any,
  KeywordOnly extends object = Anything<Call>,
  Named extends object = Nothing,
> = (Nothing extends KeywordOnly ? Call : unknown) & Bindable<Call, KeywordOnly, Named>

/** A Python class: its call makes an instance. */
export type PythonClass<
  // oxlint-disable-next-line typescript/no-explicit-any -- a class of which nothing is known
  Call extends Signature = (...args: any[]) => any,
  KeywordOnly extends object = Anything<Call>,
  Named extends object = Nothing,
> = PythonFunction<Call, KeywordOnly, Named>

/** What a generator of Python gives: its values as they come, or, awaited, an iterator of them. */
export type PythonIterator<Value> = Promise<AsyncIterableIterator<Value>> & AsyncIterable<Value>

declare const shape: unique symbol

/**
 * An instance of a class, which cannot be converted to data: a call that gives one is rejected. Ask for a handle of it:
 * `.ref(…)`.
 */
export interface StaysInPython<Shape> {
  readonly [shape]: Shape
}

/** An attribute of an object, or a constant of a module, that is no number and no short text: `await model.TABLE`. */
export type PythonAttribute<Value> = PromiseLike<Value>

/** What a handle hides. */
type Hidden = 'then' | 'toJSON' | 'close'

/** What the object has: methods to be called, attributes to be awaited. */
type Members<Shape> = unknown extends Shape
  ? // oxlint-disable-next-line typescript/no-explicit-any -- an object of which nothing is known
    Record<string, any>
  : Shape extends readonly unknown[]
    ? object
    : Shape extends object
      ? {
          readonly [Name in keyof Shape as Name extends Hidden ? never : Name]: Shape[Name] extends Signature
            ? Shape[Name]
            : PythonAttribute<Shape[Name]>
        }
      : object

/** A handle of an object that stays in Python, as `.ref(…)` gives it. */
// oxlint-disable-next-line typescript/no-explicit-any -- an object of which nothing is known
export type PythonHandle<Shape = any> = PythonObject &
  Members<Shape> & {
    readonly [shape]?: Shape
    /** Lets go of the object. */
    close(): void
    [Symbol.dispose](): void
    [Symbol.asyncIterator](): AsyncIterator<unknown, undefined>
  }

/** A dict whose keys are not all texts; one that is empty is an empty object. */
export type PythonMap<Key, Value> = Map<Key, Value> | Record<string, never>
