import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

export interface Listening<T> {
  server: T
  port: number
  url: string
}

/** Has any server of Node's listen on a free port of 127.0.0.1 until the test ends. */
export async function listen<T extends Server>(t: ExecutionContext, server: T): Promise<Listening<T>> {
  endAfter(t, server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const scheme = 'setSecureContext' in server ? 'https' : 'http'
  return { server, port, url: `${scheme}://127.0.0.1:${port}` }
}

/** The same on a Unix socket. */
export async function listenOnSocket(t: ExecutionContext, server: Server): Promise<{ path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  endAfter(t, server)
  const path = join(folder, 'http.sock')
  server.listen(path)
  await once(server, 'listening')
  return { path }
}

/** Servers of HTTP/2 know of no closeAllConnections. */
function endAfter(t: ExecutionContext, server: Server): void {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    // An upgrade that is ignored begins its connection once more.
    if (sockets.has(socket)) return
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  t.teardown(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    ;(server as Partial<HttpServer>).closeAllConnections?.()
    await closed
  })
}
