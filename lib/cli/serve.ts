import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { styleText } from 'node:util'
import { PythonHandler } from '../python-handler.js'
import { listenProblem, toUrl } from './address.js'
import type { OptionValues } from './options.js'
import { firstSignal } from './signals.js'

/** The server could not listen at the address it was given. */
export class ListenError extends Error {}

/** How long the last bytes of answered requests may take to leave, in milliseconds. */
const FLUSH_LIMIT = 1_000

/**
 * Serves an app until SIGINT or SIGTERM: then nothing new is accepted, requests in flight may end, and the app shuts
 * down.
 *
 * @throws {AmphisError} when Python or the app does not start
 * @throws {ListenError} when the address cannot be listened on
 */
export async function serve(app: string, options: OptionValues): Promise<void> {
  const { host, port, 'app-dir': appDir, factory, 'root-path': rootPath, lifespan, loop, python } = options
  const handler = new PythonHandler({ app, appDir, factory, rootPath, lifespan, loop, python })
  const signal = firstSignal()
  try {
    const interrupted = await Promise.race([handler.ready().then(() => false), signal.then(() => true)])
    // An import that hangs holds up close(); leaving waits two seconds at most.
    if (interrupted) process.exit(0)
    const server = await listen(createServer(handler.listener), host, port)
    announce(app, handler, toUrl(host, (server.address() as AddressInfo).port))
    await signal
    const stopped = stop(server, handler)
    console.log('Stopping. Press Ctrl+C again to leave at once.')
    await stopped
  } finally {
    await handler.close()
  }
}

async function listen(server: Server, host: string, port: number): Promise<Server> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new ListenError(listenProblem(code, host, port) ?? message, { cause: error })
  }
  return server
}

function announce(app: string, { versions }: PythonHandler, url: string): void {
  const parts = versions ? [`amphis ${versions.amphis}`, `Python ${versions.python}`, versions.loop, app] : [app]
  console.log(`${parts.join(' · ')}\n${styleText('bold', url)}`)
}

async function stop(server: Server, handler: PythonHandler): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  await handler.close()
  server.closeIdleConnections()
  await Promise.race([closed, after(FLUSH_LIMIT, undefined, { ref: false })])
  server.closeAllConnections()
}
