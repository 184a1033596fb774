// What stands for objects of Python's in JavaScript: functions, objects, modules, iterators.
import { checkCallOptions } from './options.js'
import { KIND, VALUE_KIND } from './protocol.js'
import { setTarget, targetOf, type Caller, type CallOptions, type Target } from './target.js'

/** What a function was given beside its arguments. */
interface Given {
  readonly keywords: object | undefined
  readonly options: CallOptions | undefined
}

const givens = new WeakMap<object, Given>()

type AnyFunction = (...args: unknown[]) => Promise<unknown>

/** So that the result of a generator can be iterated over at once. */
function iterableBy(iterator: () => AsyncIterator<unknown>, promise: Promise<unknown>): Promise<unknown> {
  ;(promise as Promise<unknown> & Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] = iterator
  return promise
}

function iterated({ member, name }: Target): (this: Promise<unknown>) => AsyncIterator<unknown> {
  return function (this: Promise<unknown>) {
    return iterateResult(this, member || name)
  }
}

// Of all functions that call Python, so that each is one closure.
const functionPrototype = Object.create(Function.prototype, {
  with: {
    value(this: AnyFunction, keywords?: object, options?: CallOptions): AnyFunction {
      const target = targetOf(this)!
      const given = givens.get(this)
      if (options !== undefined) {
        checkCallOptions(options)
      }
      return makeFunction(
        { ...target, keeps: this },
        {
          keywords: keywords === undefined ? given?.keywords : { ...given?.keywords, ...defined(keywords) },
          options: options ?? given?.options,
        },
      )
    },
  },
  ref: {
    value(this: AnyFunction, ...args: unknown[]): Promise<unknown> {
      const given = givens.get(this)
      return targetOf(this)!.owner.invoke(targetOf(this)!, args, given?.keywords, given?.options, true)
    },
  },
}) as object

/** Without what was left out by way of `undefined`. */
function defined(keywords: object): object {
  return Object.fromEntries(Object.entries(keywords).filter(([, value]) => value !== undefined))
}

/** A function that calls Python. */
export function makeFunction(target: Target, given?: Given): AnyFunction {
  let iterator: (() => AsyncIterator<unknown>) | undefined
  const call: AnyFunction = (...args) => {
    const promise = target.owner.invoke(target, args, given?.keywords, given?.options, false)
    return iterableBy((iterator ??= iterated(target)), promise)
  }
  Object.setPrototypeOf(call, functionPrototype)
  Object.defineProperty(call, 'name', { value: target.member || target.name, configurable: true })
  setTarget(call, target)
  if (given !== undefined) {
    givens.set(call, given)
  }
  return call
}

/** An attribute of which nothing is known: called it is a method, awaited its value. */
function makeMember(target: Target): AnyFunction {
  const member = makeFunction(target)
  // oxlint-disable-next-line unicorn/no-thenable -- its value is had by awaiting it
  Object.defineProperty(member, 'then', {
    value: (resolve: (value: unknown) => unknown, reject: (error: unknown) => unknown) =>
      target.owner.attribute(target).then(resolve, reject),
  })
  return member
}

/** A class: called it makes an instance, and it has class methods. */
export function makeClass(target: Target): AnyFunction {
  const owner = target.member === '' ? target.owner : new ClassCaller(target)
  const known = new Map<string, AnyFunction>()
  const proxy: AnyFunction = new Proxy(makeFunction(target), {
    get(object, name) {
      if (typeof name === 'symbol' || isHidden(name) || name in object) {
        return Reflect.get(object, name) as unknown
      }
      let member = known.get(name)
      if (member === undefined) {
        known.set(name, (member = makeMember({ ...target, owner, member: name, keeps: proxy })))
      }
      return member
    },
  })
  setTarget(proxy, target)
  return proxy
}

function refuse(): Promise<never> {
  return Promise.reject(new TypeError('That is no handle of a Python object.'))
}

/** Asks a class of a module about its members: the class has to be had first. */
class ClassCaller implements Caller {
  readonly #target: Target
  #own: Promise<Target> | undefined
  #handle: unknown

