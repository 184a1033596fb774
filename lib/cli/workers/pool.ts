// Keeps so many workers serving: start, restart, reload, stop.
import { ServeError } from '../errors/serve-error.js'
import { BackOff } from './back-off.js'
import { lastWords } from './last-words.js'
import type { Start, Worker } from './worker.js'

/** Who is told what happens. */
export interface PoolLog {
  info(message: string): void
  warn(message: string): void
  /** Why a worker did not start, or how it failed. */
  failure(error: Error): void
}

/** The place of one worker: whoever is there is replaced when it ends. */
class Slot {
  readonly number: number
  readonly backOff = new BackOff()
  /** Who serves here, or is starting to. */
  worker: Worker | undefined
  /** Who is to take its place and is still starting. */
  successor: Worker | undefined
  /** Runs until the next try. */
  timer: NodeJS.Timeout | undefined
  /** Resolves when a worker of this place has begun to serve. */
  readonly ready: Promise<void>
  onReady: () => void = () => {}

  constructor(number: number) {
    this.number = number
    this.ready = new Promise((resolve) => (this.onReady = resolve))
  }
}

/** Keeps so many workers serving. */
export class WorkerPool {
  readonly #make: (number: number) => Worker
  readonly #log: PoolLog
  readonly #slots: Slot[] = []
  /** Those that were replaced, and are on their way out. */
  readonly #leaving = new Set<Worker>()
  /** Changes of who serves, one after the other; the first waits until it is certain that the app can be served. */
  #changes: Promise<void>
  #onCertain: () => void = () => {}
  #isStopping = false
  #failure: Error | undefined

  constructor(make: (number: number) => Worker, log: PoolLog) {
    this.#make = make
    this.#log = log
    this.#changes = new Promise((resolve) => (this.#onCertain = resolve))
  }

