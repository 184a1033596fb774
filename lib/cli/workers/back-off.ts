// How long to wait before a worker is started again.

/** The wait before the second restart in a row, in milliseconds; each next one is twice as long. */
export const FIRST_WAIT = 1_000

/** The longest wait, in milliseconds. */
export const LONGEST_WAIT = 30_000

/** After so long without a failure what was before is forgotten, in milliseconds. */
export const HEALTHY_TIME = 60_000

/** When to start a worker again that has failed: at once, then after 1, 2, 4, 8, 16 and at most 30 seconds. */
export class BackOff {
  #failures = 0

  /** How often it has failed since it was last healthy. */
  get failures(): number {
    return this.#failures
  }

  /**
   * Counts a failure.
   *
   * @param servedFor how long the worker had served, in milliseconds; 0 when it did not start
   * @returns how long to wait before the next try, in milliseconds
   */
  failed(servedFor: number): number {
    if (servedFor >= HEALTHY_TIME) this.#failures = 0
    const wait = this.#failures === 0 ? 0 : FIRST_WAIT * 2 ** (this.#failures - 1)
    this.#failures += 1
    return Math.min(wait, LONGEST_WAIT)
  }
}
