import { availableParallelism } from 'node:os'
import type * as Native from '../../binding.cjs'
import { fromDescription, type AmphisError, type ErrorDescription } from '../base/errors.js'
import type { Exchange } from './exchange.js'

/** The addon. */
export type Binding = typeof Native

interface Call {
  resolve: (value: unknown) => void
  reject: (error: AmphisError) => void
}

// The other half of this table is in src/batch.rs.
const RECORD = 5
const RESPONSE = 1
const CHUNK = 2
const DONE = 3
const FAIL = 4
const ACK = 5
const RESULT = 6
const NOTICE = 7
const ACCEPT = 8
const MESSAGE = 9
const CLOSE = 10
const TRAILERS = 11
const EARLY_HINTS = 12
const FILE = 13
const CONTINUE = 14
const REPLY = 15
const INVOKE = 16
const ABORT = 17
const FREE = 18
const OPERATION = 0xff
const FLAG_END = 1 << 8
const FLAG_BUFFER = 1 << 9
const FLAG_DONE = 1 << 10
const FLAG_DESTROY = 1 << 11
const FLAG_TEXT = 1 << 12

// The other half of this table is in src/handler.rs.
/** Flags of a request: more of its body is to come; its client waits for `100 Continue`; nothing else is under way. */
export const MORE_BODY = 1
export const AWAITS_CONTINUE = 2
export const ALONE = 4
/** What sending returns: the head is not sound; the answer is there already; it comes soon. The rest is in src/node/asking.rs. */
export const REFUSED = 0
const ANSWERED = 2
const SOON = 3

/** Milliseconds for which an answer that comes soon is waited for without sleeping. */
const AWAKE = 1.5
/**
 * A call of Python's that comes alone, and so soon after the last one, in milliseconds, would have been worth to be waited
 * for without sleeping. Such calls are from so many in a row on; one that comes late costs half of what has been gathered.
 */
const LINGER = 0.2
const QUICK = 4
const MOST_QUICK = 16
/** On one processor Python could not run meanwhile. */
const mayLinger = availableParallelism() > 1

/** What a piece of a response counts besides its bytes, when Python is told what was taken; `src/body.rs` has it too. */
export const PIECE_COST = 256

/**
 * Takes the records of calls between the languages. Payloads are a unit of `text` for each byte, from `at` on; `buffers`
 * from number `buffer` on belong to them.
 */
export interface CallRecords {
  /** The answer to a call of JavaScript's. */
  onReply(call: number, text: string, at: number, buffers: readonly Buffer[], buffer: number): void
  /** Python calls the JavaScript of an owner. */
  onInvoke(call: number, owner: number, text: string, at: number, buffers: readonly Buffer[], buffer: number): void
  /** Python gives a call of its own up. */
  onAbort(call: number): void
  /** Python has dropped an object that it was given so many times. */
  onFree(number: number, count: number): void
}

/** Records that one call from Rust can bring; more come in further calls. */
const CAPACITY = 4096

/**
 * This environment's end of the bridge: gives exchanges their slots, keeps Node alive while anything is pending, and
 * hands what comes from Python to whom it belongs.
 *
 * A slot is free again only when Python has said `DONE`; commands to an earlier holder are in the queue before the
 * request of the next one, so neither side ever takes one for the other.
 */
export class Bridge {
  readonly binding: Binding
  readonly host: InstanceType<Binding['Host']>
  readonly #records = new Int32Array(RECORD * CAPACITY)
  readonly #exchanges: (Exchange | undefined)[] = []
  readonly #free: number[] = []
  readonly #calls = new Map<number, Call>()
  readonly #listeners = new Map<number, (error: AmphisError) => void>()
  #nextToken = 0
  #pending = 0
  /** Something was sent in this turn, or records are being handed over. */
  #isBusy = false
  /** Set by the room `calls`, when it is first used in this environment. */
  calls: CallRecords | undefined
  /** The event loop is kept from sleeping. */
  #isAwake = false
  #awakeUntil = 0
  /** Calls of Python's in the batch at hand, and when the first was seen; since when there are none; how many came soon. */
  #invoked = 0
  #invokedAt = 0
  #idleSince = 0
  #quick = 0
  /** Counts the batches: what comes in one of them came at once. */
  batch = 0
  // Where reading has come in the text and the buffers of the batch at hand.
  #text = ''
  #at = 0
  #buffers: Buffer[] = []
  #buffer = 0

