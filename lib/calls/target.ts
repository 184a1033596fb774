// What stands behind what JavaScript has of Python.

/** How long a call may take, what gives it up, and what it gives away. */
export interface CallOptions {
  /** Aborting it cancels the task of an `async def`; what runs in a thread goes on, and nobody hears of it. */
  signal?: AbortSignal | undefined
  /**
   * Milliseconds.
   * @default none
   */
  timeout?: number | undefined
  /**
   * Memory of arguments that becomes Python's: JavaScript has it no more, as after `structuredClone` with `transfer`.
   * A typed array over it comes as a writable `memoryview` over the same memory, whatever its size. What JavaScript cannot
   * give away (shared, resizable, WebAssembly's, small Buffers of Node's pool) is copied, and stays.
   * @default none: all is copied
   */
  transfer?: readonly ArrayBuffer[] | undefined
}

/** Asks Python about objects of its own. */
export interface Caller {
  invoke(
    target: Target,
    args: readonly unknown[],
    keywords: object | undefined,
    options: CallOptions | undefined,
    byHandle: boolean,
  ): Promise<unknown>
  attribute(target: Target): Promise<unknown>
  item(target: Target, key: unknown): Promise<unknown>
  iterate(target: Target): Promise<AsyncIterator<unknown, undefined>>
  next(target: Target): Promise<IteratorResult<unknown, undefined>>
  endIterator(target: Target): Promise<unknown>
  release(number: number): void
}

/** What stands behind a proxy, or a function that calls Python. */
export interface Target {
  readonly owner: Caller
  /** The object's. */
  readonly number: number
  readonly kind: number
  readonly name: string
  /** The attribute of the object that is meant; empty for the object itself. */
  readonly member: string
  /** What the object would be released without: its proxy, for what was had from it. */
  readonly keeps?: object
}

const targets = new WeakMap<object, Target>()

/** Says what stands behind a proxy. */
export function setTarget(proxy: object, target: Target): void {
  targets.set(proxy, target)
}

/** What stands behind a value; `undefined` for one that is no proxy. */
export function targetOf(value: object): Target | undefined {
  return targets.get(value)
}
