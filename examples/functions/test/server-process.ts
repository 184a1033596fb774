/** `amphis-functions serve` as a process of its own, which can be killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ask, type Reply } from '../../../__test__/helpers/functions-client.js'

const KEY = 'a-key-of-the-long-tests'
export const python = process.env.AMPHIS_TEST_PYTHON ?? fileURLToPath(new URL('../../../.venv', import.meta.url))

export interface ServerProcess {
  url: string
  child: ChildProcess
  ask: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>
  end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<void>
}

export function startServer(dist: string, socket: string, image: string, args: string[]): Promise<ServerProcess> {
  return startServe(dist, ['--image', image, '--python', python, ...args], { DOCKER_HOST: `unix://${socket}` })
}

/** With whatever engine the words say. */
export async function startServe(dist: string, args: string[], set: NodeJS.ProcessEnv): Promise<ServerProcess> {
  const env = { ...process.env, ...set, AMPHIS_FUNCTIONS_KEYS: KEY }
  const command = [join(dist, 'cli.js'), 'serve', ...args]
  const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'inherit'] })
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
    ask: (...words) => ask(url, KEY, ...words),
    async end(signal) {
      child.kill(signal)
      await ended
    },
  }
}
