/** The queue of one process: nothing to install, and gone with it. */
import {
  OUTCOME_AGE,
  type DeadLetter,
  type Depth,
  type Job,
  type Lease,
  type Outcome,
  type Queue,
  type Watch,
} from './queue.js'
import { Watchers } from './watchers.js'

/** Outcomes that are kept at most, and dead letters of a function. */
const MOST_OUTCOMES = 50_000
const MOST_DEAD = 1_000

interface Entry {
  job: Job
  attempt: number
  timer?: ReturnType<typeof setTimeout>
}

interface Lane {
  waiting: Entry[]
  /** By event id. */
  leased: Map<string, Entry>
  takers: Set<() => void>
  dead: DeadLetter[]
}

export class MemoryQueue implements Queue {
  readonly name = 'memory'
  readonly #lanes = new Map<string, Lane>()
  readonly #outcomes = new Map<string, Outcome>()
  readonly #known = new Set<string>()
  readonly #watchers = new Watchers()

  #lane(functionId: string): Lane {
    const lane = this.#lanes.get(functionId) ?? { waiting: [], leased: new Map(), takers: new Set(), dead: [] }
    this.#lanes.set(functionId, lane)
    return lane
  }

  async submit(job: Job): Promise<void> {
    const outcome = this.#outcomes.get(job.id)
    if (outcome) this.#watchers.tell(outcome)
    if (this.#known.has(job.id)) return
    this.#known.add(job.id)
    const lane = this.#lane(job.functionId)
    lane.waiting.push({ job, attempt: 0 })
    this.#wake(lane)
  }

  #wake(lane: Lane): void {
    const [taker] = lane.takers
    if (taker && lane.waiting.length > 0) taker()
  }

  async take(functionId: string, lease: number, signal: AbortSignal): Promise<Lease | undefined> {
    const lane = this.#lane(functionId)
    for (;;) {
      if (signal.aborted) {
        this.#wake(lane)
        return undefined
      }
      const entry = lane.waiting.shift()
      if (entry) return this.#give(lane, entry, lease)
      await new Promise<void>((resolve) => {
        const done = () => {
          lane.takers.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        lane.takers.add(done)
        signal.addEventListener('abort', done)
      })
    }
  }

  #give(lane: Lane, entry: Entry, lease: number): Lease {
    entry.attempt += 1
    const receipt = `${entry.job.id} ${entry.attempt}`
    entry.timer = setTimeout(() => void this.retry({ functionId: entry.job.functionId, receipt }), lease)
    entry.timer.unref()
    lane.leased.set(entry.job.id, entry)
    return { job: entry.job, attempt: entry.attempt, receipt }
  }

  /** The entry of a receipt, taken out of the lane; late answers find it where it waits again. */
  #end(functionId: string, receipt: string): { lane: Lane; entry: Entry | undefined } {
    const lane = this.#lane(functionId)
    const id = receipt.split(' ')[0]!
    const entry = lane.leased.get(id) ?? lane.waiting.find(({ job }) => job.id === id)
    if (entry) {
      clearTimeout(entry.timer)
      lane.leased.delete(id)
      lane.waiting = lane.waiting.filter((other) => other !== entry)
    }
    return { lane, entry }
  }

  async settle({ functionId, receipt }: { functionId: string; receipt: string }, outcome: Outcome): Promise<void> {
    const { entry } = this.#end(functionId, receipt)
    if (entry) this.#keep(outcome)
  }

  #keep(outcome: Outcome): void {
    this.#outcomes.set(outcome.id, outcome)
    this.#watchers.tell(outcome)
    for (const [id, { endedAt }] of this.#outcomes) {
      if (this.#outcomes.size <= MOST_OUTCOMES && Date.now() - endedAt < OUTCOME_AGE) break
      this.#outcomes.delete(id)
      this.#known.delete(id)
    }
  }

  async retry({ functionId, receipt }: { functionId: string; receipt: string }): Promise<void> {
    const lane = this.#lane(functionId)
    const [id = '', attempt] = receipt.split(' ')
    const entry = lane.leased.get(id)
    if (!entry || String(entry.attempt) !== attempt) return
    clearTimeout(entry.timer)
    lane.leased.delete(id)
    lane.waiting.unshift(entry)
    this.#wake(lane)
  }

  async bury({ functionId, receipt }: { functionId: string; receipt: string }, outcome: Outcome): Promise<void> {
    const { lane, entry } = this.#end(functionId, receipt)
    if (!entry) return
    lane.dead.push({ job: entry.job, outcome })
    if (lane.dead.length > MOST_DEAD) lane.dead.shift()
    this.#keep(outcome)
  }

  async outcome(id: string): Promise<Outcome | undefined> {
    return this.#outcomes.get(id)
  }

  watch(id: string): Watch {
    return this.#watchers.watch(id)
  }

  async depth(functionId: string): Promise<Depth> {
    const { waiting, leased } = this.#lane(functionId)
    return { waiting: waiting.length, leased: leased.size }
  }

  async deadLetters(functionId: string): Promise<DeadLetter[]> {
    return this.#lane(functionId).dead
  }

  async forget(functionId: string): Promise<void> {
    const { leased, takers } = this.#lane(functionId)
    for (const { timer } of leased.values()) clearTimeout(timer)
    this.#lanes.delete(functionId)
    for (const taker of takers) taker()
  }

  async close(): Promise<void> {
    for (const functionId of this.#lanes.keys()) await this.forget(functionId)
  }
}
