// The signal of the call of Python's that runs.

const CALL: unique symbol = Symbol.for('amphis.call')

/** A call of Python's that is under way. */
export interface Invocation {
  controller: AbortController | undefined
  isAborted: boolean
}

// One for all copies of this package in this environment.
const shared = globalThis as { [CALL]?: { current: Invocation | undefined } }
const scope = (shared[CALL] ??= { current: undefined })

/** Runs the synchronous part of what Python has called. */
export function within<T>(invocation: Invocation, run: () => T): T {
  const outer = scope.current
  scope.current = invocation
  try {
    return run()
  } finally {
    scope.current = outer
  }
}

/** Python does not wait for it any more. */
export function abort(invocation: Invocation): void {
  invocation.isAborted = true
  invocation.controller?.abort(new DOMException('Python does not wait for this call any more.', 'AbortError'))
}

/**
 * The signal of the call by which Python has called this function: it is aborted when the task in Python is cancelled,
 * or its time is over. To be asked for at the beginning of the function, before its first `await`.
 *
 * @returns a signal that is never aborted where JavaScript has called the function
 */
export function callSignal(): AbortSignal {
  const { current } = scope
  if (current === undefined) {
    return new AbortController().signal
  }
  current.controller ??= new AbortController()
  return current.controller.signal
}
