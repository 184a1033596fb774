/** An engine for the functions of examples/functions, with their runtime's image; without a test runner. */
import { type Docker, dockerClient } from '../../examples/functions/server/docker.js'
import { buildRuntimeImage } from '../../examples/functions/server/runtime-image.js'

const script = (name: string) => new URL(`../../scripts/lib/${name}`, import.meta.url).href
const root = new URL('../..', import.meta.url).pathname

interface Engine {
  readonly socket: string
  release(): void
}

export interface Containers {
  socket: string
  docker: Docker
  image: string
  release: () => void
}

/** An engine with the runtime's image; undefined where there is none. */
export async function containersWithRuntime(runtime: string, python: string): Promise<Containers | undefined> {
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
  return { socket: engine.socket, docker, image, release: () => engine.release() }
}
