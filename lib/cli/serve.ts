import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { styleText } from 'node:util'
import { AmphisError } from '../errors.js'
import { PythonHandler } from '../python-handler.js'
import { createServer, type PythonServer, type ServerOptions } from '../server.js'
import { refuseUntrusted, tlsOptions, tlsProblem } from './certificate.js'
import type { Configuration } from './configuration.js'
import { Connections } from './connections.js'
import { handlerOptions, milliseconds } from './handler-options.js'
import { type OptionValues, splitHeader } from './options.js'

/** How long the last bytes of answered requests may take to leave, in milliseconds. */
const FLUSH_LIMIT = 1_000

/** How a process that serves gets its connections, and when it ends: alone, or as the child of another. */
export interface Serving {
  /** Has the server take connections; resolves to the address to show, or undefined when somebody else shows it. */
  listen(server: PythonServer): Promise<string | undefined>
  /** Resolves when it is to end in good order. */
  stop: Promise<unknown>
  /** Told once it takes connections. */
  onListening?(address: string | undefined): void
}

/**
 * Serves an app until it is told to stop: then nothing new is accepted, requests in flight may end, and the app shuts
 * down.
 *
 * @throws {AmphisError} when Python or the app does not start
 * @throws {ServeError} when a file or the address cannot be used
 */
export async function serve({ app, options }: Configuration, serving: Serving): Promise<void> {
  const handler = new PythonHandler(handlerOptions(app, options))
  // What can be said at once is said before Python starts.
  const server = makeServer(handler, options, await tlsOptions(options))
  const connections = new Connections(server)
  try {
    const interrupted = await Promise.race([handler.ready().then(() => false), serving.stop.then(() => true)])
    // An import that hangs holds up close(); leaving waits two seconds at most.
    if (interrupted) process.exit(0)
    const address = await serving.listen(server)
    if (address !== undefined) announce(app, handler, address)
    serving.onListening?.(address)
    await serving.stop
    const stopped = stop(server, connections, handler)
    if (address !== undefined) console.log('Stopping. Press Ctrl+C again to leave at once.')
    await stopped
  } finally {
    await handler.close()
  }
}

function makeServer(handler: PythonHandler, options: OptionValues, tls: ServerOptions): PythonServer {
  const { http2, 'server-header': serverHeader, 'date-header': dateHeader } = options
  const keepAliveTimeout = milliseconds(options['timeout-keep-alive'])
  try {
    const server = createServer(handler, {
      ...tls,
      http2,
      serverHeader,
      dateHeader,
      headers: options.header.flatMap(splitHeader),
      keepAliveTimeout,
      healthPath: options['health-path'],
      readyPath: options['ready-path'],
    })
    if (options['ssl-cert-reqs'] === '1') server.on('secureConnection', refuseUntrusted)
    return server
  } catch (error) {
    throw error instanceof AmphisError && tls.cert !== undefined ? tlsProblem(options, error) : error
  }
}

function announce(app: string, { versions }: PythonHandler, address: string): void {
  const parts = versions ? [`amphis ${versions.amphis}`, `Python ${versions.python}`, versions.loop, app] : [app]
  console.log(`${parts.join(' · ')}\n${styleText('bold', address)}`)
}

async function stop(server: PythonServer, connections: Connections, handler: PythonHandler): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  connections.closeIdle()
  await handler.close()
  connections.closeIdle()
  await Promise.race([closed, after(FLUSH_LIMIT, undefined, { ref: false })])
  connections.destroyAll()
}
