// The process of an app in a server of development, started by `dev-process.ts`.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { failedRequest } from '../base/failed-request.js'
import type { Logger } from '../base/types.js'
import { toMessage } from '../cli/errors/error-message.js'
import { PythonHandler } from '../python-handler.js'
import { contextOf, MOST_OF_HEAD, takeContext } from './context.js'
import type { FromApp, ToApp } from './messages.js'

/** How long requests may go on in a process that is to end, in milliseconds. */
const GRACE = 500

function tell(message: FromApp, then: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, undefined, then)
  else then()
}

/* oxlint-disable no-console -- the terminal of whoever develops */
const logger: Logger = {
  debug: () => {},
  info: (...values) => console.info(...values),
  warn: (...values) => console.warn(...values),
  error(...values) {
    const [error] = values
    const request = failedRequest(error)
    console.error(...(request === undefined ? values : [`${request} failed:`, ...values]))
    if (error instanceof Error) tell({ type: 'raised', error: toMessage(error) })
  },
}
/* oxlint-enable no-console */

let python: PythonHandler | undefined

async function serve({ options, prefix, socket }: Extract<ToApp, { type: 'serve' }>): Promise<void> {
  try {
    python = new PythonHandler({
      debug: true,
      timeoutGracefulShutdown: GRACE,
      // What is said of the client comes from the server in front; nobody else is let into the folder of the socket.
      proxyHeaders: true,
      forwardedAllowIps: '*',
      ...options,
      context: contextOf,
      logger,
    })
    await python.ready()
  } catch (error) {
    tell({ type: 'failed', error: toMessage(error) }, () => process.exit(1))
    return
  }
  const { listener } = python
  const answer = (request: IncomingMessage & { baseUrl?: string }, response: ServerResponse): void => {
    takeContext(request)
    request.baseUrl = prefix
    request.url = (request.url ?? '').slice(prefix.length) || '/'
    void listener(request, response)
  }
  const server = createServer({ maxHeaderSize: MOST_OF_HEAD }, answer).on('upgrade', takeContext)
  python.attach(server, prefix === '' ? {} : { path: prefix })
  server.listen(socket, () => tell({ type: 'ready' }))
}

async function end(): Promise<void> {
  try {
    await python?.close()
  } catch (error) {
    logger.error(error)
  }
  process.exit(0)
}

process.on('message', (message: ToApp) => {
  if (message.type === 'serve') void serve(message)
  else void end()
})
process.once('disconnect', () => void end())
// A terminal says them to all of its processes; the server in front says when this one is to end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
