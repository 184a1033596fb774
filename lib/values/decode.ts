// A tape to JavaScript values.

import { BYTES_BESIDE, elementTypes, type ElementType, type TypedArray } from './dtype.js'
import { NdArray } from './ndarray.js'
import { indexStep, keyStep, placed, Unfit, within } from './place.js'
import { TapeReader } from './tape-reader.js'
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
  JS,
  LATIN1,
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
  UTF16,
} from './tags.js'

/** What the tape refers to by number. */
export interface DecodeHandles {
  /** A Python object: its proxy. */
  python(kind: number, id: number, name: string): unknown
  /** An object of JavaScript comes home, or a member of it. */
  own(id: number, member: string): unknown
  /** The error for an exception of Python. `original` is what its handle led to, null where it has none. */
  error(original: unknown, fields: Record<string, unknown>): unknown
}

/** Reads one payload at a time, whatever it holds: what is not well-formed is an error. */
export class Decoder {
  readonly #handles: DecodeHandles
  readonly #tape = new TapeReader()
  #keys: string[] = []
  /** Whether a plain object already has something of this name, so that it must be defined, not assigned. */
  #inherited: boolean[] = []
  #objects: unknown[] = []
  #buffers: readonly Buffer[] | undefined
  #firstBuffer = 0

  constructor(handles: DecodeHandles) {
    this.#handles = handles
  }

  /** Where the next byte is. */
  get at(): number {
    return this.#tape.at
  }

  /**
   * @param text the bytes, a unit each
   * @param at where the payload begins
   * @param buffers what it refers to by index, from that of number `buffer` on
   */
  begin(text: string, at: number, buffers: readonly Buffer[] | undefined, buffer: number): void {
    this.end()
    this.#tape.begin(text, at)
    this.#buffers = buffers
    this.#firstBuffer = buffer
  }

  /** Lets go of what was read. Whoever forgets it keeps the last payload alive until the next one. */
  end(): void {
    this.#tape.end()
    if (this.#keys.length > 0) {
      this.#keys = []
      this.#inherited = []
    }
    if (this.#objects.length > 0) {
      this.#objects = []
    }
    this.#buffers = undefined
  }

  /** A number of at most 53 bits. */
  varint(): number {
    try {
      return this.#tape.varint()
    } catch (error) {
      throw placed(error, 'payload')
    }
  }

  byte(): number {
    try {
      return this.#tape.byte()
    } catch (error) {
      throw placed(error, 'payload')
    }
  }

  /** A string as handles have them: no value. */
  string(): string {
    try {
      return this.#tape.name()
    } catch (error) {
      throw placed(error, 'payload')
    }
  }

  /**
   * @param root what its place is called in errors: `result`
   * @throws ConversionError when it is malformed, or nothing that this Node.js can have
   */
  value(root: string): unknown {
    try {
      return this.#value(0)
    } catch (error) {
      throw placed(error, root)
    }
  }

