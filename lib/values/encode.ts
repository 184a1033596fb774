// JavaScript values to a tape.

import { types } from 'node:util'
import { isPythonDate } from './dates.js'
import { BYTES_BESIDE, elementTypeNamed, elementTypeOf } from './dtype.js'
import { fieldsOf, isError } from './error-fields.js'
import { isNdArray, type NdArray } from './ndarray.js'
import { indexStep, keyStep, placed, Unfit, within } from './place.js'
import { isIterable, isPlainPrototype } from './plain.js'
import {
  ARRAY,
  BIGINT,
  BUFFER,
  BYTES,
  DATE,
  ERROR,
  FALSE,
  FLOAT,
  INT,
  LARGE,
  MAP,
  MAX_DEPTH,
  NDARRAY,
  NULL,
  OBJECT,
  PY,
  REF,
  SET,
  TRUE,
  TYPED,
  UNDEFINED,
} from './tags.js'
import { TapeWriter } from './tape.js'

/** A payload: what has been encoded since `begin`. */
export interface Encoded {
  /** The encoder's own memory, of which the first `length` bytes count: valid until the next `begin`. */
  readonly bytes: Uint8Array
  readonly length: number
  /** What the tape refers to by index. The memory is the caller's: copy it before anything else runs. */
  readonly buffers: readonly ArrayBufferView[]
}

/** What stands for an object that stays where it is. */
export interface HandleOf {
  /** 18 for an object of JavaScript, 19 for a proxy of one of Python, which goes home. */
  readonly tag: 18 | 19
  readonly kind: number
  readonly id: number
  readonly name: string
}

/** What the tape cannot hold: objects that stay where they are. */
export interface EncodeHandles {
  /**
   * For a function, and for an object that is not data. A proxy of a Python object must be a function, or have a
   * prototype that is neither null nor `Object.prototype`: else it is taken for a plain object.
   */
  handleOf(value: object): HandleOf
}

/** Arrays that are longer may not have holes: each would be written. */
const LONG_ARRAY = 1 << 24

const NONE: readonly ArrayBufferView[] = []

/** Writes one payload at a time, into memory that it keeps. */
export class Encoder {
  readonly #handles: EncodeHandles
  readonly #tape = new TapeWriter()
  /** Keys of objects that the payload has named, each by its number. */
  #keys = new Map<string, number>()
  /** Objects that have a number, once there are two; the first alone needs no table. */
  #numbers: Map<object, number> | undefined
  #first: object | undefined
  #count = 0
  #buffers: ArrayBufferView[] | undefined
  #transfer: ReadonlySet<ArrayBufferLike> | undefined
  /** Errors that are being written. */
  #errors: Error[] | undefined

  constructor(handles: EncodeHandles) {
    this.#handles = handles
  }

  /**
   * Forgets what was encoded, also by an encode that has failed.
   *
   * @param transfer typed arrays over this memory are written as buffers, whatever their size
   */
  begin(transfer?: readonly ArrayBufferLike[]): void {
    this.#forget()
    this.#tape.reset()
    this.#transfer = transfer === undefined || transfer.length === 0 ? undefined : new Set(transfer)
  }

