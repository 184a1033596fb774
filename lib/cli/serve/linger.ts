import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import type { PythonServer } from '../../server/server.js'
import type { Connections } from './connections.js'

/**
 * Goes on with the connections of a server that takes no new ones: each is told with its next response that it ends. To
 * end an idle one at once would lose the request that its client is just sending.
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
  server.prependListener('request', sayClose)
  server.prependListener('checkContinue', sayClose)
  connections.closeSessions()
  const done = new AbortController()
  const signal = AbortSignal.any([hurry, done.signal])
  await Promise.race([connections.empty(), after(limit, undefined, { signal }).catch(() => {})])
  done.abort()
}

function sayClose({ httpVersionMajor }: IncomingMessage, response: ServerResponse): void {
  // HTTP/2 has its own way to say so.
  if (httpVersionMajor === 1) response.shouldKeepAlive = false
}
