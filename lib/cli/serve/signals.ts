// The first SIGINT or SIGTERM, and what SIGHUP means.
import { isatty } from 'node:tty'

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

/**
 * Does something before a signal to end has its usual effect.
 *
 * @param last must be done when it returns: the process is no more thereafter
 */
export function beforeSignal(last: () => void): void {
  for (const ending of ENDING) {
    process.once(ending, () => {
      last()
      process.kill(process.pid, ending)
    })
  }
}

/**
 * SIGHUP means one of two things. Where the terminal is gone in which the process was started, it is to end. Otherwise
 * somebody has sent it, as one does to have a service reload.
 *
 * @param reload called each time it is sent
 * @returns resolves when the terminal is gone
 */
export function onHangUp(reload: () => void): Promise<void> {
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor))
  return new Promise((resolve) => {
    process.on('SIGHUP', () => {
      if (terminals.every((descriptor) => isatty(descriptor))) {
        reload()
        return
      }
      // Nobody reads any more, and that is no error.
      for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
      // Node would abort, for it cannot reset a terminal that is gone. Whoever waits sees what has ended the process.
      process.on('exit', () => {
        process.removeAllListeners('SIGHUP')
        process.kill(process.pid, 'SIGHUP')
      })
      resolve()
    })
  })
}