  #value(depth: number): unknown {
    const tape = this.#tape
    const tag = tape.byte()
    switch (tag) {
      case NULL:
        return null
      case UNDEFINED:
        return undefined
      case FALSE:
        return false
      case TRUE:
        return true
      case INT:
        return tape.integer()
      case FLOAT:
        return tape.float()
      case BIGINT:
        return tape.bigint()
      case LATIN1:
        return tape.latin1(tape.varint())
      case UTF16:
        return tape.utf16(tape.varint())
      case ARRAY:
        return this.#array(depth)
      case OBJECT:
        return this.#object(depth)
      default:
        return this.#other(tag, depth)
    }
  }

  #other(tag: number, depth: number): unknown {
    const tape = this.#tape
    switch (tag) {
      case BYTES: {
        const bytes = tape.bytes(tape.varint())
        return bytes.length === 0 ? bytes : this.#numbered(bytes)
      }
      case BUFFER:
      case TYPED: {
        const place = this.#objects.push(undefined) - 1
        const array = this.#elements(tag, undefined)
        this.#objects[place] = array
        return array
      }
      case MAP:
        return this.#map(depth)
      case SET:
        return this.#set(depth)
      case DATE:
        return this.#numbered(new Date(tape.float()))
      case REF: {
        const number = tape.varint()
        if (number >= this.#objects.length) {
          throw tape.malformed('a reference to nothing')
        }
        return this.#objects[number]
      }
      case JS:
      case PY:
        return this.#handle(tag)
      case ERROR:
        return this.#error(depth)
      case NDARRAY:
        return this.#ndarray()
      default:
        throw tape.malformed(`a tag ${tag}`)
    }
  }

  #numbered<T>(object: T): T {
    this.#objects.push(object)
    return object
  }

  #array(depth: number): unknown[] {
    this.#descend(depth)
    const count = this.#tape.count(1)
    const array: unknown[] = this.#numbered([])
    let index = 0
    try {
      for (; index < count; index++) {
        array.push(this.#value(depth + 1))
      }
    } catch (error) {
      throw within(error, indexStep(index))
    }
    return array
  }

  #object(depth: number): Record<string, unknown> {
    this.#descend(depth)
    const count = this.#tape.count(2)
    const object: Record<string, unknown> = this.#numbered({})
    for (let index = 0; index < count; index++) {
      const number = this.#key()
      const key = this.#keys[number]!
      let value: unknown
      try {
        value = this.#value(depth + 1)
      } catch (error) {
        throw within(error, keyStep(key))
      }
      if (this.#inherited[number]) {
        Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
      } else {
        object[key] = value
      }
    }
    return object
  }

  /** The number of the next key. */
  #key(): number {
    const known = this.#tape.varint()
    if (known > this.#keys.length) {
      throw this.#tape.malformed('a key that was not named')
    }
    if (known > 0) {
      return known - 1
    }
    const key = this.#tape.name()
    this.#inherited.push(key in Object.prototype)
    return this.#keys.push(key) - 1
  }

  #map(depth: number): Map<unknown, unknown> {
    this.#descend(depth)
    const count = this.#tape.count(2)
    const map = this.#numbered(new Map<unknown, unknown>())
    for (let index = 0; index < count; index++) {
      const key = this.#value(depth + 1)
      map.set(key, this.#value(depth + 1))
    }
    return map
  }

  #set(depth: number): Set<unknown> {
    this.#descend(depth)
    const count = this.#tape.count(1)
    const set = this.#numbered(new Set<unknown>())
    for (let index = 0; index < count; index++) {
      set.add(this.#value(depth + 1))
    }
    return set
  }

  #handle(tag: number): unknown {
    const tape = this.#tape
    const kind = tape.byte()
    const id = tape.varint()
    const name = tape.name()
    return tag === JS ? this.#handles.own(id, name) : this.#handles.python(kind, id, name)
  }

  #error(depth: number): unknown {
    this.#descend(depth)
    const tape = this.#tape
    const tag = tape.byte()
    if (tag !== NULL && tag !== JS && tag !== PY) {
      throw tape.malformed('an error of nothing')
    }
    const original = tag === NULL ? null : this.#handle(tag)
    if (tape.byte() !== OBJECT) {
      throw tape.malformed('an error without fields')
    }
    return this.#handles.error(original, this.#object(depth + 1))
  }

  #ndarray(): NdArray {
    const place = this.#objects.push(undefined) - 1
    const tape = this.#tape
    const type = this.#elementType(false)
    const dimensions = tape.count(1)
    const shape: number[] = []
    for (let index = 0; index < dimensions; index++) {
      shape.push(tape.varint())
    }
    const tag = tape.byte()
    if (tag !== BUFFER && tag !== TYPED) {
      throw tape.malformed('an array without elements')
    }
    const data = this.#elements(tag, type)
    if (shape.reduce((product, size) => product * size, 1) !== data.length) {
      throw tape.malformed('an array of another shape')
    }
    const array = new NdArray(data, shape, type.name)
    this.#objects[place] = array
    return array
  }

  /** @param isBeside memory beside the tape may be a string of bytes as well */
  #elementType(isBeside: boolean): ElementType {
    const number = this.#tape.byte()
    const type = elementTypes[isBeside && number === BYTES_BESIDE ? 0 : number]
    if (type === undefined) {
      throw this.#tape.malformed(`elements of type ${number}`)
    }
    if (type.array === undefined) {
      throw new Unfit(
        `This Node.js (${process.version}) has no Float16Array; Node.js 24 has. ` +
          'Convert the array in Python: `.astype("float32")`.',
      )
    }
    return type
  }

  /** @param expected what the array around them says they are */
  #elements(tag: typeof BUFFER | typeof TYPED, expected: ElementType | undefined): TypedArray {
    const tape = this.#tape
    const memory = tag === BUFFER ? this.#buffer() : undefined
    const type = this.#elementType(memory !== undefined && expected === undefined)
    const bytes = memory ?? tape.bytes(tape.varint())
    if (bytes.length % type.size !== 0 || (expected !== undefined && expected !== type)) {
      throw tape.malformed('elements of another size')
    }
    const { buffer, byteOffset } = byteOffsetFits(bytes, type.size) ? bytes : Uint8Array.from(bytes)
    return new type.array!(buffer, byteOffset, bytes.length / type.size)
  }

  #buffer(): Buffer {
    const index = this.#tape.varint()
    const length = this.#tape.varint()
    const buffer = this.#buffers?.[this.#firstBuffer + index]
    if (buffer?.length !== length) {
      throw this.#tape.malformed('a buffer that is not there')
    }
    return buffer
  }

  #descend(depth: number): void {
    if (depth >= MAX_DEPTH) {
      throw new Unfit(`What is passed is more than ${MAX_DEPTH.toLocaleString('en')} levels deep.`)
    }
  }
}

function byteOffsetFits(bytes: Uint8Array, size: number): boolean {
  return bytes.byteOffset % size === 0
}
