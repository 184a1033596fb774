/** What becomes of an event: answers, errors, tries, dead letters. The same with every queue. */
import { randomUUID } from 'node:crypto'
import { ProblemError } from './problem.js'
import type { Outcome, Queue, Watch } from './queue.js'
import type { Bearer, Receipt, Tokens } from './tokens.js'
import type { FunctionRecord } from './types.js'

/** Bytes of a payload and of an answer: what NATS carries by default is 1 MiB. */
export const MAX_EVENT = 768 * 1024
/** Milliseconds beyond a function's timeout in which its container has answered, or will not. */
const GRACE = 5_000

export interface Given {
  requestId: string
  payload: string
  attempt: number
  timeout: number
  receipt: string
}

/** Errors after which another container may well succeed: none of them is the handler's own answer. */
const LOST = new Set(['Function.Exited'])

export class Events {
  readonly queue: Queue
  readonly #tokens: Tokens
  readonly #tries: number
  /** Receipts by instance: given back when it is gone. */
  readonly #given = new Map<string, Map<string, Receipt>>()

  constructor(queue: Queue, tokens: Tokens, tries: number) {
    this.queue = queue
    this.#tokens = tokens
    this.#tries = tries
  }

  /** Submits an event, and watches for its outcome. */
  async submit(
    record: FunctionRecord,
    payload: string,
    mode: 'sync' | 'async',
    id: string = randomUUID(),
  ): Promise<{ id: string; watch: Watch }> {
    const watch = this.queue.watch(id)
    try {
      const lease = record.timeout + GRACE
      await this.queue.submit({ id, functionId: record.id, payload, mode, queuedAt: Date.now(), lease })
    } catch (error) {
      watch.stop()
      throw error
    }
    return { id, watch }
  }

  /** The next event for a container; undefined when there is none in time. */
  async next(record: FunctionRecord, bearer: Bearer, signal: AbortSignal): Promise<Given | undefined> {
    for (;;) {
      const lease = await this.queue.take(record.id, record.timeout + GRACE, signal)
      if (!lease) return undefined
      const { job, attempt } = lease
      const receipt: Receipt = {
        e: job.id,
        f: record.id,
        i: bearer.instanceId,
        n: attempt,
        mode: job.mode,
        queuedAt: job.queuedAt,
        q: lease.receipt,
      }
      if (signal.aborted) {
        await this.queue.retry({ functionId: record.id, receipt: lease.receipt })
        return undefined
      }
      if (attempt > this.#tries) {
        const error = {
          errorType: 'Event.Lost',
          errorMessage: `no container answered in ${this.#tries} tries`,
          stackTrace: [],
        }
        const outcome = this.#outcome({ ...receipt, n: this.#tries }, 'error', JSON.stringify(error), true)
        await this.queue.bury({ functionId: record.id, receipt: lease.receipt }, outcome)
        continue
      }
      const given = this.#given.get(bearer.instanceId) ?? new Map<string, Receipt>()
      this.#given.set(bearer.instanceId, given.set(job.id, receipt))
      return {
        requestId: job.id,
        payload: job.payload,
        attempt,
        timeout: record.timeout,
        receipt: this.#tokens.receiptOf(receipt),
      }
    }
  }

  /** The receipt of an event that this container was given; a `ProblemError` for all others. */
  receipt(bearer: Bearer, requestId: string, sealed: string | undefined): Receipt {
    const receipt = sealed === undefined ? undefined : this.#tokens.receipt(sealed)
    const isOwn = receipt?.e === requestId && receipt.f === bearer.functionId && receipt.i === bearer.instanceId
    if (!receipt || !isOwn) throw new ProblemError(403, 'foreign-event', 'this container was not given that event')
    return receipt
  }

  async respond(receipt: Receipt, body: string): Promise<void> {
    this.#forget(receipt)
    await this.queue.settle({ functionId: receipt.f, receipt: receipt.q }, this.#outcome(receipt, 'ok', body, false))
  }

  async fail(receipt: Receipt, body: string): Promise<void> {
    this.#forget(receipt)
    const lease = { functionId: receipt.f, receipt: receipt.q }
    const { errorType } = JSON.parse(body) as { errorType?: string }
    const again = receipt.mode === 'async' || LOST.has(String(errorType))
    if (again && receipt.n < this.#tries) return this.queue.retry(lease)
    const outcome = this.#outcome(receipt, 'error', body, again)
    return again ? this.queue.bury(lease, outcome) : this.queue.settle(lease, outcome)
  }

  /** An error that trying again would not change. */
  async respondError(receipt: Receipt, body: string): Promise<void> {
    this.#forget(receipt)
    await this.queue.settle({ functionId: receipt.f, receipt: receipt.q }, this.#outcome(receipt, 'error', body, false))
  }

  /** An instance is gone: what it had goes to others, at once. */
  async release(instanceId: string): Promise<void> {
    const receipts = this.#given.get(instanceId)
    this.#given.delete(instanceId)
    for (const { f, q } of receipts?.values() ?? []) await this.queue.retry({ functionId: f, receipt: q })
  }

  #forget(receipt: Receipt): void {
    const given = this.#given.get(receipt.i)
    given?.delete(receipt.e)
    if (given?.size === 0) this.#given.delete(receipt.i)
  }

  #outcome(receipt: Receipt, status: Outcome['status'], body: string, dead: boolean): Outcome {
    const { e, f, n, queuedAt, i } = receipt
    return { id: e, functionId: f, status, body, attempts: n, queuedAt, endedAt: Date.now(), instance: i, dead }
  }
}
