import { Buffer } from 'node:buffer'
import { AmphisError } from '../base/errors.js'
import { PIECE_COST } from '../bridge/bridge.js'

/** Bytes read after which Python is told, while it may still be sending. */
const CREDIT = 64 * 1024

interface Reader {
  resolve: (result: IteratorResult<Buffer, undefined>) => void
  reject: (error: Error) => void
}

/**
 * The body of a response made by hand: what has come in and was not read. Bytes are copied out of Python's memory,
 * which must not be written to.
 */
export class ResponseBody implements AsyncIterator<Buffer, undefined> {
  #pieces: (string | Buffer)[] = []
  #isEnded: boolean
  #error: Error | undefined
  #uncredited = 0
  #isTaken = false
  readonly #readers: Reader[] = []
  readonly #credit: (bytes: number) => void
  readonly #leave: () => void

  /**
   * @param credit Told how many bytes were read.
   * @param leave Called when the reader stops early.
   */
  constructor(first: string | Buffer, isEnded: boolean, credit: (bytes: number) => void, leave: () => void) {
    if (first.length > 0) {
      this.#pieces.push(first)
    }
    this.#isEnded = isEnded
    this.#credit = credit
    this.#leave = leave
  }

  push(piece: string | Buffer, isEnded: boolean): void {
    if (this.#isEnded) {
      // Given up already; what was on its way is for nobody.
      return
    }
    if (piece.length > 0) {
      this.#pieces.push(piece)
    }
    this.#isEnded = isEnded
    this.#serve()
  }

  fail(error: Error): void {
    if (!this.#isEnded) {
      this.#isEnded = true
      this.#error = error
      this.#serve()
    }
  }

  /**
   * All of it where nothing is missing and nobody has read of it; `undefined` otherwise. The bytes are Python's own: they
   * must not be written to.
   */
  takeWhole(): Buffer | undefined {
    if (!this.#isEnded || this.#isTaken || this.#error !== undefined) {
      return undefined
    }
    this.#isTaken = true
    const pieces = this.#pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece))
    this.#pieces = []
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  /** All of it. Rejects with what ended the response early. */
  async readAll(): Promise<Buffer> {
    if (this.#isTaken) {
      throw new AmphisError(
        'AMPHIS_ERR_BODY_CONSUMED',
        'The body of this response was read before; it can be read once.',
      )
    }
    const pieces: Buffer[] = []
    for (;;) {
      const { value, done } = await this.next()
      if (done === true) {
        return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
      }
      pieces.push(value)
    }
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    this.#isTaken = true
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject })
      this.#serve()
    })
  }

  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#pieces = []
    if (!this.#isEnded) {
      this.#isEnded = true
      this.#leave()
    }
    this.#serve()
    return Promise.resolve({ value: undefined, done: true })
  }

  #serve(): void {
    while (this.#readers.length > 0 && (this.#pieces.length > 0 || this.#isEnded)) {
      const { resolve, reject } = this.#readers.shift()!
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        this.#count(piece.length)
        resolve({ value: typeof piece === 'string' ? Buffer.from(piece, 'latin1') : Buffer.from(piece), done: false })
      } else if (this.#error === undefined) {
        resolve({ value: undefined, done: true })
      } else {
        reject(this.#error)
        this.#error = undefined
      }
    }
  }

  #count(bytes: number): void {
    if (!this.#isEnded) {
      this.#uncredited += bytes + PIECE_COST
      if (this.#uncredited >= CREDIT) {
        this.#credit(this.#uncredited)
        this.#uncredited = 0
      }
    }
  }
}
