// One listener of a signal for all who wait for it: of more than ten Node.js warns as of a leak.

interface Shared {
  readonly listeners: Set<() => void>
  readonly listener: () => void
}

const shared = new WeakMap<AbortSignal, Shared>()

/** Calls `listener` when `signal`, which is not aborted yet, is. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  let all = shared.get(signal)
  if (all === undefined) {
    const listeners = new Set<() => void>()
    all = {
      listeners,
      listener() {
        shared.delete(signal)
        for (const each of listeners) {
          each()
        }
      },
    }
    shared.set(signal, all)
    signal.addEventListener('abort', all.listener, { once: true })
  }
  all.listeners.add(listener)
}

/** Forgets it; nothing stays with a signal that nobody waits for. */
export function offAbort(signal: AbortSignal, listener: () => void): void {
  const all = shared.get(signal)
  if (all?.listeners.delete(listener) === true && all.listeners.size === 0) {
    shared.delete(signal)
    signal.removeEventListener('abort', all.listener)
  }
}
