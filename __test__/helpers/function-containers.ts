/** The service of examples/functions with a real engine. */
import { type Docker, dockerClient } from '../../examples/functions/server/docker.js'
import { DockerEngine } from '../../examples/functions/server/docker-engine.js'
import { MemoryQueue } from '../../examples/functions/server/memory-queue.js'
import { buildRuntimeImage } from '../../examples/functions/server/runtime-image.js'
import { serve, type ServeOptions } from '../../examples/functions/server/serve.js'
import { clientOf, pages, type Client } from './functions.js'
import { loop, python } from './python.js'

const script = (name: string) => new URL(`../../scripts/lib/${name}`, import.meta.url).href
const root = new URL('../..', import.meta.url).pathname

interface Engine {
  readonly socket: string
  release(): void
}

export interface Containers {
  docker: Docker
  image: string
  release: () => void
}

/** An engine with the runtime's image; undefined where there is none. */
export async function containersWithRuntime(runtime: string): Promise<Containers | undefined> {
  const { containersForTests } = (await import(script('containers.mjs'))) as {
    containersForTests(say: (line: string) => void): Promise<Engine | undefined>
  }
  const engine = await containersForTests((line) => console.log(line))
  if (!engine) return undefined
  const { importBaseImage } = (await import(script('base-image.mjs'))) as {
    importBaseImage(socket: string, venv: string): Promise<string>
  }
  const docker = dockerClient(engine.socket)
  const base = await importBaseImage(engine.socket, python)
  const image = await buildRuntimeImage({
    docker,
    runtime,
    amphis: root.replace(/\/$/, ''),
    base,
    packages: '',
    tag: 'amphis-functions-runtime-test:latest',
    progress: () => {},
  })
  return { docker, image, release: () => engine.release() }
}

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
