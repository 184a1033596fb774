import { AmphisError } from './errors.js'

/** Counts what a handler's app has under way, requests and WebSockets together. */
export class ConcurrencyLimit {
  readonly #limit: number
  #count = 0

  /** @param limit `Infinity` for none */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether there is a place for one more. */
  get hasRoom(): boolean {
    return this.#count < this.#limit
  }

  /** Takes a place for one more; false when none is left. */
  enter(): boolean {
    if (!this.hasRoom) {
      return false
    }
    this.#count += 1
    return true
  }

  /** Gives the place back; once for each that was taken. */
  leave(): void {
    this.#count -= 1
  }

  /** What one is told for whom no place was left. */
  refusal(): AmphisError {
    return new AmphisError(
      'AMPHIS_ERR_OVERLOADED',
      `The app has as many requests and WebSockets under way as limitConcurrency allows (${this.#limit}). ` +
        'Try again later, or raise limitConcurrency.',
    )
  }
}
