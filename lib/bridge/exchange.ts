// What the bridge hands on to a request or a WebSocket.
import type { AmphisError } from '../base/errors.js'

/** A file that Rust has opened, to be closed here. */
export interface OpenFile {
  readonly descriptor: number
  /** Bytes to be sent of it. */
  readonly size: number
  /** For messages. */
  readonly path: string
}

/** One request or WebSocket as the bridge sees it. Its methods run on the way from Python and must not throw. */
export interface Exchange {
  /** The head of the response, with the first piece of its body. `end`: the response is whole. */
  onResponse(status: number, headers: string[], body: string | Buffer, end: boolean): void
  /** A further piece of the body. */
  onChunk(body: string | Buffer, end: boolean): void
  /** The app failed. `destroy`: what is on the wire can't be mended. */
  onFail(error: AmphisError, destroy: boolean): void
  /** Python has read so much of the request's body. */
  onAck(bytes: number, parts: number): void
  /** The app has returned: nothing more comes, and the request's body is no longer needed. */
  onDone(): void

  // Only where the scope offers the extension.

  /** The rest of the body is an open file, which has to be closed here. `end`: the response is whole with it. */
  onFile?(file: OpenFile, end: boolean): void
  /** Trailers: names and values in turn. */
  onTrailers?(fields: string[], end: boolean): void
  /** Links for a `103 Early Hints`. */
  onEarlyHints?(links: string[]): void
  /** The app waits for the request's body, which the client holds back. */
  onContinue?(): void

  // Only WebSockets.

  /** The handshake is accepted. */
  onAccept?(subprotocol: string, headers: string[]): void
  /** A message for the client; a string is latin-1, the bytes of a text are UTF-8. */
  onMessage?(data: string | Buffer, isText: boolean): void
  /** The app closes the WebSocket, or refuses it; `reason` is UTF-8 as latin-1. */
  onClose?(code: number, reason: string): void
}
