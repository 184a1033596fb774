import { ServerResponse } from 'node:http'
import type { AmphisError } from '../base/errors.js'
import { PIECE_COST } from '../bridge/bridge.js'
import type { OpenFile } from '../bridge/exchange.js'
import { hasName } from '../wire/default-headers.js'
import { abortResponse, http2Fields, http2Record, isGone, isHttp2 } from '../wire/http2-response.js'
import { defaultsOf } from '../wire/served-socket.js'
import { sendFile, type BodyCounter } from './response-file.js'

/** Bytes taken by the socket after which Python is told, while nothing holds it up. */
const CREDIT = 64 * 1024
/**
 * Bytes that an app may be ahead beyond what Rust lets be on its way (`HIGH_WATER` in `src/body.rs`), while the socket takes
 * at once whatever it is given: with them the two threads work at the same time instead of waiting for each other.
 */
const AHEAD = 256 * 1024

const { write: plainWrite, writeHead: plainWriteHead } = ServerResponse.prototype

/** A response that a host compresses keeps what it is given until it has enough, or is told to send it. */
interface HeldResponse extends ServerResponse {
  flush?: () => void
}

/** Node's own is deprecated, does nothing for bodies, and warns. */
const { flush: plainFlush } = ServerResponse.prototype as HeldResponse

/** Who is told how much of a response has left. */
export interface CreditTaker {
  credit(bytes: number): void
  /** What the host does with the response has failed, outside of any call. */
  failed?(error: unknown): void
}

/** Puts what Python sends on a Node response, and tells Python how far the client has followed. */
export class ResponseWriter {
  readonly #response: ServerResponse
  readonly #taker: CreditTaker
  readonly #counter: BodyCounter | undefined
  /** Bytes written that Python does not know to be taken. */
  #uncredited = 0
  /** What Python was given to run ahead. */
  #ahead = 0
  #isDraining = false
  /** What is drained in this turn of Node's loop, the socket has taken at once. */
  #isThisTurn = false
  #isListening = false
  #isFileOnItsWay = false
  #isFlushing = false
  #trailers: string[] = []
  #areTrailersWhole = false

  constructor(response: ServerResponse, taker: CreditTaker, counter?: BodyCounter) {
    this.#response = response
    this.#taker = taker
    this.#counter = counter
  }

  /** The head, and the first piece of the body or all of it. */
  start(status: number, headers: string[], body: string | Buffer, end: boolean): void {
    const response = this.#response
    defaultsOf(response)?.addTo(headers, response)
    if (isUntouched(response)) {
      response.writeHead(status, headers)
    } else {
      // Middleware has set headers, or wants to see ours before they go out; or it is HTTP/2.
      mergeHeaders(response, isHttp2(response) ? http2Fields(headers) : headers)
      response.writeHead(status)
    }
    if (end || body.length > 0) {
      this.write(body, end)
    } else if (response.write === plainWrite) {
      // As flushHeaders(), which would write the bytes of the head as UTF-8.
      response.write('', 'latin1')
    } else {
      response.flushHeaders()
    }
  }

  /** A piece of the body; strings are latin-1. */
  write(body: string | Buffer, end: boolean): void {
    const response = this.#response
    if (this.#counter !== undefined) {
      this.#counter.bodyBytes += body.length
    }
    if (end) {
      if (body.length === 0) {
        response.end()
      } else {
        response.end(body, 'latin1')
      }
      return
    }
    if (body.length === 0) {
      return
    }
    this.#uncredited += body.length + PIECE_COST
    const isTaken = response.write(body, 'latin1')
    this.#flushSoon()
    if (!isTaken) {
      this.#awaitDrain()
    } else if (this.#uncredited >= CREDIT && !this.#isDraining) {
      this.#giveCredit(this.#ahead)
    }
  }

