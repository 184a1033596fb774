// The end of a connection: one listener for all its pipelined requests.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isGone, isHttp2 } from './http2-response.js'

const LISTENERS: unique symbol = Symbol('amphis.closeListeners')

interface WatchedSocket extends Socket {
  [LISTENERS]?: Set<() => void>
}

/**
 * Calls `listener` when the connection is closed. A connection may have any number of pipelined requests, so all of
 * them share one listener of the socket.
 */
export function watchConnection(socket: WatchedSocket, listener: () => void): void {
  let listeners = socket[LISTENERS]
  if (listeners === undefined) {
    const made = new Set<() => void>()
    socket[LISTENERS] = made
    listeners = made
    socket.once('close', () => {
      for (const each of made) {
        each()
      }
    })
  }
  listeners.add(listener)
}

/** Takes a listener back, if it is there. */
export function unwatchConnection(socket: WatchedSocket, listener: () => void): void {
  socket[LISTENERS]?.delete(listener)
}

/**
 * Calls `listener` when nothing more of a response can reach the client, be it that all of it has: once or more often.
 * {@link unwatchConnection} forgets what it keeps at the connection.
 */
export function watchEnd(request: IncomingMessage, response: ServerResponse, listener: () => void): void {
  response.on('close', listener)
  if (isHttp2(response)) {
    // A stream that was reset is closed only once its body was read, and the app may read no more of it.
    request.on('aborted', listener)
  } else if (response.socket === null) {
    // A pipelined response has no socket before its turn, and is not told when the connection goes.
    watchConnection(request.socket, listener)
  }
}

/** Calls `listener` once when a response is over: it has reached the connection, or nothing more can. */
export function whenOver(request: IncomingMessage, response: ServerResponse, listener: () => void): void {
  if (isGone(response) || response.closed) {
    listener()
    return
  }
  const over = (): void => {
    unwatchConnection(request.socket, over)
    listener()
  }
  watchEnd(request, response, over)
}
