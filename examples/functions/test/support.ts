/** What the long tests have in common: an engine with the runtime's image, a server as a process, requests. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { promisify } from 'node:util'
import { ask, buildExample, type Reply } from '../../../__test__/helpers/functions-client.js'
import { containersWithRuntime } from '../../../__test__/helpers/functions-engine.js'

export const run = promisify(execFile)
export const KEY = 'a key of the long tests'
export const python = process.env.AMPHIS_TEST_PYTHON ?? new URL('../../../.venv', import.meta.url).pathname

export async function prepare() {
  const { dist, runtime, remove } = await buildExample()
  const containers = await containersWithRuntime(runtime, python)
  if (!containers) throw new Error('these tests need a container engine: the line above says how to have one')
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'amphis-functions-')))
  after(async () => {
    await remove()
    await rm(folder, { recursive: true, force: true })
    containers.release()
  })
  return { dist, containers, folder }
}

export interface ServerProcess {
  url: string
  child: ChildProcess
  ask: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>
  end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<void>
}

/** `amphis-functions serve` as a process of its own, which can be killed. */
export async function startServer(dist: string, socket: string, image: string, args: string[]): Promise<ServerProcess> {
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}`, AMPHIS_FUNCTIONS_KEYS: KEY.replaceAll(' ', '-') }
  const words = [join(dist, 'cli.js'), 'serve', '--image', image, '--python', python, ...args]
  const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  let url = ''
  for await (const line of createInterface({ input: child.stdout })) {
    url = /at (http:\S+)/.exec(line)?.[1] ?? ''
    if (url) break
  }
  if (!url) throw new Error('the server did not start')
  child.stdout.resume()
  return {
    url,
    child,
    ask: (...words) => ask(url, KEY.replaceAll(' ', '-'), ...words),
    async end(signal) {
      child.kill(signal)
      await ended
    },
  }
}
