// Tags, numbers and strings of a tape that is a string with a byte in each unit.

import { Unfit } from './place.js'

/** Longer slices of a string keep all of it alive. */
const SLICED = 12
/** So much may be kept alive by a small string. */
const SMALL_TEXT = 64 * 1024
/** Bytes that are faster copied one by one. */
const FEW = 32

const scratch = new Float64Array(1)
const scratchBytes = new Uint8Array(scratch.buffer)
const copied = Buffer.allocUnsafeSlow(4096)

export class TapeReader {
  #text = ''
  at = 0

  begin(text: string, at: number): void {
    this.#text = text
    this.at = at
  }

  /** Lets go of the text; `at` stays where it is. */
  end(): void {
    this.#text = ''
  }

  malformed(what: string): Unfit {
    return new Unfit(`Malformed at byte ${this.at}: ${what}. Please report this as a bug of amphis.`)
  }

  byte(): number {
    const { at } = this
    if (at >= this.#text.length) {
      throw this.malformed('it ends too early')
    }
    this.at = at + 1
    return this.#text.charCodeAt(at)
  }

  /** A number of at most 53 bits. */
  varint(): number {
    const first = this.#text.charCodeAt(this.at)
    // False for NaN, which stands behind the end.
    if (first < 0x80) {
      this.at++
      return first
    }
    return this.#longVarint()
  }

  #longVarint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 8; count++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) {
          break
        }
        return value
      }
      scale *= 0x80
    }
    throw this.malformed('a number that is too large')
  }

  /** How many things follow, each of at least `least` bytes. */
  count(least: number): number {
    const count = this.varint()
    if (count * least > this.#text.length - this.at) {
      throw this.malformed(`${count} things, which is more than there is`)
    }
    return count
  }

  /** A whole number with its sign in the lowest bit. */
  integer(): number {
    const first = this.byte()
    let magnitude = (first & 0x7f) >> 1
    if (first >= 0x80) {
      magnitude += this.varint() * 64
    }
    const value = first & 1 ? -magnitude - 1 : magnitude
    if (!Number.isSafeInteger(value)) {
      throw this.malformed('a number that is too large')
    }
    return value
  }

  float(): number {
    const start = this.#take(8)
    for (let index = 0; index < 8; index++) {
      scratchBytes[index] = this.#text.charCodeAt(start + index)
    }
    return scratch[0]!
  }

  bigint(): bigint {
    const sign = this.byte()
    const length = this.varint()
    const start = this.#take(length)
    if (sign > 1) {
      throw this.malformed('a sign that is none')
    }
    let digits = '0x0'
    for (let at = start + length - 1; at >= start; at--) {
      digits += this.#text.charCodeAt(at).toString(16).padStart(2, '0')
    }
    const magnitude = BigInt(digits)
    return sign === 1 ? -magnitude : magnitude
  }

  /** A string of this many units, each a byte. */
  latin1(length: number): string {
    const start = this.#take(length)
    const slice = this.#text.slice(start, start + length)
    if (length <= SLICED || this.#text.length <= SMALL_TEXT) {
      return slice
    }
    return copyOf(slice)
  }

  /** A string of this many units, each two bytes. */
  utf16(length: number): string {
    const start = this.#take(length * 2)
    if (length > FEW) {
      return Buffer.from(this.#text.slice(start, start + length * 2), 'latin1').toString('utf16le')
    }
    const text = this.#text
    let units = ''
    for (let at = start; at < start + length * 2; at += 2) {
      units += String.fromCharCode(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8))
    }
    return units
  }

  /** A string as keys and handles have it. */
  name(): string {
    const head = this.varint()
    const length = Math.floor(head / 2)
    return head % 2 === 1 ? this.utf16(length) : this.latin1(length)
  }

  /** A copy of this many bytes, in memory of its own. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length)
    const bytes = new Uint8Array(length)
    if (length > FEW) {
      Buffer.from(bytes.buffer).write(this.#text.slice(start, start + length), 'latin1')
    } else {
      for (let index = 0; index < length; index++) {
        bytes[index] = this.#text.charCodeAt(start + index)
      }
    }
    return bytes
  }

  /** Passes over this many bytes and returns where they begin. */
  #take(length: number): number {
    const start = this.at
    if (length > this.#text.length - start) {
      throw this.malformed('it ends too early')
    }
    this.at = start + length
    return start
  }
}

/** The same string, which keeps no other one alive. */
function copyOf(slice: string): string {
  const { length } = slice
  if (length <= copied.length) {
    copied.write(slice, 'latin1')
    return copied.toString('latin1', 0, length)
  }
  return Buffer.from(slice, 'latin1').toString('latin1')
}
