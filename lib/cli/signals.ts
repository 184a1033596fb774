const ENDING = ['SIGINT', 'SIGTERM'] as const

/**
 * Resolves at the first signal to end. The next one is nobody's business any more: it ends the process at once, and the
 * shell sees 130 or 143.
 */
export function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const listener = (signal: NodeJS.Signals): void => {
      for (const ending of ENDING) process.removeListener(ending, listener)
      resolve(signal)
    }
    for (const ending of ENDING) process.on(ending, listener)
  })
}
