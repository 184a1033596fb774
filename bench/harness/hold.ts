import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Opens connections that each ask for `path` and keep them open; resolves when `ready` is true of what each received. */
export async function hold(
  port: number,
  path: string,
  count: number,
  ready: (received: string) => boolean,
): Promise<Held> {
  const sockets: Socket[] = []
  const held = { release: () => sockets.forEach((socket) => socket.destroy()) }
  try {
    // Some at a time: a queue of connections longer than a server's backlog would be refused.
    for (let opened = 0; opened < count; opened += 50) {
      const batch = Array.from({ length: Math.min(50, count - opened) }, () => open(port, path, ready))
      sockets.push(...(await Promise.all(batch)))
    }
  } catch (error) {
    held.release()
    throw error
  }
  return held
}

export interface Held {
  release(): void
}

async function open(port: number, path: string, ready: (received: string) => boolean): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    let received = ''
    while (!ready(received)) {
      const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer]
      received += chunk.toString('latin1')
    }
  } catch (error) {
    socket.destroy()
    throw error
  }
  // A server that is stopped later resets it: no news to anyone.
  socket.on('error', () => {})
  return socket
}
