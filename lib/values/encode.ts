// JavaScript values to a tape.

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

/** Writes one payload at a time, into memory that it keeps. */
export class Encoder {
  readonly #handles: EncodeHandles
  #bytes = new Uint8Array(4096)
  #at = 0

  constructor(handles: EncodeHandles) {
    this.#handles = handles
  }

  /**
   * Forgets what was encoded, also by an encode that has failed.
   *
   * @param transfer typed arrays over this memory are written as buffers, whatever their size
   */
  begin(transfer?: readonly ArrayBufferLike[]): void {
    this.#at = 0
    void transfer
    void this.#handles
  }

  /** A number of at most 53 bits. */
  varint(number: number): void {
    void number
  }

  byte(number: number): void {
    this.#bytes[this.#at++] = number
  }

  /** A string as handles have them: no value. */
  string(text: string): void {
    void text
  }

  /**
   * @param root what its place is called in errors: `args`
   * @throws ConversionError naming the place of what cannot be passed
   */
  value(value: unknown, root: string): void {
    void value
    void root
  }

  end(): Encoded {
    return { bytes: this.#bytes, length: this.#at, buffers: [] }
  }
}