  constructor(binding: Binding, isMain: boolean) {
    this.binding = binding
    this.host = new binding.Host(this.#records, this.#deliver, this.#again, isMain)
  }

  /** Gives an exchange its slot. */
  open(exchange: Exchange): number {
    const slot = this.#free.pop() ?? this.#exchanges.length
    this.#exchanges[slot] = exchange
    this.hold()
    return slot
  }

  /** Takes back a slot that Python was never told of. */
  release(slot: number): void {
    this.#exchanges[slot] = undefined
    this.#free.push(slot)
    this.letGo()
  }

  /**
   * Whether what is about to be sent is all there is: nothing else is under way, and it is the first of this turn. A
   * burst of messages, or of pipelined requests, is better sent whole.
   */
  isAlone(): boolean {
    if (this.#pending !== 1 || this.#isBusy) {
      return false
    }
    this.#isBusy = true
    queueMicrotask(this.#endTurn)
    return true
  }

  readonly #endTurn = (): void => {
    this.#isBusy = false
  }

  /** Something was sent that is answered; `outcome` is what sending has returned. */
  sent(outcome: number): void {
    if (outcome === ANSWERED) {
      this.host.take()
    } else if (outcome === SOON) {
      this.#stayAwake()
    }
  }

  /**
   * Keeps the event loop turning until the answer has come: a thread that sleeps takes long to wake, beside what a quick
   * answer takes. Sockets, timers and whatever else there is have their turns.
   */
  #stayAwake(): void {
    this.#awakeUntil = performance.now() + AWAKE
    this.#beginTurns()
  }

  #beginTurns(): void {
    if (!this.#isAwake) {
      this.#isAwake = true
      setImmediate(this.#turn)
    }
  }

  readonly #turn = (): void => {
    const now = performance.now()
    this.#isAwake =
      (this.#pending > 0 && now < this.#awakeUntil) || (this.#quick >= QUICK && now < this.#idleSince + LINGER)
    if (this.#isAwake) {
      setImmediate(this.#turn)
    }
  }

  /** The same for Python's next call, after some have been served. */
  #linger(): void {
    const isSoon = this.#invoked === 1 && this.#invokedAt < this.#idleSince + LINGER
    this.#quick = isSoon ? Math.min(this.#quick + 1, MOST_QUICK) : this.#quick >> 1
    this.#invoked = 0
    this.#idleSince = performance.now()
    if (this.#quick >= QUICK) {
      this.#beginTurns()
    }
  }

  /** A call that is answered by its token. */
  call<T>(start: (token: number) => void): Promise<T> {
    const token = this.#nextToken
    this.#nextToken = (token + 1) % 2 ** 31
    const { promise, resolve, reject } = withResolvers<T>()
    this.#calls.set(token, { resolve: resolve as (value: unknown) => void, reject })
    this.hold()
    try {
      start(token)
    } catch (error) {
      this.#calls.delete(token)
      this.letGo()
      throw error
    }
    return promise
  }

  /** Hears of what goes wrong in a handler's app outside of its requests. */
  listen(handler: number, listener: ((error: AmphisError) => void) | undefined): void {
    if (listener === undefined) {
      this.#listeners.delete(handler)
    } else {
      this.#listeners.set(handler, listener)
    }
  }

  /** Keeps Node alive, until {@link letGo} is called as often. */
  hold(): void {
    this.#pending += 1
    if (this.#pending === 1) {
      this.host.ref()
    }
  }

  letGo(): void {
    this.#pending -= 1
    if (this.#pending === 0) {
      this.host.unref()
    }
  }

