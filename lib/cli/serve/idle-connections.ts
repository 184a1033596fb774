import type { Socket } from 'node:net'
import type { PythonServer } from '../../server/server.js'

/**
 * Ends the idle connections of a server, as `server.closeIdleConnections()` does, but for those whose last response is
 * still on its way out: Node counts them as idle, and would cut it off.
 *
 * @param sockets those that HTTP is spoken on; of HTTPS that is the side within TLS
 * @param instead what becomes of those
 */
export function closeIdleConnections(
  server: PythonServer,
  sockets: Iterable<Socket>,
  instead: (socket: Socket) => void,
): void {
  if (!('closeIdleConnections' in server)) return
  const sending = sendingOf(sockets)
  for (const socket of sending)
    Object.defineProperty(socket, 'destroy', { value: instead.bind(undefined, socket), configurable: true })
  try {
    server.closeIdleConnections()
  } finally {
    for (const socket of sending) delete (socket as Partial<Socket>).destroy
  }
}

/** Those that have not sent everything yet. */
export function sendingOf(sockets: Iterable<Socket>): Socket[] {
  return Array.from(sockets).filter(({ writableLength }) => writableLength > 0)
}
