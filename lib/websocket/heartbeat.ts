import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/**
 * Pings a client, and ends the connection of one that does not answer (RFC 6455 5.5.2). Whatever it sends is an answer:
 * its pong may be behind much that a slow app has not received.
 */
export class Heartbeat {
  readonly #webSocket: WebSocket
  readonly #stream: CountedStream
  readonly #interval: number
  readonly #timeout: number
  #timer: NodeJS.Timeout
  #isWaiting = false
  /** What had been read when the answer was last waited for. */
  #read = 0

  /**
   * @param stream what the WebSocket is framed on
   * @param interval milliseconds from the last answer to the next ping
   * @param timeout milliseconds that the answer may take; 0 for any
   */
  constructor(webSocket: WebSocket, stream: Duplex, interval: number, timeout: number) {
    this.#webSocket = webSocket
    this.#stream = stream
    this.#interval = interval
    this.#timeout = timeout
    this.#timer = setTimeout(this.#ping, interval).unref()
    webSocket.on('pong', this.#onPong)
  }

  stop(): void {
    this.#isWaiting = false
    clearTimeout(this.#timer)
  }

  readonly #ping = (): void => {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) {
      return
    }
    this.#webSocket.ping()
    this.#isWaiting = true
    this.#read = bytesRead(this.#stream)
    this.#timer =
      this.#timeout > 0
        ? setTimeout(this.#giveUp, this.#timeout).unref()
        : setTimeout(this.#ping, this.#interval).unref()
  }

  readonly #onPong = (): void => {
    if (this.#isWaiting) {
      this.#isWaiting = false
      clearTimeout(this.#timer)
      this.#timer = setTimeout(this.#ping, this.#interval).unref()
    }
  }

  readonly #giveUp = (): void => {
    // Timers come before what the sockets have: a loop that was held up reads first.
    setImmediate(this.#judge)
  }

  readonly #judge = (): void => {
    if (!this.#isWaiting) {
      return
    }
    const read = bytesRead(this.#stream)
    if (this.#webSocket.isPaused || read !== this.#read) {
      this.#read = read
      if (this.#webSocket.isPaused && this.#webSocket.readyState === this.#webSocket.OPEN) {
        // Nothing is read, so only writing finds out that the connection is lost.
        this.#webSocket.ping()
      }
      this.#timer = setTimeout(this.#giveUp, this.#timeout).unref()
    } else {
      this.#webSocket.terminate()
    }
  }
}

/** A socket counts what it reads; a stream of HTTP/2 has only that of its connection. */
interface CountedStream extends Duplex {
  bytesRead?: number
  session?: { socket?: { bytesRead?: number } }
}

function bytesRead({ bytesRead: own, session }: CountedStream): number {
  if (own !== undefined) {
    return own
  }
  try {
    return session?.socket?.bytesRead ?? 0
  } catch {
    // The session is gone, and its proxy of a socket with it.
    return 0
  }
}
