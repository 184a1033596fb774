import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { styleText } from 'node:util'
import { AmphisError } from '../errors.js'
import { PythonHandler } from '../python-handler.js'
import { createServer, type PythonServer, type ServerOptions } from '../server.js'
import type { PythonHandlerOptions } from '../types.js'
import { refuseUntrusted, tlsOptions, tlsProblem } from './certificate.js'
import { Connections } from './connections.js'
import { listen } from './listen.js'
import type { OptionValues } from './options.js'
import { firstSignal } from './signals.js'

/** How long the last bytes of answered requests may take to leave, in milliseconds. */
const FLUSH_LIMIT = 1_000

/**
 * Serves an app until SIGINT or SIGTERM: then nothing new is accepted, requests in flight may end, and the app shuts
 * down.
 *
 * @throws {AmphisError} when Python or the app does not start
 * @throws {ServeError} when a file or the address cannot be used
 */
export async function serve(app: string, options: OptionValues): Promise<void> {
  const handler = new PythonHandler(handlerOptions(app, options))
  // What can be said at once is said before Python starts.
  const server = makeServer(handler, options, await tlsOptions(options))
  const connections = new Connections(server)
  const signal = firstSignal()
  try {
    const interrupted = await Promise.race([handler.ready().then(() => false), signal.then(() => true)])
    // An import that hangs holds up close(); leaving waits two seconds at most.
    if (interrupted) process.exit(0)
    announce(app, handler, await listen(server, options))
    await signal
    const stopped = stop(server, connections, handler)
    console.log('Stopping. Press Ctrl+C again to leave at once.')
    await stopped
  } finally {
    await handler.close()
  }
}

function handlerOptions(app: string, options: OptionValues): PythonHandlerOptions {
  const { factory, lifespan, loop, python } = options
  return {
    app,
    appDir: options['app-dir'],
    factory,
    rootPath: options['root-path'],
    lifespan,
    loop,
    python,
    proxyHeaders: options['proxy-headers'],
    forwardedAllowIps: options['forwarded-allow-ips'],
    limitConcurrency: options['limit-concurrency'],
    maxBodySize: options['max-body-size'],
    timeoutGracefulShutdown: milliseconds(options['timeout-graceful-shutdown']),
    timeoutRequest: milliseconds(options['timeout-request']),
    wsMaxSize: options['ws-max-size'],
    wsMaxQueue: options['ws-max-queue'],
    wsPingInterval: milliseconds(options['ws-ping-interval']),
    wsPingTimeout: milliseconds(options['ws-ping-timeout']),
    wsPerMessageDeflate: options['ws-per-message-deflate'] === 'true',
  }
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000)
}

function makeServer(handler: PythonHandler, options: OptionValues, tls: ServerOptions): PythonServer {
  const { http2, 'server-header': serverHeader, 'date-header': dateHeader } = options
  const keepAliveTimeout = milliseconds(options['timeout-keep-alive'])
  try {
    const server = createServer(handler, { ...tls, http2, serverHeader, dateHeader, keepAliveTimeout })
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
