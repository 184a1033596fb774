/** The service of examples/functions with a real engine. */
import { DockerEngine } from '../../examples/functions/server/docker-engine.js'
import { MemoryQueue } from '../../examples/functions/server/memory-queue.js'
import { serve, type ServeOptions } from '../../examples/functions/server/serve.js'
import type { Containers } from './functions-engine.js'
import { clientOf, pages, type Client } from './functions.js'
import { loop, python } from './python.js'

/** A service with containers in a folder; who closes it is to remove its functions first. */
export async function containerService(
  folder: string,
  { docker, image }: Containers,
  options: Partial<ServeOptions> & { offline?: string } = {},
): Promise<Client> {
  const served = await serve({
    host: '127.0.0.1',
    port: 0,
    folder,
    keys: [],
    queue: new MemoryQueue(),
    engine: ({ sockets }) =>
      new DockerEngine({
        docker,
        serviceId: folder.replaceAll('/', '-'),
        sockets,
        runtimeImage: image,
        offline: options.offline,
      }),
    pages,
    pace: 200,
    python,
    loop,
    ...options,
  })
  return clientOf(served, folder)
}

/** Removes all functions of a service, then closes it: nothing of it stays in the engine. */
export async function endService(client: Client): Promise<void> {
  const { functions } = (await client.ask('GET', '/yafaas/functions')).body as unknown as {
    functions: { id: string }[]
  }
  for (const { id } of functions) await client.ask('DELETE', `/yafaas/functions/${id}`)
  await client.close()
}
