import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { createCertificate } from './certificate.js'

export interface RunningServer {
  server: Server
  port: number
  url: string
}

/** Serves on a free port of 127.0.0.1 until the test ends. */
export async function serve(t: ExecutionContext, listener: RequestListener): Promise<RunningServer> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stopAfter(t, server)
  const { port } = server.address() as AddressInfo
  return { server, port, url: `http://127.0.0.1:${port}` }
}

/** The same over TLS, with a certificate made for it. */
export async function serveSecurely(
  t: ExecutionContext,
  listener: RequestListener,
): Promise<RunningServer & { certificate: string }> {
  const { certificate, key } = createCertificate()
  const server = createSecureServer({ cert: certificate, key }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stopAfter(t, server)
  const { port } = server.address() as AddressInfo
  return { server, port, url: `https://127.0.0.1:${port}`, certificate }
}

/** The same on a Unix socket. */
export async function serveOnSocket(t: ExecutionContext, listener: RequestListener): Promise<{ path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  const path = join(folder, 'http.sock')
  const server = createServer(listener)
  server.listen(path)
  await once(server, 'listening')
  stopAfter(t, server)
  t.teardown(() => rm(folder, { recursive: true }))
  return { path }
}

function stopAfter(t: ExecutionContext, server: Server): void {
  t.teardown(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  })
}