  /** Has what was written sent by a host that compresses: once for what comes together, since it costs compression. */
  #flushSoon(): void {
    const response: HeldResponse = this.#response
    if (this.#isFlushing || response.flush === plainFlush || typeof response.flush !== 'function') {
      return
    }
    this.#isFlushing = true
    setImmediate(() => {
      this.#isFlushing = false
      if (!response.writableEnded && !isGone(response)) {
        try {
          response.flush?.()
        } catch (error) {
          this.#taker.failed?.(error)
        }
      }
    })
  }

  /** An open file as the rest of the body; `end`: no trailers follow. */
  file(file: OpenFile, end: boolean, onError: (error: AmphisError) => void): void {
    this.#isFileOnItsWay = true
    sendFile(this.#response, file, this.#counter, (error) => {
      this.#isFileOnItsWay = false
      if (error !== undefined) {
        onError(error)
      } else if (end) {
        this.#response.end()
      } else if (this.#areTrailersWhole) {
        this.#endWithTrailers()
      }
    })
  }

  /** Trailers, names and values in turn; they go out with the last of them. */
  trailers(fields: readonly string[], end: boolean): void {
    this.#trailers.push(...fields)
    this.#areTrailersWhole = end
    if (end && !this.#isFileOnItsWay) {
      this.#endWithTrailers()
    }
  }

  #endWithTrailers(): void {
    const response = this.#response
    if (isHttp2(response)) {
      // Node takes lists as well.
      response.addTrailers(http2Record(this.#trailers) as unknown as Record<string, string>)
    } else {
      const fields: [string, string][] = []
      for (let at = 0; at < this.#trailers.length; at += 2) {
        fields.push([this.#trailers[at]!, this.#trailers[at + 1]!])
      }
      response.addTrailers(fields)
    }
    response.end()
  }

  #awaitDrain(): void {
    if (!this.#isDraining) {
      this.#isDraining = true
      this.#isThisTurn = true
      setImmediate(() => {
        this.#isThisTurn = false
      })
    }
    if (!this.#isListening) {
      // One listener for good: `compression` takes listeners over and can't give one back.
      this.#isListening = true
      this.#response.on('drain', () => {
        this.#isDraining = false
        this.#giveCredit(this.#isThisTurn && this.#uncredited >= CREDIT ? AHEAD : 0)
      })
    }
  }

  /** Tells Python what has left, and has it run `ahead` so far: at once, or as what is on its way leaves. */
  #giveCredit(ahead: number): void {
    const bytes = Math.max(0, this.#uncredited + ahead - this.#ahead)
    this.#ahead += bytes - this.#uncredited
    this.#uncredited = 0
    if (bytes > 0) {
      this.#taker.credit(bytes)
    }
  }
}

/**
 * Ends a response that can't be completed, never cleanly: the client must not take half a response for a whole one.
 * What was written of it leaves first.
 */
export function cutOff(response: ServerResponse): void {
  // Node writes at the end of the tick.
  process.nextTick(() => abortResponse(response))
}

/** What a host may have said of a body that is another one. */
const OF_ANOTHER_BODY = ['content-length', 'content-encoding', 'content-range', 'etag', 'trailer']

/** Undoes the framing that the host has set, and what else it says of another body. */
function clearFraming(response: ServerResponse, headers: readonly string[]): void {
  for (const name of OF_ANOTHER_BODY) {
    if (response.hasHeader(name)) {
      response.removeHeader(name)
    }
  }
  if (response.hasHeader('transfer-encoding')) {
    if (hasName(headers, 'content-length') || response.req.httpVersion === '1.0') {
      response.removeHeader('transfer-encoding')
    } else {
      // Node takes its removal as a wish for no chunks at all.
      response.setHeader('transfer-encoding', 'chunked')
    }
  }
}

/** Whether no middleware has set anything, nor wants to see our head before it goes out. */
function isUntouched(response: ServerResponse): boolean {
  return response.writeHead === plainWriteHead && !response.statusMessage && response.getHeaderNames().length === 0
}

/**
 * Sets the app's headers over those that the host has set; cookies and `vary` of both are kept. How the body is framed
 * and what the status is called belong to the app's response alone.
 */
export function mergeHeaders(response: ServerResponse, headers: readonly string[]): void {
  if (response instanceof ServerResponse) {
    response.statusMessage = ''
  }
  clearFraming(response, headers)
  const seen = new Set<string>()
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!
    const value = headers[at + 1]!
    const key = name.toLowerCase()
    if (seen.has(key) || key === 'set-cookie' || key === 'vary') {
      response.appendHeader(name, value)
    } else {
      response.setHeader(name, value)
    }
    seen.add(key)
  }
}
