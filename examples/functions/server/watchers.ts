/** Who waits for the outcome of which event. */
import type { Outcome, Watch } from './queue.js'

export class Watchers {
  readonly #waiting = new Map<string, Set<(outcome: Outcome) => void>>()

  watch(id: string): Watch {
    let tell: (outcome: Outcome) => void = () => {}
    const outcome = new Promise<Outcome>((resolve) => (tell = resolve))
    const all = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, all.add(tell))
    return {
      outcome,
      stop: () => {
        all.delete(tell)
        if (all.size === 0 && this.#waiting.get(id) === all) this.#waiting.delete(id)
      },
    }
  }

  tell(outcome: Outcome): void {
    for (const tell of this.#waiting.get(outcome.id) ?? []) tell(outcome)
    this.#waiting.delete(outcome.id)
  }
}