  constructor(target: Target) {
    this.#target = target
  }

  invoke(
    { member }: Target,
    args: readonly unknown[],
    keywords: object | undefined,
    options: CallOptions | undefined,
    byHandle: boolean,
  ): Promise<unknown> {
    const call = this.#class().then((own) => own.owner.invoke({ ...own, member }, args, keywords, options, byHandle))
    return Object.assign(call, { [Symbol.asyncIterator]: () => iterateResult(call, member) })
  }

  async attribute({ member }: Target): Promise<unknown> {
    const own = await this.#class()
    return own.owner.attribute({ ...own, member })
  }

  // Nothing else is asked of a member of a class.
  item = refuse
  iterate = refuse
  next = refuse
  endIterator = refuse
  release(): void {}

  /** Kept, so that it is asked for once. */
  #class(): Promise<Target> {
    const { owner } = this.#target
    this.#own ??= owner.attribute(this.#target).then((own) => {
      // A handle that nobody holds is released.
      this.#handle = own
      return targetOf(own as object)!
    })
    this.#own.catch(() => (this.#own = undefined))
    return this.#own
  }
}

/**
 * An object that stays in Python, as `fn.ref(…)` gives it.
 *
 * `handle.method(…)` calls a method, `await handle.name` gives an attribute, `for await` goes through what can be iterated
 * over. It is released by `using`, by `close()`, or when it is collected. `then`, `toJSON`, symbols and names with two
 * underscores are undefined on it; for those, for `close` and for items there are the functions of this class.
 */
// oxlint-disable-next-line typescript/no-extraneous-class -- handles are instances of it, whose own names are those of the object
export class PythonObject {
  /**
   * An attribute, whatever its name.
   *
   * @throws {PythonError} `AttributeError`, and what the attribute raises
   */
  static attribute(handle: object, name: string): Promise<unknown> {
    const target = targetOfHandle(handle)
    return target.owner.attribute({ ...target, member: name })
  }

  /**
   * An item: `handle[key]`.
   *
   * @throws {PythonError} `KeyError`, `IndexError`, `TypeError`, and what it raises
   */
  static item(handle: object, key: unknown): Promise<unknown> {
    const target = targetOfHandle(handle)
    return target.owner.item(target, key)
  }

  /**
   * Calls a method, whatever its name.
   *
   * @throws {PythonError} what it raises
   */
  static method(handle: object, name: string, ...args: unknown[]): Promise<unknown> {
    const target = targetOfHandle(handle)
    return makeFunction({ ...target, member: name })(...args)
  }

  /** Releases it. */
  static close(handle: object): void {
    const target = targetOfHandle(handle)
    target.owner.release(target.number)
  }
}

function targetOfHandle(handle: object): Target {
  const target = targetOf(handle)
  if (target === undefined) {
    throw new TypeError('That is no handle of a Python object.')
  }
  return target
}

const members = new WeakMap<object, Map<string, unknown>>()

function isHidden(name: string): boolean {
  return name === 'then' || name === 'toJSON' || (name.startsWith('__') && name.endsWith('__'))
}

const handleTraps: ProxyHandler<PythonObject> = {
  get(object, name, receiver) {
    const target = targetOf(object)!
    if (typeof name === 'symbol') {
      if (name === Symbol.dispose) {
        return () => target.owner.release(target.number)
      }
      if (name === Symbol.asyncIterator) {
        return () => iterate({ ...target, keeps: receiver as object })
      }
      return undefined
    }
    if (isHidden(name)) {
      return undefined
    }
    let known = members.get(object)
    if (known === undefined) {
      members.set(object, (known = new Map<string, unknown>()))
    }
    let member = known.get(name)
    if (member === undefined) {
      member =
        name === 'close'
          ? () => target.owner.release(target.number)
          : makeMember({ ...target, member: name, keeps: receiver as object })
      known.set(name, member)
    }
    return member
  },
  has: (_, name) => typeof name === 'string' && !isHidden(name),
  set: refuseChange,
  defineProperty: refuseChange,
  deleteProperty: refuseChange,
}

