/** Functions from their deployment to their removal: builds, instances, and how many of them. */
import { randomBytes } from 'node:crypto'
import type { Events } from './events.js'
import { ProblemError } from './problem.js'
import type { Store } from './store.js'
import type { Bearer, Tokens } from './tokens.js'
import type { CodeFiles, Engine, FunctionRecord, FunctionSpec, Instance } from './types.js'

export interface ServiceOptions {
  /** Milliseconds without an event after which a function has no more than its `minReplicas`. Default 60,000. */
  idle: number
  /** Milliseconds between two looks at queues and instances. Default 500. */
  pace: number
}

/** Milliseconds that a first instance may take until it asks for an event. */
const START = 60_000

/** Milliseconds after which nobody builds a function any more: its server was killed. */
const LONGEST_BUILD = 15 * 60_000

const isAbandoned = ({ state, updatedAt }: FunctionRecord) =>
  state === 'building' && Date.now() - updatedAt > LONGEST_BUILD

const fresh = (kind: string) => `${kind}-${randomBytes(8).toString('hex')}`

export class Service {
  readonly store: Store
  readonly events: Events
  readonly engine: Engine
  readonly #tokens: Tokens
  readonly #options: ServiceOptions
  readonly #report: (error: unknown) => void
  readonly #usedAt = new Map<string, number>()
  readonly #seen = new Set<string>()
  readonly #waiting = new Map<string, () => void>()
  /** Functions that are being deployed or removed by this server. */
  readonly #changing = new Set<string>()
  /** Functions that had an instance at the last look. */
  #active = new Set<string>()
  /** One change of a function's instances at a time. */
  readonly #scaling = new Map<string, Promise<void>>()
  readonly #opening: (functionId: string) => Promise<void>
  readonly #closing: (functionId: string) => Promise<void>
  #timer: ReturnType<typeof setTimeout> | undefined
  #closed = false

  constructor(
    parts: {
      store: Store
      events: Events
      engine: Engine
      tokens: Tokens
      /** Before a function's first instance starts, and when it is removed. */
      open: (functionId: string) => Promise<void>
      shut: (functionId: string) => Promise<void>
      report: (error: unknown) => void
    },
    options: ServiceOptions,
  ) {
    this.store = parts.store
    this.events = parts.events
    this.engine = parts.engine
    this.#tokens = parts.tokens
    this.#opening = parts.open
    this.#closing = parts.shut
    this.#report = parts.report
    this.#options = options
  }

  /** Finds again what an earlier server has left: instances go on, those of nobody are removed. */
  async reconcile(): Promise<void> {
    const records = new Map((await this.store.all()).map((record) => [record.id, record]))
    for (const instance of await this.engine.list()) {
      const record = records.get(instance.functionId)
      if (record?.version !== instance.version) await this.engine.remove(instance.id)
    }
    for (const record of records.values()) {
      // Another server may be building it; after so long whoever was is gone.
      if (isAbandoned(record)) await this.store.remove(record.id)
      else if (record.state === 'ready') {
        await this.#opening(record.id)
        this.#usedAt.set(record.id, Date.now())
      }
    }
    this.#look()
  }

  #look(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.scaleAll()
        .catch(this.#report)
        .finally(() => this.#look())
    }, this.#options.pace)
  }

  async scaleAll(): Promise<void> {
    const instances = await this.engine.list()
    // Read after them: whose function has no record, or a newer one, is of one that was removed or replaced meanwhile.
    const records = await this.store.all()
    await this.#sweep(instances, new Map(records.map((record) => [record.id, record])))
    this.#active = new Set(instances.filter(({ running }) => running).map(({ functionId }) => functionId))
    for (const instance of instances) if (!instance.running) await this.events.release(instance.id)
    for (const record of records) if (record.state === 'ready') await this.scale(record)
  }

