// The growing bytes that an encoder writes into: tags, numbers and strings. Kept from one payload to the next.

import { LATIN1, MAX_TAPE, UTF16 } from './tags.js'
import { Unfit } from './place.js'

const FIRST_SIZE = 16 * 1024
/** Larger memory is let go of after the payload that needed it. */
const KEPT_SIZE = 1024 * 1024
/** Longer strings are written by Node.js, shorter ones faster without. */
const LONG_STRING = 64
/** What a tag and a number take at most, with some room. */
const HEAD = 16

const TWO_32 = 2 ** 32

const beyondLatin1 = /[^\0-\u00FF]/

export class TapeWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_SIZE)
  at = 0
  /** Over the same memory. */
  #view = new DataView(this.bytes.buffer)

  reset(): void {
    this.at = 0
    this.take()
  }

  /** The bytes that were written. They stay this writer's, unless they are many: those are let go of. */
  take(): Buffer {
    const { bytes } = this
    if (bytes.length > KEPT_SIZE) {
      this.#use(Buffer.allocUnsafeSlow(FIRST_SIZE))
    }
    return bytes
  }

  #use(bytes: Buffer): void {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }

  /** Makes room for a head and `count` bytes more. */
  reserve(count: number): void {
    const wanted = this.at + count + HEAD
    if (wanted > this.bytes.length) {
      this.#grow(wanted)
    }
  }

  #grow(wanted: number): void {
    if (wanted > MAX_TAPE) {
      throw new Unfit('With this, what is passed is larger than 512 MiB. Pass less at once, or a file of it.')
    }
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(wanted, this.bytes.length * 2), MAX_TAPE))
    this.bytes.copy(larger, 0, 0, this.at)
    this.#use(larger)
  }

  byte(value: number): void {
    this.reserve(0)
    this.bytes[this.at++] = value
  }

  /** A number of at most 53 bits. There must be room for it. */
  putVarint(value: number): void {
    if (value < 0x80) {
      this.bytes[this.at++] = value
    } else {
      const low = value >>> 0
      this.#putHalves(low, (value - low) / TWO_32)
    }
  }

  /** A number by its upper and lower 32 bits, which is much faster than with remainders of numbers beyond them. */
  #putHalves(low: number, high: number): void {
    const { bytes } = this
    let { at } = this
    while (high !== 0) {
      bytes[at++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    while (low > 0x7f) {
      bytes[at++] = (low & 0x7f) | 0x80
      low >>>= 7
    }
    bytes[at++] = low
    this.at = at
  }

  varint(value: number): void {
    this.reserve(0)
    this.putVarint(value)
  }

  tagged(tag: number, value: number): void {
    this.reserve(0)
    this.bytes[this.at++] = tag
    this.putVarint(value)
  }

  /** A whole number of at most 53 bits, the sign in the lowest bit. There must be room for it. */
  putInteger(value: number): void {
    // -n - 1 is exact where 2 * n is not.
    const magnitude = value < 0 ? -value - 1 : value
    const sign = value < 0 ? 1 : 0
    if (magnitude < 64) {
      this.bytes[this.at++] = (magnitude << 1) | sign
      return
    }
    const low = magnitude >>> 0
    const high = (magnitude - low) / TWO_32
    this.bytes[this.at++] = ((low & 0x3f) << 1) | sign | 0x80
    this.#putHalves(((low >>> 6) | (high << 26)) >>> 0, high >>> 6)
  }

  /** There must be room for it. */
  putFloat(value: number): void {
    this.#view.setFloat64(this.at, value, true)
    this.at += 8
  }

  /** A string as a value: the tag says how it is written. */
  text(text: string): void {
    const { length } = text
    if (length > LONG_STRING) {
      const isWide = beyondLatin1.test(text)
      this.#reserveText(length, isWide)
      this.bytes[this.at++] = isWide ? UTF16 : LATIN1
      this.putVarint(length)
      this.#putLong(text, isWide)
      return
    }
    this.reserve(2 * length)
    const start = this.at
    this.bytes[start] = LATIN1
    // One byte: a short length.
    this.bytes[start + 1] = length
    this.at = start + 2
    if (!this.#putLatin1(text)) {
      this.bytes[start] = UTF16
      this.#putUtf16(text)
    }
  }

  /** A string as keys and handles have it: the lowest bit of its length says how it is written. */
  name(text: string): void {
    const { length } = text
    if (length > LONG_STRING) {
      const isWide = beyondLatin1.test(text)
      this.#reserveText(length, isWide)
      this.putVarint(length * 2 + (isWide ? 1 : 0))
      this.#putLong(text, isWide)
      return
    }
    this.reserve(2 * length)
    const start = this.at
    this.putVarint(length * 2)
    if (!this.#putLatin1(text)) {
      this.bytes[start]! |= 1
      this.#putUtf16(text)
    }
  }

  #reserveText(length: number, isWide: boolean): void {
    this.reserve(isWide ? 2 * length : length)
  }

  #putLong(text: string, isWide: boolean): void {
    this.at += this.bytes.write(text, this.at, isWide ? 'utf16le' : 'latin1')
  }

  /** Returns false, with nothing written, where a unit does not fit into a byte. */
  #putLatin1(text: string): boolean {
    const { bytes, at } = this
    const { length } = text
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index)
      if (unit > 0xff) {
        return false
      }
      bytes[at + index] = unit
    }
    this.at = at + length
    return true
  }

  #putUtf16(text: string): void {
    const { bytes } = this
    const { length } = text
    let { at } = this
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index)
      bytes[at++] = unit & 0xff
      bytes[at++] = unit >> 8
    }
    this.at = at
  }

  /** The memory of a view, with its length before it. */
  block(view: ArrayBufferView): void {
    const { byteLength } = view
    this.reserve(byteLength)
    this.putVarint(byteLength)
    this.bytes.set(new Uint8Array(view.buffer, view.byteOffset, byteLength), this.at)
    this.at += byteLength
  }

  /** Magnitude of a bigint, with its sign and length before it. */
  bigint(value: bigint): void {
    const magnitude = value < 0n ? -value : value
    const digits = magnitude === 0n ? '' : magnitude.toString(16)
    const length = Math.ceil(digits.length / 2)
    this.reserve(length)
    this.bytes[this.at++] = value < 0n ? 1 : 0
    this.putVarint(length)
    for (let end = digits.length; end > 0; end -= 2) {
      this.bytes[this.at++] = Number.parseInt(digits.slice(Math.max(0, end - 2), end), 16)
    }
  }
}
