// Which call of Python's a call of JavaScript's has come from.
import { AsyncLocalStorage } from 'node:async_hooks'

// Made when a thread of Python's first blocks: up to Node.js 22 it costs each promise of the process a little.
let storage: AsyncLocalStorage<number> | undefined

/** Runs what a blocked thread of Python's has called. */
export function withinChain<T>(call: number, run: () => T): T {
  storage ??= new AsyncLocalStorage<number>()
  return storage.run(call, run)
}

/** The call of a thread that may be blocked in it; 0 for none. */
export function chainOf(): number {
  return storage === undefined ? 0 : (storage.getStore() ?? 0)
}
