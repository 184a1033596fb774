// Serves an app in this process; `Serving` says where its connections come from.
import { Server as NetServer } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { endEvents, PythonHandler } from '../../python-handler.js'
import { createServer, type PythonServer, type ServerOptions } from '../../server/server.js'
import { logAccess } from '../log/access-log.js'
import { noteOrigins } from '../log/error-origins.js'
import { openLog } from '../log/log.js'
import { logMalformed } from '../log/malformed-requests.js'
import type { Configuration } from '../options/configuration.js'
import { handlerOptions, milliseconds } from '../options/handler-options.js'
import { inFlags } from '../options/in-flags.js'
import { type OptionValues, splitHeader } from '../options/table.js'
import { isDebugging, sayStopping, showBanner } from './banner.js'
import { refuseUntrusted, tlsOptions } from './certificate.js'
import { Connections } from './connections.js'
import { linger } from './linger.js'
import { requestLimit } from './request-limit.js'

/** How long the last bytes of answered requests may take to leave, in milliseconds. */
const FLUSH_LIMIT = 1_000

/** How a process that serves gets its connections, and when it ends: alone, or as the child of another. */
export interface Serving {
  /** Has the server take connections; resolves to the address to show, or undefined when somebody else shows it. */
  listen(server: PythonServer): Promise<string | undefined>
  /** Resolves when it is to end in good order. */
  stop: Promise<unknown>
  /**
   * Where somebody else takes new connections from then on, there is no hurry: idle ones are kept for a while, for what
   * may be on its way, until this is aborted. Without it they are ended at once.
   */
  hurry?: AbortSignal
  /** Told once it takes connections. */
  onListening?(address: string | undefined, handler: PythonHandler): void
  /** Told once the app has had as many requests as it is to have; without it, that is the end as `stop` is. */
  onWorn?(): void
}

/**
 * Serves an app until it is told to stop: then nothing new is accepted, requests in flight may end, and the app shuts
 * down.
 *
 * @throws {AmphisError} when Python or the app does not start
 * @throws {ServeError} when a file or the address cannot be used
 */
export async function serve({ app, options }: Configuration, serving: Serving): Promise<void> {
  const log = openLog(app, options)
  const logsAccess = options['access-log'] && log.shows('info')
  noteOrigins()
  if (logsAccess) logAccess(log)
  const handler = new PythonHandler({ ...handlerOptions(app, options), logger: log, debug: isDebugging(options) })
  // What can be said at once is said before Python starts.
  const server = makeServer(handler, options, await tlsOptions(options))
  if (logsAccess) logMalformed(server, log)
  const connections = new Connections(server)
  try {
    const ready = handler.ready().catch((error: unknown) => {
      throw inFlags(error)
    })
    const interrupted = await Promise.race([ready.then(() => false), serving.stop.then(() => true)])
    // An import that hangs holds up close(); leaving waits two seconds at most.
    if (interrupted) process.exit(0)
    const address = await serving.listen(server)
    if (address !== undefined) showBanner(log, { app, options, address, versions: handler.versions })
    serving.onListening?.(address, handler)
    await untilEnd(options, serving)
    const stopped = end(server, connections, handler, options, serving.hurry)
    if (address !== undefined) sayStopping(log)
    await stopped
  } finally {
    await handler.close()
  }
}

function makeServer(handler: PythonHandler, options: OptionValues, tls: ServerOptions): PythonServer {
  const { http2, 'server-header': serverHeader, 'date-header': dateHeader } = options
  const keepAliveTimeout = milliseconds(options['timeout-keep-alive'])
  const server = createServer(handler, {
    ...tls,
    http2,
    serverHeader,
    dateHeader,
    headers: options.header.flatMap(splitHeader),
    keepAliveTimeout,
    headersTimeout: milliseconds(options['timeout-headers']),
    maxHeaderSize: options['max-header-size'],
    healthPath: options['health-path'],
    readyPath: options['ready-path'],
  })
  if (options['ssl-cert-reqs'] === '1') server.on('secureConnection', refuseUntrusted)
  return server
}

/** Resolves when it is over: somebody says so, or the app has had all of its requests. */
async function untilEnd(options: OptionValues, { stop, onWorn }: Serving): Promise<void> {
  const ends = [stop]
  const limit = options['limit-max-requests']
  if (limit !== undefined) {
    const worn = requestLimit(limit)
    if (onWorn === undefined) ends.push(worn)
    else void worn.then(onWorn)
  }
  await Promise.race(ends)
}

async function end(
  server: PythonServer,
  connections: Connections,
  handler: PythonHandler,
  options: OptionValues,
  hurry: AbortSignal | undefined,
): Promise<void> {
  const grace = options['timeout-graceful-shutdown']
  // Servers of HTTP would themselves cut idle connections off.
  NetServer.prototype.close.call(server)
  if (hurry?.aborted === false) {
    handler[endEvents]()
    // Node ends idle connections by itself; 0 is never.
    const idle = options['timeout-keep-alive'] || Infinity
    await linger(server, connections, milliseconds(Math.min(idle, grace)), hurry)
  }
  connections.closeIdle()
  await handler.close()
  connections.closeIdle()
  await within(FLUSH_LIMIT, connections.empty())
  // A large response to a slow client takes as long as a request may.
  await within(milliseconds(grace), connections.sent())
  connections.destroyAll()
}

async function within(limit: number, done: Promise<void>): Promise<void> {
  const timer = new AbortController()
  await Promise.race([done, after(limit, undefined, { signal: timer.signal }).catch(() => {})])
  timer.abort()
}
