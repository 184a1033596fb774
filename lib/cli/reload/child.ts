// A process for the app under `--reload`, started by `app-process.ts`.
import type { Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { startPython } from '../../bridge/start.js'
import { toMessage } from '../errors/error-message.js'
import type { Configuration } from '../options/configuration.js'
import { serve } from '../serve/serve.js'
import { LentConnections } from './lent-connections.js'
import type { FromApp, ToApp } from './messages.js'

/** How long leaving may take when nobody is there any more who would put an end to it, in milliseconds. */
const LEAVE_LIMIT = 3_000

type Serve = Extract<ToApp, { type: 'serve' }>

function tell(message: FromApp, then: () => void = () => {}): void {
  // The supervisor may be gone, which says all.
  if (process.connected) process.send?.(message, undefined, undefined, then)
  else then()
}

/** Comes as far as every start comes before it imports the app. */
async function prepare({ options }: Configuration): Promise<void> {
  try {
    const { installation, sources } = await startPython({
      python: options.python,
      appDir: resolve(options['app-dir']),
      loop: options.loop,
    })
    const { executable, libpython, prefix } = installation
    tell({ type: 'prepared', sources: [...sources, executable, libpython, join(prefix, 'pyvenv.cfg')] })
  } catch {
    // Serving fails for the same reason, and that is told.
    tell({ type: 'prepared', sources: [] })
  }
}

class App {
  #configuration: Configuration | undefined
  #connections: LentConnections | undefined
  #isEnding = false
  #end: () => void = () => {}
  readonly #stop = new Promise<void>((resolve_) => (this.#end = resolve_))

  hear(message: ToApp, socket: Socket | undefined): void {
    switch (message.type) {
      case 'prepare':
        this.#configuration = message.configuration
        void prepare(message.configuration)
        break
      case 'serve':
        void this.#serve(message)
        break
      case 'connection':
        if (socket !== undefined && this.#connections !== undefined) this.#connections.take(message.id, socket)
        else tell({ type: 'closed', id: message.id })
        break
      case 'end':
        this.end(message.grace)
    }
  }

  /** @param grace how long requests may go on, in milliseconds */
  end(grace: number): void {
    this.#isEnding = true
    this.#connections?.return()
    // Open streams end as if their clients had left: apps know what to do then.
    setTimeout(() => this.#connections?.cut(), grace)
    this.#end()
  }

  async #serve({ server: address, ticketKeys }: Serve): Promise<void> {
    if (this.#configuration === undefined) return
    try {
      await serve(this.#configuration, {
        listen: async (server) => {
          // The scope of a Unix socket's connection names its path.
          server.address = () => address
          if ('setTicketKeys' in server) server.setTicketKeys(Buffer.from(ticketKeys, 'base64'))
          this.#connections = new LentConnections(server, tell)
          return undefined
        },
        stop: this.#stop,
        onListening: (_, handler) => tell({ type: 'ready', versions: handler.versions }),
      })
      if (this.#isEnding) process.exit(0)
      tell({ type: 'worn' }, () => process.exit(0))
    } catch (error) {
      tell({ type: 'failed', error: toMessage(error) }, () => process.exit(1))
    }
  }
}

const app = new App()
process.on('message', (message: ToApp, socket) => app.hear(message, socket as Socket | undefined))
process.once('disconnect', () => {
  app.end(0)
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), LEAVE_LIMIT).unref()
})
// A terminal says them to all of its processes; what they mean is for the supervisor to decide.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
