// Whose calls are: one `Python` or `PythonHandler` of this environment.
import { offAbort, onAbort } from '../base/abort-signals.js'
import { AmphisError, fromDescription, type ErrorDescription, PythonError } from '../base/errors.js'
import type { Binding, Bridge } from '../bridge/bridge.js'
import { Decoder } from '../values/decode.js'
import { Encoder, type HandleOf } from '../values/encode.js'
import { chainOf } from './chain.js'
import { memberOf } from './importing.js'
import { kindOf, nameOf, type JavaScriptObjects } from './objects.js'
import {
  AWAIT,
  BY_HANDLE,
  CALL,
  END,
  FAILED,
  GET,
  IMPORT,
  ITEM,
  ITERATE,
  JS,
  KEYWORDS,
  KIND,
  NEXT,
  PY,
  RAISED,
  RETURN,
  VALUE_KIND,
} from './protocol.js'
import { Proxies } from './proxies.js'
import { makeClass, makeFunction, makeHandle, makeModule, PythonIterator } from './python-object.js'
import { ThrownValue } from './thrown-value.js'
import { setTarget, targetOf, type CallOptions, type Caller, type Target } from './target.js'
import { giveAway, refusalOf } from './transfer.js'

/** A call of Python that is under way. */
interface Pending {
  readonly owner: Owner
  /** Its number, which it is answered by. */
  call: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** What is answered, if it is no plain value. */
  readonly reads: 'value' | 'module' | 'item'
  /** The caller has been answered; Python has not. */
  isGivenUp: boolean
  end: (() => void) | undefined
}

/** What an owner needs of its environment. */
export interface Calls {
  readonly bridge: Bridge
  readonly objects: JavaScriptObjects
  /** A number for a call, which is answered by it. */
  add(pending: Pending): number
  /** Takes it back: Python was not told of it. */
  remove(call: number): void
}

export type { Pending }

/** See the head of this file. */
export class Owner implements Caller {
  readonly native: InstanceType<Binding['PythonCalls']>
  readonly proxies: Proxies
  readonly appDir: string
  readonly #calls: Calls
  readonly #encoder: Encoder
  readonly #decoder: Decoder
  /** The encoder is being used: what runs meanwhile, a getter, takes another. */
  #isEncoding = false
  /** Numbers of objects that are being given by what is encoded, the innermost last. */
  readonly #given: (number[] | undefined)[] = []
  #pending = 0
  #onIdle: (() => void) | undefined
  isClosing = false

  constructor(calls: Calls, native: InstanceType<Binding['PythonCalls']>, appDir: string) {
    this.#calls = calls
    this.native = native
    this.appDir = appDir
    this.proxies = new Proxies((numbers) => {
      if (!this.isClosing) {
        native.free(numbers)
      }
    })
    this.#encoder = new Encoder(this)
    this.#decoder = new Decoder(this)
  }

  get bridge(): Bridge {
    return this.#calls.bridge
  }

  /** How many calls are under way. */
  get pending(): number {
    return this.#pending
  }

  // What Python is asked for.

  async import(name: string): Promise<unknown> {
    return this.#ask(IMPORT, 'module', undefined, (encoder) => encoder.string(name))
  }

