import { wrong } from './wrong.js'

const CR = 13
const LF = 10

/**
 * Reads responses from the pieces of a socket, one after the other: heads, and bodies of an announced length or in
 * chunks. Of a body nothing is copied: `onBody` sees where it lies in the piece.
 */
export class ResponseReader {
  #on
  #head = ''
  #state = 'head'
  #chunked = false
  #left = 0
  #line = ''

  /**
   * @param {{
   *   head?: (status: number, headers: Map<string, string>) => void,
   *   body: (piece: Buffer, from: number, to: number) => void,
   *   end: () => void,
   * }} on
   */
  constructor(on) {
    this.#on = on
  }

  /** Takes a piece: the first `size` bytes of a buffer. */
  take(piece, size) {
    let at = 0
    while (at < size) {
      at = this.#step(piece, at, size)
    }
  }

  #step(piece, at, size) {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(piece, at, size)
      case 'body': {
        const to = Math.min(size, at + this.#left)
        this.#on.body(piece, at, to)
        this.#left -= to - at
        if (this.#left === 0) {
          if (this.#chunked) {
            this.#state = 'chunk-end'
          } else {
            this.#end()
          }
        }
        return to
      }
      default:
        return this.#takeLine(piece, at, size)
    }
  }

  #takeHead(piece, at, size) {
    const before = this.#head.length
    this.#head += piece.latin1Slice(at, Math.min(size, at + 16_384))
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) {
      return at + this.#head.length - before
    }
    const [status, ...lines] = this.#head.slice(0, end).split('\r\n')
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    if (!status.startsWith('HTTP/1.1 ')) {
      throw wrong(`answered ${JSON.stringify(status.slice(0, 100))}`)
    }
    this.#head = ''
    this.#chunked = headers.get('transfer-encoding') === 'chunked'
    this.#left = Number(headers.get('content-length') ?? (this.#chunked ? 0 : Number.NaN))
    if (!Number.isInteger(this.#left)) {
      throw wrong('announced neither a length nor chunks')
    }
    this.#on.head?.(Number(status.slice(9, 12)), headers)
    if (this.#chunked) {
      this.#state = 'chunk-size'
    } else if (this.#left === 0) {
      this.#end()
    } else {
      this.#state = 'body'
    }
    return at + end + 4 - before
  }

  /** The lines between chunks: a size, the empty line after a chunk, the empty line after the last one. */
  #takeLine(piece, at, size) {
    const end = piece.indexOf(LF, at)
    if (end < 0 || end >= size) {
      this.#line += piece.latin1Slice(at, size)
      return size
    }
    const line = this.#line + piece.latin1Slice(at, piece[end - 1] === CR && end > at ? end - 1 : end)
    this.#line = ''
    if (this.#state === 'chunk-size') {
      this.#left = Number.parseInt(line, 16)
      if (!(this.#left >= 0)) {
        throw wrong(`sent ${JSON.stringify(line.slice(0, 100))} where the size of a chunk belongs`)
      }
      this.#state = this.#left === 0 ? 'last' : 'body'
    } else if (line.trimEnd() !== '') {
      throw wrong(`sent ${JSON.stringify(line.slice(0, 100))} after a chunk`)
    } else if (this.#state === 'last') {
      this.#end()
    } else {
      this.#state = 'chunk-size'
    }
    return end + 1
  }

  #end() {
    this.#state = 'head'
    this.#on.end()
  }
}
