// One listener of a signal for all who wait for it: of more than ten Node.js warns as of a leak.

interface Shared {
  readonly listeners: Set<() => void>
  readonly listener: () => void
}

/** Kept at the signal: a WeakMap would cost more than all else here. */
const SHARED: unique symbol = Symbol('amphis.abortListeners')

type WatchedSignal = AbortSignal & { [SHARED]?: Shared | undefined }

/** Calls `listener` when `signal`, which is not aborted yet, is. */
export function onAbort(signal: WatchedSignal, listener: () => void): void {
  let all = signal[SHARED]
  if (all === undefined) {
    const listeners = new Set<() => void>()
    all = {
      listeners,
      listener() {
        signal[SHARED] = undefined
        for (const each of listeners) {
          each()
        }
      },
    }
    signal[SHARED] = all
    signal.addEventListener('abort', all.listener, { once: true })
  }
  all.listeners.add(listener)
}

/** Forgets it; nothing stays with a signal that nobody waits for. */
export function offAbort(signal: WatchedSignal, listener: () => void): void {
  const all = signal[SHARED]
  if (all?.listeners.delete(listener) === true && all.listeners.size === 0) {
    signal[SHARED] = undefined
    signal.removeEventListener('abort', all.listener)
  }
}
