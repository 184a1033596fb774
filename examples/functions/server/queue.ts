/** What carries events to containers, at least once: an event that nobody settles in time is given out again. */

export interface Job {
  id: string
  functionId: string
  /** JSON. */
  payload: string
  /** An asynchronous event is tried again when it fails; of a synchronous one the error is the answer. */
  mode: 'sync' | 'async'
  /** Milliseconds since 1970. */
  queuedAt: number
  /** Milliseconds for which a container has it for itself. */
  lease: number
}

/** A job that was given out. */
export interface Lease {
  job: Job
  /** 1 for the first. */
  attempt: number
  /** What settles it, from any process that has the queue. */
  receipt: string
}

export interface Outcome {
  id: string
  functionId: string
  status: 'ok' | 'error'
  /** JSON: what the function returned, or its error. */
  body: string
  attempts: number
  queuedAt: number
  endedAt: number
  instance: string
  dead: boolean
}

export interface DeadLetter {
  job: Job
  outcome: Outcome
}

export interface Depth {
  waiting: number
  leased: number
}

export interface Watch {
  outcome: Promise<Outcome>
  stop(): void
}

export interface Queue {
  readonly name: string
  /** A second job of the same id is the first. */
  submit(job: Job): Promise<void>
  /** The next job of a function; undefined when the signal is aborted first. */
  take(functionId: string, lease: number, signal: AbortSignal): Promise<Lease | undefined>
  /** The outcome is kept for a quarter of an hour, the job is done. */
  settle(lease: { functionId: string; receipt: string }, outcome: Outcome): Promise<void>
  /** Back to the queue, at once. */
  retry(lease: { functionId: string; receipt: string }): Promise<void>
  /** Settled, and kept among the dead letters. */
  bury(lease: { functionId: string; receipt: string }, outcome: Outcome): Promise<void>
  outcome(id: string): Promise<Outcome | undefined>
  /** Before the job is submitted, so that nothing is missed. */
  watch(id: string): Watch
  depth(functionId: string): Promise<Depth>
  deadLetters(functionId: string): Promise<DeadLetter[]>
  /** Forgets a function and its jobs. */
  forget(functionId: string): Promise<void>
  close(): Promise<void>
}

/** Milliseconds that outcomes are kept. */
export const OUTCOME_AGE = 15 * 60_000
