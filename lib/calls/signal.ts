// The signal of the call of Python's that runs.

/** A call of Python's that is under way. */
export interface Invocation {
  controller: AbortController | undefined
  isAborted: boolean
}

let current: Invocation | undefined

/** Runs the synchronous part of what Python has called. */
export function within<T>(invocation: Invocation, run: () => T): T {
  const outer = current
  current = invocation
  try {
    return run()
  } finally {
    current = outer
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
  if (current === undefined) {
    return new AbortController().signal
  }
  current.controller ??= new AbortController()
  return current.controller.signal
}