  /** Lets go of all objects, which are the caller's. */
  #forget(): void {
    if (this.#keys.size > 0) {
      this.#keys = new Map()
    }
    this.#numbers = undefined
    this.#first = undefined
    this.#count = 0
    this.#buffers = undefined
    this.#errors = undefined
    this.#transfer = undefined
  }

  /** A number of at most 53 bits. */
  varint(number: number): void {
    this.#tape.varint(number)
  }

  byte(number: number): void {
    this.#tape.byte(number)
  }

  /** A string as handles have them: no value. */
  string(text: string): void {
    this.#tape.name(text)
  }

  /**
   * @param root what its place is called in errors: `args`
   * @throws ConversionError naming the place of what cannot be passed
   */
  value(value: unknown, root: string): void {
    try {
      this.#value(value, 0)
    } catch (error) {
      this.#forget()
      throw placed(error, root)
    }
  }

  end(): Encoded {
    const buffers = this.#buffers ?? NONE
    this.#forget()
    const length = this.#tape.at
    return { bytes: this.#tape.take(), length, buffers }
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#tape.text(value)
        return
      case 'number':
        this.#number(value)
        return
      case 'boolean':
        this.#tape.byte(value ? TRUE : FALSE)
        return
      case 'undefined':
        this.#tape.byte(UNDEFINED)
        return
      case 'object':
        if (value === null) {
          this.#tape.byte(NULL)
        } else {
          this.#object(value, depth)
        }
        return
      case 'bigint':
        this.#tape.byte(BIGINT)
        this.#tape.bigint(value)
        return
      case 'function':
        this.#handle(value)
        return
      case 'symbol':
        throw new Unfit(`Python cannot have ${String(value)}, a symbol. Pass a string instead.`)
    }
  }

  #number(value: number): void {
    const tape = this.#tape
    tape.reserve(0)
    if (isExact(value)) {
      tape.bytes[tape.at++] = INT
      tape.putInteger(value)
    } else {
      tape.bytes[tape.at++] = FLOAT
      tape.putFloat(value)
    }
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) {
      this.#array(value, depth)
      return
    }
    const prototype = Object.getPrototypeOf(value) as object | null
    if (isPlainPrototype(prototype) && !isIterable(value)) {
      this.#plain(value as Record<string, unknown>, depth)
    } else {
      this.#other(value, depth)
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    if (this.#isKnown(value)) {
      return
    }
    descend(depth)
    const { length } = value
    this.#tape.tagged(ARRAY, length)
    let index = 0
    try {
      for (; index < length; index++) {
        if (length > LONG_ARRAY && !(index in value)) {
          throw new Unfit(`This is a hole of an array that is ${length} long. Pass what it holds as a Map.`)
        }
        this.#value(value[index], depth + 1)
      }
    } catch (error) {
      throw within(error, indexStep(index))
    }
  }

  #plain(value: Record<string, unknown>, depth: number): void {
    if (this.#isKnown(value)) {
      return
    }
    descend(depth)
    const keys = Object.keys(value)
    this.#tape.tagged(OBJECT, keys.length)
    let at = ''
    try {
      for (const key of keys) {
        at = key
        this.#key(key)
        this.#value(value[key], depth + 1)
      }
    } catch (error) {
      throw within(error, keyStep(at))
    }
  }

  #key(key: string): void {
    const tape = this.#tape
    const known = this.#keys.get(key)
    if (known === undefined) {
      this.#keys.set(key, this.#keys.size + 1)
      tape.byte(0)
      tape.name(key)
    } else {
      tape.varint(known)
    }
  }

  /** Writes a reference to what has a number, and gives one to what has none. */
  #isKnown(value: object): boolean {
    if (this.#count === 0) {
      this.#first = value
      this.#count = 1
      return false
    }
    this.#numbers ??= new Map([[this.#first!, 0]])
    const known = this.#numbers.get(value)
    if (known !== undefined) {
      this.#tape.tagged(REF, known)
      return true
    }
    this.#numbers.set(value, this.#count++)
    return false
  }

  /** An object that is neither an array nor a plain one. */
  #other(value: object, depth: number): void {
    if (types.isAnyArrayBuffer(value)) {
      this.#bytes(new Uint8Array(value), value)
    } else if (ArrayBuffer.isView(value)) {
      this.#view(value)
    } else if (types.isDate(value)) {
      this.#date(value)
    } else if (types.isMap(value)) {
      this.#map(value, depth)
    } else if (types.isSet(value)) {
      this.#set(value, depth)
    } else if (types.isBoxedPrimitive(value)) {
      this.#value(unboxed(value), depth)
    } else if (isError(value)) {
      this.#error(value, depth)
    } else if (isNdArray(value)) {
      this.#ndarray(value)
    } else {
      this.#handle(value)
    }
  }

  #handle(value: object): 18 | 19 {
    const { tag, kind, id, name } = this.#handles.handleOf(value)
    const tape = this.#tape
    tape.reserve(HANDLE)
    tape.bytes[tape.at++] = tag
    tape.bytes[tape.at++] = kind
    tape.putVarint(id)
    tape.name(name)
    return tag
  }

  #view(view: ArrayBufferView): void {
    const type = elementTypeOf(view)
    if (type === undefined || type.name === 'uint8') {
      this.#bytes(view, view)
    } else if (!this.#isKnown(view)) {
      this.#elements(view, type.byte)
    }
  }

  /** @param identity the object that is being passed */
  #bytes(view: ArrayBufferView, identity: object): void {
    if (view.byteLength === 0) {
      this.#tape.tagged(BYTES, 0)
    } else if (!this.#isKnown(identity)) {
      if (this.#transfer?.has(view.buffer)) {
        this.#beside(view, 0)
      } else if (view.byteLength >= LARGE) {
        this.#beside(view, BYTES_BESIDE)
      } else {
        this.#tape.byte(BYTES)
        this.#tape.block(view)
      }
    }
  }

  #elements(view: ArrayBufferView, dtype: number): void {
    if (view.byteLength >= LARGE || this.#transfer?.has(view.buffer)) {
      this.#beside(view, dtype)
    } else {
      this.#tape.tagged(TYPED, dtype)
      this.#tape.block(view)
    }
  }

  /** Refers to memory that goes beside the tape. */
  #beside(view: ArrayBufferView, dtype: number): void {
    const tape = this.#tape
    this.#buffers ??= []
    tape.tagged(BUFFER, this.#buffers.length)
    this.#buffers.push(view)
    tape.varint(view.byteLength)
    tape.byte(dtype)
  }

  #ndarray(array: NdArray): void {
    const { data, shape, dtype } = array
    const held = elementTypeOf(data)
    const type = elementTypeNamed(dtype)
    if (!held || held.size !== type?.size || shape.reduce((product, size) => product * size, 1) !== data.length) {
      throw new Unfit('This NdArray has other data than it was made of: it was changed, or its memory transferred.')
    }
    if (this.#isKnown(array)) {
      return
    }
    const tape = this.#tape
    tape.tagged(NDARRAY, type.byte)
    tape.varint(shape.length)
    for (const size of shape) {
      tape.varint(size)
    }
    this.#elements(data, type.byte)
  }

  #date(value: Date): void {
    const time = Date.prototype.getTime.call(value)
    if (Number.isNaN(time)) {
      throw new Unfit('This Date is invalid, which Python has nothing for. Pass null, or a valid one.')
    }
    if (!isPythonDate(time)) {
      throw new Unfit(
        `Python's datetime has the years 1 to 9999 only, not ${new Date(time).toISOString()}. Pass its getTime().`,
      )
    }
    if (!this.#isKnown(value)) {
      const tape = this.#tape
      tape.reserve(0)
      tape.bytes[tape.at++] = DATE
      tape.putFloat(time)
    }
  }

  #map(value: ReadonlyMap<unknown, unknown>, depth: number): void {
    if (this.#isKnown(value)) {
      return
    }
    descend(depth)
    // What the methods of a class that extends Map say is not asked.
    const entries = [...(Map.prototype.entries.call(value) as Iterable<[unknown, unknown]>)]
    this.#tape.tagged(MAP, entries.length)
    for (const [key, item] of entries) {
      try {
        this.#value(key, depth + 1)
      } catch (error) {
        throw within(error, ` (key ${shown(key)})`)
      }
      try {
        this.#value(item, depth + 1)
      } catch (error) {
        throw within(error, `.get(${shown(key)})`)
      }
    }
  }

  #set(value: ReadonlySet<unknown>, depth: number): void {
    if (this.#isKnown(value)) {
      return
    }
    descend(depth)
    const items = [...(Set.prototype.values.call(value) as Iterable<unknown>)]
    this.#tape.tagged(SET, items.length)
    for (const item of items) {
      try {
        this.#value(item, depth + 1)
      } catch (error) {
        throw within(error, ` (member ${shown(item)})`)
      }
    }
  }

  #error(error: Error, depth: number): void {
    descend(depth)
    this.#tape.byte(ERROR)
    const tag = this.#handle(error)
    if (tag === PY) {
      // It is known where it goes.
      this.#plain({}, depth + 1)
      return
    }
    this.#errors ??= []
    // Of an error that is its own cause only the first is told whole.
    const isWhole = !this.#errors.includes(error)
    this.#errors.push(error)
    this.#plain(fieldsOf(error, isWhole), depth + 1)
    this.#errors.pop()
  }
}