function refuseChange(): never {
  throw new TypeError('The attributes of a Python object are not set from JavaScript. Call a function that does it.')
}

/** The proxy for an object that stays in Python. */
export function makeHandle(target: Target): object {
  const object = new PythonObject()
  setTarget(object, target)
  const proxy = new Proxy(object, handleTraps)
  setTarget(proxy, target)
  return proxy
}

/** A name of a module: what kind it is, and its value if it was given at once. */
export type Names = ReadonlyMap<string, { readonly kind: number; readonly value?: unknown }>

function made(member: Target, kind: number): AnyFunction {
  if (kind === KIND.object) {
    return makeMember(member)
  }
  return kind === KIND.class ? makeClass(member) : makeFunction(member)
}

/** A module: its functions, classes and numbers; all else can be called, or awaited for its value. */
export function makeModule(target: Target, names: Names): object {
  const found = new Map<string, unknown>()
  const object = new PythonObject()
  const read = (name: string): unknown => {
    let value = found.get(name)
    if (value === undefined) {
      const entry = names.get(name)
      if (entry?.kind === VALUE_KIND) {
        return entry.value
      }
      const member = { ...target, member: name, kind: entry?.kind ?? KIND.object, keeps: proxy }
      value = made(member, entry?.kind ?? KIND.object)
      found.set(name, value)
    }
    return value
  }
  const proxy: object = new Proxy(object, {
    get: (_, name) => (typeof name === 'symbol' || isHidden(name) ? undefined : read(name)),
    has: (_, name) => typeof name === 'string' && names.has(name),
    ownKeys: () => [...names.keys()],
    getOwnPropertyDescriptor: (_, name) =>
      typeof name === 'string' && names.has(name)
        ? { value: read(name), enumerable: true, configurable: true, writable: false }
        : undefined,
    set: refuseChange,
    defineProperty: refuseChange,
    deleteProperty: refuseChange,
  })
  setTarget(object, target)
  setTarget(proxy, target)
  return proxy
}

/** What Python gives one by one. Leaving the iteration early closes the generator. */
export class PythonIterator implements AsyncIterator<unknown, undefined>, AsyncIterable<unknown> {
  readonly #target: Target
  #isOver = false

  constructor(target: Target) {
    this.#target = target
    setTarget(this, target)
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#isOver) {
      return { value: undefined, done: true }
    }
    let result: IteratorResult<unknown, undefined>
    try {
      result = await this.#target.owner.next(this.#target)
    } catch (error) {
      this.#end()
      throw error
    }
    if (result.done === true) {
      this.#end()
    }
    return result
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    if (!this.#isOver) {
      this.#isOver = true
      try {
        await this.#target.owner.endIterator(this.#target)
      } finally {
        this.#end()
      }
    }
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  #end(): void {
    this.#isOver = true
    this.#target.owner.release(this.#target.number)
  }
}

/** Goes through what a handle can be iterated over. */
async function* iterate(target: Target): AsyncGenerator<unknown, undefined> {
  const iterator = await target.owner.iterate(target)
  try {
    for (;;) {
      const { value, done } = await iterator.next()
      if (done === true) {
        return undefined
      }
      yield value
    }
  } finally {
    await iterator.return?.()
  }
}

/** The result of a call can be iterated over before it is there. */
async function* iterateResult(call: Promise<unknown>, name: string): AsyncGenerator<unknown, undefined> {
  const result = await call
  const iterable = result as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined
  const isIterable =
    typeof result === 'object' &&
    result !== null &&
    (result instanceof PythonObject ||
      typeof iterable?.[Symbol.asyncIterator] === 'function' ||
      typeof iterable?.[Symbol.iterator] === 'function')
  if (!isIterable) {
    throw new TypeError(`${name}() has given ${typeof result}, which cannot be iterated over.`)
  }
  yield* result as AsyncIterable<unknown>
  return undefined
}
