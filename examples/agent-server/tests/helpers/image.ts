/** The image of the server, and the engine that runs it. */
import { execFile } from 'node:child_process'
import { get } from 'node:http'
import { promisify } from 'node:util'

export interface Engine {
  readonly started: boolean
  readonly env: NodeJS.ProcessEnv
  release(): void
}

const script = (name: string) => new URL(`../../../../scripts/lib/${name}`, import.meta.url).href
const { containersForTests } = (await import(script('containers.mjs'))) as {
  containersForTests(say: (line: string) => void): Promise<Engine | undefined>
}
const image = (await import(script('agent-server-image.mjs'))) as {
  agentServerImage: string
  buildAgentServerImage(engine: Engine): Promise<void>
  postgresFor(engine: Engine): Promise<string>
}
export const { programOf } = (await import(script('debian-packages.mjs'))) as {
  programOf(name: string, packages: string[]): Promise<string>
}

export const { freePort } = (await import(script('running-script.mjs'))) as { freePort(): Promise<number> }

/** Undefined where there is none, and none is required. */
export const engine = await containersForTests((line) => console.log(line))

export const TAG = image.agentServerImage
export const { postgresFor } = image

/** Built, unless scripts/test-agent-server.mjs has built it for all files. */
export async function ensureImage(): Promise<void> {
  if (engine && process.env.AGENT_SERVER_IMAGE !== TAG) await image.buildAgentServerImage(engine)
}

const run = promisify(execFile)

/** A program that is to find the engine. */
export async function withEngineRun(program: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const options = { env: { ...process.env, ...engine!.env, ...env }, maxBuffer: 1e8 }
  return (await run(program, args, options)).stdout.trim()
}

/** The engine's client. */
export const docker = (...args: string[]) => withEngineRun('docker', args)

/** The status of a GET, undefined where nobody answers. `fetch` may wait for ever for one who accepts and closes at once. */
export function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asking = get(url, { timeout: 5000, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(undefined))
  })
}