  invoke(
    target: Target,
    args: readonly unknown[],
    keywords: object | undefined,
    options: CallOptions | undefined,
    byHandle: boolean,
  ): Promise<unknown> {
    return this.#ask(
      CALL,
      'value',
      options,
      (encoder) => {
        encoder.varint(target.number)
        encoder.string(target.member)
        encoder.varint(args.length)
        for (let index = 0; index < args.length; index++) {
          encoder.value(args[index], index === 0 ? 'args[0]' : `args[${index}]`)
        }
        if (keywords !== undefined) {
          encoder.value(keywords, 'keywords')
        }
      },
      (byHandle ? BY_HANDLE : 0) | (keywords === undefined ? 0 : KEYWORDS),
      target,
    )
  }

  attribute(target: Target): Promise<unknown> {
    const { number, member } = target
    return this.#ask(
      GET,
      'value',
      undefined,
      (encoder) => {
        encoder.varint(number)
        encoder.string(member)
      },
      0,
      target,
    )
  }

  item(target: Target, key: unknown): Promise<unknown> {
    return this.#ask(
      ITEM,
      'value',
      undefined,
      (encoder) => {
        encoder.varint(target.number)
        encoder.value(key, 'key')
      },
      0,
      target,
    )
  }

  next(target: Target): Promise<IteratorResult<unknown, undefined>> {
    const ask = this.#ask(NEXT, 'item', undefined, (encoder) => encoder.varint(target.number), 0, target)
    return ask as Promise<IteratorResult<unknown, undefined>>
  }

  endIterator(target: Target): Promise<unknown> {
    return this.#ask(RETURN, 'item', undefined, (encoder) => encoder.varint(target.number), 0, target)
  }

  async iterate(target: Target): Promise<PythonIterator> {
    const ask = this.#ask(ITERATE, 'value', undefined, (encoder) => encoder.varint(target.number), 0, target)
    return (await ask) as PythonIterator
  }

  /** Lets go of an object of Python's. */
  release(number: number): void {
    this.proxies.release(number)
  }

  #ask(
    operation: number,
    reads: Pending['reads'],
    options: CallOptions | undefined,
    write: (encoder: Encoder) => void,
    flags = 0,
    target?: Target,
  ): Promise<unknown> {
    const refusal = this.#refusal(options, target)
    if (refusal !== undefined) {
      return Promise.reject(refusal)
    }
    return new Promise((resolve, reject) => {
      const pending = this.#add(reads, resolve, reject)
      const encoder = this.#take(options?.transfer)
      let outcome: number | undefined
      try {
        encoder.byte(operation)
        encoder.byte(flags)
        write(encoder)
        outcome = this.#send(pending, encoder, options?.transfer)
      } catch (error) {
        this.#remove(pending, error)
        return
      } finally {
        this.#giveBack(encoder, outcome !== undefined)
      }
      this.#sent(pending, options, outcome)
    })
  }

  /** Why nothing can be asked, if so. */
  #refusal(options: CallOptions | undefined, target: Target | undefined): Error | undefined {
    if (this.isClosing) {
      return closed()
    }
    if (target !== undefined && !this.proxies.has(target.number)) {
      return released(target)
    }
    if (options?.signal?.aborted === true) {
      return options.signal.reason as Error
    }
    return options?.transfer === undefined ? undefined : refusalOf(options.transfer)
  }

  #add(reads: Pending['reads'], resolve: Pending['resolve'], reject: Pending['reject']): Pending {
    const pending: Pending = { owner: this, call: 0, resolve, reject, reads, isGivenUp: false, end: undefined }
    pending.call = this.#calls.add(pending)
    this.#pending++
    return pending
  }

  /** Takes a call back that Python was not told of. */
  #remove(pending: Pending, error: unknown): void {
    this.#pending--
    this.#calls.remove(pending.call)
    pending.reject(error)
  }

  #send(pending: Pending, encoder: Encoder, transfer: CallOptions['transfer']): number {
    const { bytes, length, buffers } = encoder.end()
    const chain = chainOf()
    const alone = chain === 0 && this.#calls.bridge.isAlone()
    const views = asBytes(buffers)
    const given = transfer === undefined ? undefined : giveAway(transfer, views)
    return this.native.call(pending.call, bytes, length, views, given, chain, alone)
  }

  /** Python has been told of a call. */
  #sent(pending: Pending, options: CallOptions | undefined, outcome: number): void {
    if (options !== undefined) {
      this.#limit(pending, options)
    }
    this.#calls.bridge.sent(outcome)
  }

  /** Gives a call up when its time is over, or its signal is aborted. */
  #limit(pending: Pending, { signal, timeout }: CallOptions): void {
    const giveUp = (error: unknown): void => this.giveUp(pending, error)
    const aborted = (): void => giveUp(signal!.reason)
    if (signal !== undefined) {
      onAbort(signal, aborted)
    }
    const timer =
      timeout === undefined || timeout === Infinity
        ? undefined
        : setTimeout(() => giveUp(timedOut(timeout)), Math.min(timeout, 2 ** 31 - 1))
    pending.end = () => {
      pending.end = undefined
      clearTimeout(timer)
      if (signal !== undefined) {
        offAbort(signal, aborted)
      }
    }
  }

  /** Rejects a call, and cancels it in Python. */
  giveUp(pending: Pending, error: unknown): void {
    pending.end?.()
    if (!pending.isGivenUp) {
      pending.isGivenUp = true
      pending.reject(error)
      this.native.cancel(pending.call)
      this.#calls.bridge.letGo()
    }
  }

  /** An answer has come. */
  settle(pending: Pending, text: string, at: number, buffers: readonly Buffer[], buffer: number): void {
    this.#pending--
    pending.end?.()
    const { resolve, reject, reads, isGivenUp } = pending
    try {
      const decoder = this.#decoder
      decoder.begin(text, at, buffers, buffer)
      const status = decoder.byte()
      if (status === RAISED) {
        const error = decoder.value('error')
        reject(error instanceof ThrownValue ? error.thrown : error)
      } else if (status === FAILED) {
        reject(fromDescription(JSON.parse(decoder.string()) as ErrorDescription))
      } else if (status === END) {
        resolve({ value: undefined, done: true })
      } else if (reads === 'module') {
        resolve(this.#module(decoder))
      } else {
        const value = decoder.value('result')
        if (isGivenUp) {
          this.#drop(value)
        }
        resolve(reads === 'item' ? { value, done: false } : value)
      }
    } catch (error) {
      reject(error)
    } finally {
      this.#decoder.end()
    }
    if (this.#pending === 0) {
      this.#onIdle?.()
    }
  }

  /** Nobody has it any more. */
  #drop(value: unknown): void {
    if (typeof value === 'object' && value !== null) {
      const target = targetOf(value)
      if (target !== undefined) {
        this.release(target.number)
      }
    }
  }

  #module(decoder: Decoder): unknown {
    const number = decoder.varint()
    const names = new Map<string, { kind: number; value?: unknown }>()
    for (let left = decoder.varint(); left > 0; left--) {
      const name = decoder.string()
      const kind = decoder.byte()
      names.set(name, kind === VALUE_KIND ? { kind, value: decoder.value(name) } : { kind })
    }
    return this.proxies.get(number, () => makeModule(this.#target(KIND.module, number, 'module'), names))
  }

  #target(kind: number, number: number, name: string): Target {
    return { owner: this, number, kind, name, member: '' }
  }

  // Decoding.

  python(kind: number, number: number, name: string): unknown {
    return this.proxies.get(number, () => {
      const target = this.#target(kind, number, name)
      switch (kind) {
        case KIND.function:
        case KIND.asyncFunction:
          return makeFunction(target)
        case KIND.class:
          return makeClass(target)
        case KIND.iterable:
          return new PythonIterator(target)
        case KIND.promise:
          return this.#ask(AWAIT, 'value', undefined, (encoder) => encoder.varint(number))
        default:
          return makeHandle(target)
      }
    })
  }

  own(number: number, member: string): unknown {
    const object = this.#calls.objects.get(number)
    return member === '' || object === undefined ? object : memberOf(object, member)
  }

  error(original: unknown, fields: Record<string, unknown>): unknown {
    if (original instanceof Error) {
      return original
    }
    const description = JSON.parse(fields['description'] as string) as ErrorDescription
    const { code } = fields
    const error = fromDescription(typeof code === 'string' ? { ...description, code } : description)
    if (fields['cause'] !== undefined) {
      Object.defineProperty(error, 'cause', { value: fields['cause'], configurable: true, writable: true })
    }
    const target = typeof original === 'object' && original !== null ? targetOf(original) : undefined
    if (target !== undefined && error instanceof PythonError) {
      setTarget(error, target)
      originals.set(error, original as object)
    }
    return error
  }

  // Encoding.

  handleOf(value: object): HandleOf {
    const target = targetOf(value)
    if (target !== undefined) {
      if (target.owner !== this) {
        throw new AmphisError(
          'AMPHIS_ERR_CONVERSION',
          `${target.name || 'A Python object'} belongs to another handler; it can only be given back to its own.`,
        )
      }
      if (!this.proxies.has(target.number)) {
        throw released(target)
      }
      return { tag: PY, kind: target.kind, id: target.number, name: target.member }
    }
    const id = this.#calls.objects.give(value)
    const last = this.#given.length - 1
    ;(this.#given[last] ??= []).push(id)
    return { tag: JS, kind: kindOf(value), id, name: nameOf(value) }
  }

  /** Gives `write` an encoder that nobody else uses. */
  encode<T>(write: (encoder: Encoder) => T): T {
    const encoder = this.#take()
    let isWritten = false
    try {
      const result = write(encoder)
      isWritten = true
      return result
    } finally {
      this.#giveBack(encoder, isWritten)
    }
  }

  #take(transfer?: CallOptions['transfer']): Encoder {
    const encoder = this.#isEncoding ? new Encoder(this) : this.#encoder
    this.#isEncoding = true
    this.#given.push(undefined)
    encoder.begin(transfer)
    return encoder
  }

  /** @param isWritten Python is told of it; else it never hears of the objects that it was to be given */
  #giveBack(encoder: Encoder, isWritten: boolean): void {
    const given = this.#given.pop()
    if (given !== undefined && !isWritten) {
      for (const number of given) {
        this.#calls.objects.free(number, 1)
      }
    }
    if (encoder === this.#encoder) {
      this.#isEncoding = false
    }
  }

  /** Reads what Python calls with. */
  decode<T>(text: string, at: number, buffers: readonly Buffer[], buffer: number, read: (decoder: Decoder) => T): T {
    this.#decoder.begin(text, at, buffers, buffer)
    try {
      return read(this.#decoder)
    } finally {
      this.#decoder.end()
    }
  }

  // The end.

  /** Resolves when nothing is under way, or after `limit` milliseconds. */
  async idle(limit: number): Promise<void> {
    if (this.#pending > 0 && limit > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, limit)
        this.#onIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#onIdle = undefined
    }
  }
}

// A PythonError keeps the exception that it was made of in Python.
const originals = new WeakMap<object, object>()

/** What belongs to a payload, as the addon takes it. */
export function asBytes(buffers: readonly ArrayBufferView[]): Uint8Array[] | undefined {
  return buffers.length === 0
    ? undefined
    : buffers.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))
}

/** The error of whoever calls what is closed. */
export function closed(): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_CLOSED',
    'This Python, or the handler that it is of, is closed. Create a new one to call more functions.',
  )
}

function released({ name }: Target): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_CLOSED',
    `The handle of ${name === '' ? 'a Python object' : name} was released. Ask for a new one.`,
  )
}

function timedOut(timeout: number): AmphisError {
  return new AmphisError('AMPHIS_ERR_CALL_TIMEOUT', `Python has not answered within ${timeout} ms, the call's timeout.`)
}
