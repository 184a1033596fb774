// A tape to JavaScript values.

/** What the tape refers to by number. */
export interface DecodeHandles {
  /** A Python object: its proxy. */
  python(kind: number, id: number, name: string): unknown
  /** An object of JavaScript comes home. */
  own(id: number): unknown
  /** The error for an exception of Python. `original` is what its handle led to, null where it has none. */
  error(original: unknown, fields: Record<string, unknown>): unknown
}

/** Reads one payload at a time, whatever it holds: what is not well-formed is an error. */
export class Decoder {
  readonly #handles: DecodeHandles
  #at = 0

  constructor(handles: DecodeHandles) {
    this.#handles = handles
  }

  /** Where the next byte is. */
  get at(): number {
    return this.#at
  }

  /**
   * @param text the bytes, a unit each
   * @param at where the payload begins
   * @param buffers what it refers to by index, from that of number `buffer` on
   */
  begin(text: string, at: number, buffers: readonly Buffer[] | undefined, buffer: number): void {
    this.#at = at
    void text
    void buffers
    void buffer
    void this.#handles
  }

  /** A number of at most 53 bits. */
  varint(): number {
    return 0
  }

  byte(): number {
    return 0
  }

  /** A string as handles have them: no value. */
  string(): string {
    return ''
  }

  /** @param root what its place is called in errors: `result` */
  value(root: string): unknown {
    return root
  }
}
