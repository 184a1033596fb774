/** The service of examples/functions as the tests have it. */
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { MemoryQueue } from '../../examples/functions/server/memory-queue.js'
import { ProcessEngine } from '../../examples/functions/server/process-engine.js'
import { serve, type Served, type ServeOptions } from '../../examples/functions/server/serve.js'
import { ask, type Reply } from './functions-client.js'
import { loop, python } from './python.js'
import { scratchFolder } from './scratch.js'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
export const pages = here('../../examples/functions/public')
export const amphisEntry = here('../../index.js')

export interface Client extends Served {
  /** Its state. */
  folder: string
  ask: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>
  invoke: (name: string, payload?: unknown) => Promise<Reply>
  deploy: (spec: object, files: Record<string, unknown>) => Promise<Reply>
}

export function clientOf(served: Served, folder: string): Client {
  const asks: Client['ask'] = (...words) => ask(served.url, served.key, ...words)
  return {
    ...served,
    folder,
    ask: asks,
    invoke: (name, payload) => asks('POST', '/yafaas/events', { function: name, payload }),
    deploy: (spec, files) => asks('POST', '/yafaas/functions', { ...spec, files }),
  }
}

/** A service that runs functions as processes, until the test ends. */
export async function processService(
  t: ExecutionContext,
  runtime: string,
  options: Partial<ServeOptions> = {},
): Promise<Client> {
  const folder = await scratchFolder(t)
  const served = await serve({
    host: '127.0.0.1',
    port: 0,
    folder,
    keys: [],
    queue: new MemoryQueue(),
    engine: ({ eventsApi }) =>
      new ProcessEngine({ folder: `${folder}/code`, runtime, eventsApi, amphis: amphisEntry, python }),
    pages,
    pace: 50,
    python,
    loop,
    report: (error) => t.log(error),
    ...options,
  })
  t.teardown(() => served.close())
  return clientOf(served, folder)
}

export { ask, buildExample, parsed, type Reply } from './functions-client.js'
