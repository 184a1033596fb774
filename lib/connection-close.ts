import type { Socket } from 'node:net'

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