  /** Removes what is left here of functions that another server has removed or replaced. */
  async #sweep(instances: readonly Instance[], records: ReadonlyMap<string, FunctionRecord>): Promise<void> {
    for (const { id, functionId, version, image } of instances) {
      const record = records.get(functionId)
      // The older one serves until the new one does: whoever has deployed that sees to it sooner.
      const isWanted = record && (record.version <= version || Date.now() - record.updatedAt < START)
      if (isWanted || this.#changing.has(functionId)) continue
      await this.engine.remove(id)
      if (!record) await this.#closing(functionId)
      await this.engine.removeImage(image).catch(this.#report)
    }
  }

  /** An instance has asked for an event. */
  seen({ instanceId }: Bearer): void {
    if (this.#seen.has(instanceId)) return
    this.#seen.add(instanceId)
    this.#waiting.get(instanceId)?.()
  }

  async find(which: string): Promise<FunctionRecord> {
    const record = await this.store.find(which)
    if (!record) throw new ProblemError(404, 'no-function', `there is no function ${JSON.stringify(which)}`)
    return record
  }

  async instances(record: FunctionRecord): Promise<Instance[]> {
    return (await this.engine.list()).filter(({ functionId }) => functionId === record.id)
  }

  async deploy(
    spec: FunctionSpec,
    code: CodeFiles,
    replace: boolean,
    progress: (line: string) => void,
  ): Promise<FunctionRecord> {
    const now = Date.now()
    const old = await this.store.find(spec.name)
    if (old && !replace) {
      throw new ProblemError(
        409,
        'name-taken',
        `there is a function ${JSON.stringify(spec.name)}: deploy it with "replace", or remove it`,
      )
    }
    if (old?.state === 'building') {
      throw new ProblemError(409, 'building', `${spec.name} is being built: wait, or remove it`)
    }
    const record: FunctionRecord = {
      ...spec,
      id: old?.id ?? fresh('fn'),
      version: (old?.version ?? 0) + 1,
      image: '',
      state: 'building',
      createdAt: old?.createdAt ?? now,
      updatedAt: now,
    }
    this.#changing.add(record.id)
    try {
      await this.#bringUp(record, old, code, progress)
    } finally {
      this.#changing.delete(record.id)
    }
    return record
  }

  async #bringUp(
    record: FunctionRecord,
    old: FunctionRecord | undefined,
    code: CodeFiles,
    progress: (line: string) => void,
  ): Promise<void> {
    // The old one serves while the new one is built.
    if (!old && !(await this.store.add(record)))
      throw new ProblemError(409, 'name-taken', `there is a function ${JSON.stringify(record.name)}`)
    try {
      record.image = await this.engine.build(record, code, progress)
      record.state = 'ready'
      record.updatedAt = Date.now()
      await this.#opening(record.id)
      if (!(await this.store.replace(record)))
        throw new ProblemError(409, 'removed', `${record.name} was removed while it was built`)
    } catch (error) {
      if (!old) await this.store.remove(record.id)
      throw error
    }
    progress('starting')
    // Until it has asked for an event it is not idle, however long it takes.
    this.#usedAt.set(record.id, Infinity)
    try {
      await this.#startFirst(record)
    } finally {
      this.#usedAt.set(record.id, Date.now())
    }
    if (old) await this.#retire(old)
  }

  async #startFirst(record: FunctionRecord): Promise<void> {
    const instanceId = await this.#create(record)
    let timer: ReturnType<typeof setTimeout> | undefined
    const ready = new Promise<boolean>((resolve) => {
      this.#waiting.set(instanceId, () => resolve(true))
      timer = setTimeout(() => resolve(false), START)
      if (this.#seen.has(instanceId)) resolve(true)
    })
    const isReady = await ready
    clearTimeout(timer)
    this.#waiting.delete(instanceId)
    if (!isReady)
      throw new ProblemError(
        504,
        'start',
        `${record.name} is built, but has not asked for an event in ${START / 1000} s; its log may say why`,
      )
  }

  async #create(record: FunctionRecord): Promise<string> {
    const instanceId = fresh('i')
    await this.engine.start(record, instanceId, this.#tokens.tokenOf({ functionId: record.id, instanceId }))
    return instanceId
  }

  async #retire(old: FunctionRecord): Promise<void> {
    for (const instance of await this.instances(old)) {
      if (instance.version === old.version) await this.engine.remove(instance.id)
    }
    await this.engine.removeImage(old.image).catch(this.#report)
  }

  /** Somebody has an event for it: from zero it starts at once. */
  use(record: FunctionRecord): void {
    this.#usedAt.set(record.id, Date.now())
    if (!this.#active.has(record.id)) this.scale(record).catch(this.#report)
  }

  scale(record: FunctionRecord): Promise<void> {
    const running = this.#scaling.get(record.id)
    if (running) return running
    const work = this.#scale(record).finally(() => this.#scaling.delete(record.id))
    this.#scaling.set(record.id, work)
    return work
  }

  async #scale(record: FunctionRecord): Promise<void> {
    const { waiting, leased } = await this.events.queue.depth(record.id)
    const depth = waiting + leased
    if (depth > 0) this.#usedAt.set(record.id, Date.now())
    const own = (await this.instances(record)).filter(({ version }) => version === record.version)
    const running = own.filter((instance) => instance.running)
    const isIdle = Date.now() - (this.#usedAt.get(record.id) ?? 0) > this.#options.idle
    // Never fewer while there is work: who has none is idle soon.
    const needed = Math.ceil(depth / record.slots)
    const wanted = Math.min(
      record.maxReplicas,
      Math.max(record.minReplicas, isIdle ? 0 : Math.max(needed, Math.min(1, running.length), depth > 0 ? 1 : 0)),
    )
    // Another machine's, whose server looks after it.
    if (wanted > running.length && !(await this.engine.has(record.image))) return
    const stopped = own.filter((instance) => !instance.running)
    for (let more = wanted - running.length; more > 0; more--) {
      if (this.#closed || !(await this.store.find(record.id))) return
      const again = stopped.pop()
      if (!again) await this.#create(record)
      else
        await this.engine.start(record, again.id, this.#tokens.tokenOf({ functionId: record.id, instanceId: again.id }))
    }
    if (!isIdle) return
    for (const instance of running.slice(wanted)) await this.engine.stop(instance.id)
  }

  async remove(record: FunctionRecord): Promise<void> {
    this.#changing.add(record.id)
    try {
      await this.store.remove(record.id)
      await this.#scaling.get(record.id)?.catch(() => {})
      for (const instance of await this.instances(record)) await this.engine.remove(instance.id)
      await this.#closing(record.id)
    } finally {
      this.#changing.delete(record.id)
    }
    await this.events.queue.forget(record.id)
    await this.engine.removeImage(record.image).catch(this.#report)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await Promise.allSettled(this.#scaling.values())
  }
}
