/** Puts the parts of the service together, starts and ends it. */
import { mkdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { apiHandler } from './api.js'
import { Events } from './events.js'
import { closeServer, listen, listener } from './http.js'
import { Keys, localKey } from './keys.js'
import type { Queue } from './queue.js'
import { portListener, socketListener, type RuntimeContext } from './runtime-listener.js'
import { Service } from './service.js'
import { Store } from './store.js'
import { Tokens } from './tokens.js'
import type { Engine } from './types.js'

export interface ServeOptions {
  host: string
  port: number
  /** State, sockets and, without a key, the key that is made. */
  folder: string
  /** `postgresql://…`, where servers of several machines share the state. Default: SQLite in the folder. */
  database?: string | undefined
  keys: readonly string[]
  queue: Queue
  /** Made when the runtime's listener is there. */
  engine: (how: { eventsApi: string; sockets: string }) => Engine
  pages: string
  /** Tries of an event that fails. Default 3. */
  tries?: number | undefined
  idle?: number | undefined
  pace?: number | undefined
  python?: string | undefined
  loop?: 'auto' | 'uvloop' | 'asyncio'
  report?: (error: unknown) => void
}

export interface Served {
  url: string
  /** The key that was made, where none was given. */
  key: string | undefined
  service: Service
  close: () => Promise<void>
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)

export async function serve(options: ServeOptions): Promise<Served> {
  const { host, port, folder, queue, report = (error) => console.error(error) } = options
  if (options.keys.length === 0 && !isLoopback(host)) {
    throw new Error(
      `${host} is not loopback: give keys (AMPHIS_FUNCTIONS_KEYS, or --keys FILE) before others can reach the service`,
    )
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const key = options.keys.length === 0 ? await localKey(join(folder, 'key')) : undefined
  const place = options.database ?? join(folder, 'state.sqlite')
  const store = await Store.open(place, { python: options.python, loop: options.loop ?? 'auto' })
  const tokens = new Tokens(await store.secret('tokens'))
  const events = new Events(queue, tokens, options.tries ?? 3)

  const context: RuntimeContext = {
    tokens,
    events,
    report,
    find: (id) => store.find(id),
    seen: (bearer) => service.seen(bearer),
  }
  const port0 = await portListener(context)
  const sockets = join(folder, 'sockets')
  const opened = new Map<string, Server>()
  const engine = options.engine({ eventsApi: `http://127.0.0.1:${(port0.address() as AddressInfo).port}`, sockets })
  const service = new Service(
    {
      store,
      events,
      engine,
      tokens,
      report,
      async open(id) {
        if (!opened.has(id)) opened.set(id, await socketListener(context, id, join(sockets, id)))
      },
      async shut(id) {
        const server = opened.get(id)
        opened.delete(id)
        if (server) await closeServer(server)
        await rm(join(sockets, id), { recursive: true, force: true })
      },
    },
    { idle: options.idle ?? 60_000, pace: options.pace ?? 500 },
  )
  await service.reconcile()
  const keys = new Keys(key === undefined ? options.keys : [key])
  const api = createServer(listener(apiHandler({ service, keys, pages: options.pages }), report))
  await listen(api, { port, host })
  const address = api.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    key,
    service,
    async close() {
      await closeServer(api)
      await service.close()
      await engine.close()
      await Promise.all([port0, ...opened.values()].map(closeServer))
      await queue.close()
      await store.close()
    },
  }
}
