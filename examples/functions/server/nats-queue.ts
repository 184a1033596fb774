/** The queue of several servers and machines: NATS JetStream. Events, outcomes and dead letters outlive every server. */
import {
  AckPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  type Consumer,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream'
import { connect, nanos, type NatsConnection } from '@nats-io/transport-node'
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

/** Milliseconds of one pull; a new one follows. */
const PULL = 20_000
/** Dead letters of a function that are shown, and kept. */
const MOST_DEAD = 1_000
const DEAD_AGE = 14 * 24 * 60 * 60_000

/** What settles a message, from any connection: where its acknowledgement goes, and its place in the stream. */
interface Receipt {
  ack: string
  sequence: number
}

const outcomeIn = (data: Uint8Array) => JSON.parse(Buffer.from(data).toString()) as Outcome

export class NatsQueue implements Queue {
  readonly name = 'nats'
  readonly #connection: NatsConnection
  readonly #prefix: string
  readonly #client: JetStreamClient
  readonly #manager: JetStreamManager
  readonly #watchers = new Watchers()
  readonly #consumers = new Map<string, Promise<Consumer>>()
  /** Pulls whose container has gone: the next one has what they bring. */
  readonly #orphans = new Map<string, Set<Promise<JsMsg | null>>>()
  #closed = false

  private constructor(connection: NatsConnection, manager: JetStreamManager, prefix: string) {
    this.#connection = connection
    this.#manager = manager
    this.#client = jetstream(connection)
    this.#prefix = prefix
  }

  /**
   * @param servers `127.0.0.1:4222`, several with commas between
   * @param prefix of streams and subjects: services of different prefixes do not know of each other
   */
  static async open(servers: string, prefix = 'functions'): Promise<NatsQueue> {
    const connection = await connect({
      servers: servers.split(','),
      maxReconnectAttempts: -1,
      name: 'amphis-functions',
    })
    const manager = await jetstreamManager(connection)
    const queue = new NatsQueue(connection, manager, prefix)
    const streams = manager.streams
    const ensure = async (config: Parameters<typeof streams.add>[0]) => {
      // Another server may add it at the same time.
      await streams.add(config).catch(async (error: unknown) => {
        await streams.info(config.name).catch(() => {
          throw error
        })
      })
    }
    await ensure({
      name: `${prefix}-events`,
      subjects: [`${prefix}.events.*`],
      retention: RetentionPolicy.Workqueue,
      duplicate_window: nanos(OUTCOME_AGE),
    })
    await ensure({
      name: `${prefix}-outcomes`,
      subjects: [`${prefix}.outcomes.*`],
      max_age: nanos(OUTCOME_AGE),
      max_msgs_per_subject: 1,
      allow_direct: true,
    })
    await ensure({
      name: `${prefix}-dead`,
      subjects: [`${prefix}.dead.*`],
      max_age: nanos(DEAD_AGE),
      max_msgs_per_subject: MOST_DEAD,
    })
    queue.#listen()
    return queue
  }

  #listen(): void {
    this.#connection.subscribe(`${this.#prefix}.outcomes.*`, {
      callback: (error, message) => {
        if (!error) this.#watchers.tell(outcomeIn(message.data))
      },
    })
  }

  async submit(job: Job): Promise<void> {
    const acknowledged = await this.#client.publish(`${this.#prefix}.events.${job.functionId}`, JSON.stringify(job), {
      msgID: job.id,
    })
    if (!acknowledged.duplicate) return
    const outcome = await this.outcome(job.id)
    if (outcome) this.#watchers.tell(outcome)
  }

  #consumer(functionId: string, lease: number): Promise<Consumer> {
    const known = this.#consumers.get(functionId)
    if (known) return known
    const made = (async () => {
      await this.#manager.consumers.add(`${this.#prefix}-events`, {
        durable_name: functionId,
        filter_subject: `${this.#prefix}.events.${functionId}`,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(lease),
        max_ack_pending: 10_000,
        // Who takes it counts the tries: what has had too many is buried, not forgotten.
        max_deliver: -1,
      })
      return this.#client.consumers.get(`${this.#prefix}-events`, functionId)
    })()
    this.#consumers.set(functionId, made)
    made.catch(() => this.#consumers.delete(functionId))
    return made
  }

  async take(functionId: string, lease: number, signal: AbortSignal): Promise<Lease | undefined> {
    const consumer = await this.#consumer(functionId, lease)
    const orphans = this.#orphans.get(functionId) ?? new Set()
    this.#orphans.set(functionId, orphans)
    const aborted = new Promise<'aborted'>((resolve) => {
      if (signal.aborted) resolve('aborted')
      signal.addEventListener('abort', () => resolve('aborted'), { once: true })
    })
    while (!signal.aborted && !this.#closed) {
      const [orphan] = orphans
      if (orphan) orphans.delete(orphan)
      const pull = orphan ?? consumer.next({ expires: PULL })
      const message = await Promise.race([pull, aborted])
      if (message === 'aborted') {
        this.#leave(orphans, pull)
        break
      }
      if (message) {
        const receipt: Receipt = { ack: (message as JsMsg & { reply: string }).reply, sequence: message.seq }
        return { job: message.json<Job>(), attempt: message.info.deliveryCount, receipt: JSON.stringify(receipt) }
      }
    }
    return undefined
  }

  /** A pull cannot be taken back: what it brings goes to the next who asks, or back to the queue. */
  #leave(orphans: Set<Promise<JsMsg | null>>, pull: Promise<JsMsg | null>): void {
    orphans.add(pull)
    pull
      .then((message) => {
        if (orphans.delete(pull)) message?.nak()
      })
      .catch(() => orphans.delete(pull))
  }

  async #keep(outcome: Outcome): Promise<void> {
    await this.#client.publish(`${this.#prefix}.outcomes.${outcome.id}`, JSON.stringify(outcome))
  }

  #acknowledge(receipt: string, word: '+ACK' | '-NAK'): void {
    this.#connection.publish((JSON.parse(receipt) as Receipt).ack, word)
  }

  async settle({ receipt }: { receipt: string }, outcome: Outcome): Promise<void> {
    await this.#keep(outcome)
    this.#acknowledge(receipt, '+ACK')
  }

  async retry({ receipt }: { receipt: string }): Promise<void> {
    this.#acknowledge(receipt, '-NAK')
  }

  async bury({ functionId, receipt }: { functionId: string; receipt: string }, outcome: Outcome): Promise<void> {
    const { sequence } = JSON.parse(receipt) as Receipt
    const message = await this.#manager.streams.getMessage(`${this.#prefix}-events`, { seq: sequence })
    // It was settled by another.
    if (!message) return
    const letter: DeadLetter = { job: message.json<Job>(), outcome }
    await this.#client.publish(`${this.#prefix}.dead.${functionId}`, JSON.stringify(letter), { msgID: outcome.id })
    await this.#keep(outcome)
    this.#acknowledge(receipt, '+ACK')
  }

  async outcome(id: string): Promise<Outcome | undefined> {
    const query = { last_by_subj: `${this.#prefix}.outcomes.${id}` }
    const message = await this.#manager.direct.getMessage(`${this.#prefix}-outcomes`, query)
    return message ? outcomeIn(message.data) : undefined
  }

  watch(id: string): Watch {
    return this.#watchers.watch(id)
  }

  async depth(functionId: string): Promise<Depth> {
    try {
      const { num_pending, num_ack_pending } = await this.#manager.consumers.info(`${this.#prefix}-events`, functionId)
      return { waiting: num_pending, leased: num_ack_pending }
    } catch {
      // Nobody has asked for its events yet.
      const subject = `${this.#prefix}.events.${functionId}`
      const { state } = await this.#manager.streams.info(`${this.#prefix}-events`, { subjects_filter: subject })
      return { waiting: state.subjects?.[subject] ?? 0, leased: 0 }
    }
  }

  async deadLetters(functionId: string): Promise<DeadLetter[]> {
    const filter = `${this.#prefix}.dead.${functionId}`
    const consumer = await this.#client.consumers.get(`${this.#prefix}-dead`, { filter_subjects: filter })
    const { num_pending } = await consumer.info()
    const letters: DeadLetter[] = []
    if (num_pending === 0) return letters
    for await (const message of await consumer.fetch({ max_messages: num_pending, expires: 2_000 })) {
      letters.push(message.json<DeadLetter>())
    }
    return letters
  }

  async forget(functionId: string): Promise<void> {
    this.#consumers.delete(functionId)
    this.#orphans.delete(functionId)
    await this.#manager.consumers.delete(`${this.#prefix}-events`, functionId).catch(() => {})
    await this.#manager.streams.purge(`${this.#prefix}-events`, { filter: `${this.#prefix}.events.${functionId}` })
    await this.#manager.streams.purge(`${this.#prefix}-dead`, { filter: `${this.#prefix}.dead.${functionId}` })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#connection.close()
  }
}