  /**
   * Called from Rust once a batch, or several times when it is larger than the array or a string can be. `buffers`
   * come with the first call.
   */
  readonly #deliver = (count: number, text: string, buffers: Buffer[] | undefined): void => {
    this.batch = (this.batch + 1) | 0
    const wasBusy = this.#isBusy
    this.#isBusy = true
    this.#text = text
    this.#at = 0
    if (buffers !== undefined) {
      this.#buffers = buffers
      this.#buffer = 0
    }
    const records = this.#records
    for (let at = 0; at < count * RECORD; at += RECORD) {
      try {
        this.#record(records[at]!, records[at + 1]!, records[at + 2]!, records[at + 3]!, records[at + 4]!)
      } catch (error) {
        // Thrown by an error handler or a logger of the user's: uncaught, as from any callback, but not at the cost
        // of the records behind this one.
        process.nextTick(() => {
          throw error
        })
      }
    }
    // An idle bridge must not hold the last bodies.
    this.#text = ''
    if (this.#buffer === this.#buffers.length) {
      this.#buffers = []
      this.#buffer = 0
    }
    this.#isBusy = wasBusy
    if (this.#invoked > 0 && mayLinger) {
      this.#linger()
    }
  }

  /**
   * Called from Rust when more has come during a delivery. Taken in the next turn of the event loop: sockets have
   * theirs first, however fast Python is.
   */
  readonly #again = (): void => {
    setImmediate(() => this.host.take())
  }

  #record(operation: number, slot: number, a: number, b: number, c: number): void {
    const kind = operation & OPERATION
    if (kind === RESULT) {
      this.#result(slot, a === 1, this.#cut(b))
      return
    }
    if (kind === NOTICE) {
      const error = parseError(this.#cut(a))
      this.#listeners.get(slot)?.(error)
      return
    }
    if (kind >= REPLY) {
      this.#callRecord(kind, operation, slot, a, b, c)
      return
    }
    const exchange = this.#exchanges[slot]!
    try {
      this.#dispatch(exchange, kind, operation, a, b, c)
    } finally {
      if (kind === DONE || (operation & FLAG_DONE) !== 0) {
        this.release(slot)
        exchange.onDone()
      }
    }
  }

  #callRecord(kind: number, operation: number, slot: number, a: number, b: number, c: number): void {
    const { calls } = this
    if (kind === ABORT) {
      calls?.onAbort(slot)
      return
    }
    if (kind === FREE) {
      calls?.onFree(slot, a)
      return
    }
    let text = this.#text
    let at = this.#at
    if ((operation & FLAG_BUFFER) === 0) {
      this.#at += a
    } else {
      text = this.#buffers[this.#buffer++]!.toString('latin1')
      at = 0
    }
    const buffer = this.#buffer
    this.#buffer += b
    if (kind === INVOKE) {
      if (this.#invoked === 0) {
        this.#invokedAt = performance.now()
      }
      this.#invoked += 1
      calls?.onInvoke(slot, c, text, at, this.#buffers, buffer)
    } else {
      calls?.onReply(slot, text, at, this.#buffers, buffer)
    }
  }

  #dispatch(exchange: Exchange, kind: number, operation: number, a: number, b: number, c: number): void {
    const end = (operation & FLAG_END) !== 0
    switch (kind) {
      case RESPONSE: {
        const headers = this.#fields(b)
        exchange.onResponse(a, headers, this.#body(operation, c), end)
        break
      }
      case MESSAGE:
        exchange.onMessage?.(this.#body(operation, a), (operation & FLAG_TEXT) !== 0)
        break
      case CHUNK:
        exchange.onChunk(this.#body(operation, a), end)
        break
      case ACK:
        exchange.onAck(a + c * 2 ** 30, b)
        break
      case FAIL:
        exchange.onFail(parseError(this.#cut(a)), (operation & FLAG_DESTROY) !== 0)
        break
      case ACCEPT: {
        const subprotocol = this.#cut(a)
        exchange.onAccept?.(subprotocol, this.#fields(b))
        break
      }
      case CLOSE:
        exchange.onClose?.(a, this.#cut(b))
        break
      case FILE: {
        const [size = '0', path = ''] = this.#fields(b)
        exchange.onFile?.({ descriptor: a, size: Number(size), path: Buffer.from(path, 'latin1').toString() }, end)
        break
      }
      case TRAILERS:
        exchange.onTrailers?.(this.#fields(a), end)
        break
      case EARLY_HINTS:
        exchange.onEarlyHints?.(this.#fields(a))
        break
      case CONTINUE:
        exchange.onContinue?.()
        break
      default:
        break
    }
  }

  #cut(length: number): string {
    return this.#text.slice(this.#at, (this.#at += length))
  }

  /** Members that were joined by NUL. */
  #fields(length: number): string[] {
    return length === 0 ? [] : this.#cut(length).split('\0')
  }

  #body(operation: number, length: number): string | Buffer {
    return (operation & FLAG_BUFFER) === 0 ? this.#cut(length) : this.#buffers[this.#buffer++]!
  }

  #result(token: number, isOk: boolean, json: string): void {
    const call = this.#calls.get(token)
    this.#calls.delete(token)
    this.letGo()
    if (isOk) {
      call?.resolve(JSON.parse(json))
    } else {
      call?.reject(parseError(json))
    }
  }
}

function parseError(json: string): AmphisError {
  return fromDescription(JSON.parse(json) as ErrorDescription)
}

// Promise.withResolvers is newer than Node 20.
function withResolvers<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: AmphisError) => void
} {
  let resolve!: (value: T) => void
  let reject!: (error: AmphisError) => void
  const promise = new Promise<T>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise
    reject = rejectPromise
  })
  return { promise, resolve, reject }
}
