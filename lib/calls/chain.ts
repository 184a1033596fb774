// Which call of Python's a call of JavaScript's has come from.
import { AsyncLocalStorage } from 'node:async_hooks'

const CHAIN: unique symbol = Symbol.for('amphis.chain')

// One for all copies of this package in this environment, made when a thread of Python's first blocks: up to Node.js 22 it
// costs each promise of the process a little.
const shared = globalThis as { [CHAIN]?: AsyncLocalStorage<number> }

/** Runs what a blocked thread of Python's has called. */
export function withinChain<T>(call: number, run: () => T): T {
  const storage = (shared[CHAIN] ??= new AsyncLocalStorage<number>())
  return storage.run(call, run)
}

/** The call of a thread that may be blocked in it; 0 for none. */
export function chainOf(): number {
  return shared[CHAIN]?.getStore() ?? 0
}
