import type { Loop } from './messages.js'

/** The time between an answer and the next ping, in milliseconds. */
const PAUSE = 1_000

/** Asks a worker again and again whether its two event loops turn. */
export class HealthCheck {
  readonly #timeout: number
  readonly #ping: () => void
  readonly #onSilence: (loop: Loop) => void
  #timer: NodeJS.Timeout | undefined
  #due = 0
  /** Who has not answered the last ping. */
  #missing: Loop | undefined

  /**
   * @param timeout how long the answer may take, in milliseconds; 0 for no check at all
   * @param ping sends the question, which Node's loop answers first, then Python's
   * @param onSilence told once which of them has not answered
   */
  constructor(timeout: number, ping: () => void, onSilence: (loop: Loop) => void) {
    this.#timeout = timeout
    this.#ping = ping
    this.#onSilence = onSilence
  }

  start(): void {
    if (this.#timeout > 0) this.#ask()
  }

  heard(loop: Loop): void {
    if (this.#missing === undefined) return
    if (loop === 'node') {
      this.#missing = 'python'
      return
    }
    this.#missing = undefined
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#ask, Math.min(PAUSE, this.#timeout))
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#missing = undefined
  }

  readonly #ask = (): void => {
    this.#missing = 'node'
    this.#ping()
    this.#due = performance.now() + this.#timeout
    this.#timer = setTimeout(this.#onTimeout, this.#timeout)
  }

  readonly #onTimeout = (): void => {
    // Timers come before what has arrived meanwhile: it is read first.
    setImmediate(() => setImmediate(this.#judge))
  }

  readonly #judge = (): void => {
    if (this.#missing === undefined) return
    // This process was itself held up (suspended, say), and so may the other have been: it gets its time again.
    if (performance.now() - this.#due > this.#timeout) {
      this.#ask()
      return
    }
    const silent = this.#missing
    this.stop()
    this.#onSilence(silent)
  }
}
