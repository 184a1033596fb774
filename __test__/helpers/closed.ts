import type { Socket } from 'node:net'

/** Waits until a socket is closed, be it with an error, at which `once()` would reject. */
export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}