/** Whether Python can have it as an int, and says the same of it: -0 is a float. */
function isExact(value: number): boolean {
  // Most are small, and this is all that they need.
  if ((value | 0) === value) {
    return value !== 0 || !Object.is(value, -0)
  }
  return Number.isSafeInteger(value)
}

/** Bytes of tag, kind and number of a handle. */
const HANDLE = 16

function descend(depth: number): void {
  if (depth >= MAX_DEPTH) {
    throw new Unfit(
      `What is passed is more than ${MAX_DEPTH.toLocaleString('en')} levels deep. Pass it flat, or as a handle.`,
    )
  }
}

/** What `new Number(1)` and the like hold. */
function unboxed(value: object): unknown {
  if (types.isNumberObject(value)) {
    return Number.prototype.valueOf.call(value)
  }
  if (types.isStringObject(value)) {
    return String.prototype.valueOf.call(value)
  }
  if (types.isBooleanObject(value)) {
    return Boolean.prototype.valueOf.call(value)
  }
  if (types.isBigIntObject(value)) {
    return BigInt.prototype.valueOf.call(value)
  }
  return Symbol.prototype.valueOf.call(value)
}

/** A key of a Map in an error. */
function shown(key: unknown): string {
  switch (typeof key) {
    case 'string':
      return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key)
    case 'object':
      return key === null ? 'null' : '{…}'
    case 'function':
      return 'a function'
    default:
      return String(key)
  }
}
