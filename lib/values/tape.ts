// The growing bytes that an encoder writes into: tags, numbers and strings. Kept from one payload to the next.

import { LATIN1, MAX_TAPE, UTF16 } from './tags.js'
import { Unfit } from './place.js'

const FIRST_SIZE = 16 * 1024
/** Larger memory is given back after the payload that needed it. */
const KEPT_SIZE = 1024 * 1024
/** Longer strings are written by Node.js, shorter ones faster without. */
const LONG_STRING = 64
/** What a tag and a number take at most, with some room. */
const HEAD = 16

const beyondLatin1 = /[^\0-\u00FF]/
const scratch = new Float64Array(1)
const scratchBytes = new Uint8Array(scratch.buffer)

export class TapeWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_SIZE)
  at = 0

  reset(): void {
    this.at = 0
    if (this.bytes.length > KEPT_SIZE) {
      this.bytes = Buffer.allocUnsafeSlow(FIRST_SIZE)
    }
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
    this.bytes = larger
  }

  byte(value: number): void {
    this.reserve(0)
    this.bytes[this.at++] = value
  }

  /** A number of at most 53 bits. There must be room for it. */
  putVarint(value: number): void {
    const { bytes } = this
    let left = value
    while (left > 0x7fff_ffff) {
      bytes[this.at++] = (left % 0x80) | 0x80
      left = Math.floor(left / 0x80)
    }
    while (left > 0x7f) {
      bytes[this.at++] = (left & 0x7f) | 0x80
      left >>>= 7
    }
    bytes[this.at++] = left
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
    this.bytes[this.at++] = ((magnitude % 64) << 1) | sign | 0x80
    this.putVarint(Math.floor(magnitude / 64))
  }

  /** There must be room for it. */
  putFloat(value: number): void {
    const { bytes, at } = this
    scratch[0] = value
    for (let index = 0; index < 8; index++) {
      bytes[at + index] = scratchBytes[index]!
    }
    this.at = at + 8
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