  /**
   * Starts so many workers at once. Whether the app can be served at all is for the first of them to say: when it does
   * not start, all end.
   *
   * @returns how the first one started, once all serve; undefined when they were told to stop before
   * @throws what kept the first one from starting
   */
  async start(count: number): Promise<Exclude<Start, 'failed'> | undefined> {
    for (let number = 1; number <= count; number++) {
      const slot = new Slot(number)
      slot.worker = this.#make(number)
      this.#slots.push(slot)
    }
    const [{ worker: first } = {}] = this.#slots
    const start = await first?.started
    if (this.#isStopping || first === undefined || start === undefined) return undefined
    if (start === 'failed') {
      const end = await first.ended
      // What the others say is the same, or of no interest.
      await this.stop().catch(() => {})
      throw end.error ?? new ServeError(`Worker 1 did not start: it ${lastWords(end)}.`)
    }
    for (const slot of this.#slots) {
      if (slot.worker !== undefined) this.#watch(slot, slot.worker)
    }
    this.#onCertain()
    await Promise.all(this.#slots.map(({ ready }) => ready))
    return this.#isStopping ? undefined : start
  }

  /** Replaces the workers by new ones, one at a time, each as soon as the new one serves. */
  reload(): void {
    // One that is still starting for an earlier reload has the old code.
    for (const { successor } of this.#slots) successor?.kill()
    this.#change(async () => {
      this.#log.info('Reloading: each worker is replaced as soon as a new one serves.')
      for (const slot of this.#slots) {
        if (this.#isStopping) return
        if (!(await this.#replace(slot))) {
          if (!this.#isStopping) this.#log.warn('The workers that serve stay. Mend the app, and reload once more.')
          return
        }
      }
      this.#log.info('Reloaded.')
    })
  }

  /** One worker more. */
  grow(): void {
    this.#change(async () => {
      if (this.#isStopping) return
      const slot = new Slot(this.#slots.length + 1)
      this.#slots.push(slot)
      this.#log.info(`Now ${this.#slots.length} workers.`)
      this.#launch(slot)
    })
  }

  /** One worker less; the last one stays. */
  shrink(): void {
    this.#change(async () => {
      if (this.#isStopping) return
      if (this.#slots.length === 1) {
        this.#log.warn('The last worker stays. End all with SIGTERM.')
        return
      }
      const slot = this.#slots.pop()
      this.#log.info(`Now ${this.#slots.length} ${this.#slots.length === 1 ? 'worker' : 'workers'}.`)
      if (slot === undefined) return
      slot.onReady()
      clearTimeout(slot.timer)
      await this.#dismiss(slot.worker)
    })
  }

  /**
   * Ends all workers in good order.
   *
   * @throws what went wrong in the end of one
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    for (const slot of this.#slots) {
      clearTimeout(slot.timer)
      slot.onReady()
    }
    await Promise.all(
      this.#workers().map(async (worker) => {
        worker.end(false)
        const { error } = await worker.ended
        this.#failure ??= error
      }),
    )
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Ends all workers at once. */
  kill(): void {
    this.#isStopping = true
    for (const worker of this.#workers()) worker.kill()
  }

  #workers(): Worker[] {
    const present = this.#slots.flatMap(({ worker, successor }) => [worker, successor])
    return [...present, ...this.#leaving].filter((worker) => worker !== undefined)
  }

  #change(how: () => Promise<void>): void {
    this.#changes = this.#changes.then(how)
  }

  #launch(slot: Slot): void {
    slot.worker = this.#make(slot.number)
    this.#watch(slot, slot.worker)
  }

  /** Sees to it that whoever ends unasked is replaced. */
  #watch(slot: Slot, worker: Worker): void {
    void worker.worn.then(() => this.#replaceWorn(slot, worker))
    void worker.started.then((start) => {
      if (start !== 'failed') slot.onReady()
    })
    void worker.ended.then((end) => {
      if (slot.worker !== worker || this.#isStopping || !this.#slots.includes(slot)) return
      slot.worker = undefined
      const wait = slot.backOff.failed(end.servedFor)
      if (end.error !== undefined) this.#log.failure(end.error)
      const who = `Worker ${slot.number} (process ${worker.pid})`
      this.#log.warn(`${who} ${end.servedFor === 0 ? 'did not start: it ' : ''}${lastWords(end)}. ${whenNext(wait)}`)
      slot.timer = setTimeout(() => this.#launch(slot), wait)
    })
  }

  /** Puts a new worker in place of the one there is; false when it did not start, or came too late. */
  async #replace(slot: Slot): Promise<boolean> {
    const successor = this.#make(slot.number)
    slot.successor = successor
    const start = await successor.started
    slot.successor = undefined
    if (this.#isStopping) return false
    if (start === 'failed') {
      const end = await successor.ended
      if (end.error !== undefined) this.#log.failure(end.error)
      this.#log.warn(`A new worker ${slot.number} (process ${successor.pid}) did not start: it ${lastWords(end)}.`)
      return false
    }
    clearTimeout(slot.timer)
    const { worker: old } = slot
    slot.worker = successor
    this.#watch(slot, successor)
    await this.#dismiss(old)
    return true
  }

  /** Ends a worker in whose place another serves, or none is to. */
  async #dismiss(worker: Worker | undefined): Promise<void> {
    if (worker === undefined) return
    this.#leaving.add(worker)
    worker.end(true)
    const end = await worker.ended
    this.#leaving.delete(worker)
    // When all are stopped together it is told there.
    if (end.error !== undefined && !this.#isStopping) this.#log.failure(end.error)
  }

  #replaceWorn(slot: Slot, worker: Worker): void {
    this.#change(async () => {
      if (this.#isStopping || slot.worker !== worker) return
      this.#log.info(`Worker ${slot.number} (process ${worker.pid}) has served its requests and is replaced.`)
      if ((await this.#replace(slot)) || this.#isStopping) return
      const wait = slot.backOff.failed(0)
      this.#log.warn(`It goes on. ${whenNext(wait)}`)
      slot.timer = setTimeout(() => this.#replaceWorn(slot, worker), wait)
    })
  }
}

function whenNext(wait: number): string {
  return wait === 0 ? 'A new one starts now.' : `The next try is in ${wait / 1000} s.`
}
