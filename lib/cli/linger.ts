import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import type { PythonServer } from '../server.js'
import type { Connections } from './connections.js'

/**
 * Takes no new connections, but goes on with those there are: each is told with its next response that it ends. To end
 * an idle one at once would lose the request that its client is just sending.
 *
 * @param limit the longest time, in milliseconds
 * @param hurry ends it before
 */
export async function linger(
  server: PythonServer,
  connections: Connections,
  limit: number,
  hurry: AbortSignal,
): Promise<void> {
  const closed = once(server, 'close')
  server.prependListener('request', sayClose)
  server.prependListener('checkContinue', sayClose)
  // Servers of HTTP would end their idle connections.
  NetServer.prototype.close.call(server)
  connections.closeSessions()
  const done = new AbortController()
  const signal = AbortSignal.any([hurry, done.signal])
  await Promise.race([closed, after(limit, undefined, { signal }).catch(() => {})])
  done.abort()
}

function sayClose({ httpVersionMajor }: IncomingMessage, response: ServerResponse): void {
  // HTTP/2 has its own way to say so.
  if (httpVersionMajor === 1) response.shouldKeepAlive = false
}
