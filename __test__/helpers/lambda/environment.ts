// An execution environment of Lambda's: a process with a runtime client and a handler, the Runtime API that it asks, and a
// Function URL in front.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { NodeProcess } from '../node-process.js'
import { python, testOptions, type HandlerOptions } from '../python.js'
import { serveFunctionUrl } from './function-url.js'
import { RuntimeApi } from './runtime-api.js'

const bootstrap = fileURLToPath(new URL('bootstrap.mjs', import.meta.url))
const functions = fileURLToPath(new URL('../../../fixtures/lambda/functions.mjs', import.meta.url))

/** One environment. */
export interface Environment {
  readonly api: RuntimeApi
  readonly process: NodeProcess
  /** Of the Function URL. */
  readonly url: string
  close(): Promise<void>
}

/**
 * Starts one.
 *
 * @param name which of the functions in `fixtures/lambda/functions.mjs`, or `FILE#EXPORT`
 * @param options of its app
 * @param timeout milliseconds that an invocation has
 */
export async function startEnvironment(
  name: string,
  options: HandlerOptions,
  { timeout, more = {} }: { timeout?: number; more?: object } = {},
): Promise<Environment> {
  const api = await RuntimeApi.start()
  const front = await serveFunctionUrl(api, timeout)
  const { NODE_OPTIONS: _, NODE_CHANNEL_FD: __, ...env } = process.env
  const child = spawn(process.execPath, [bootstrap, name.includes('#') ? name : `${functions}#${name}`], {
    env: {
      ...env,
      AMPHIS_PYTHON: python,
      AWS_LAMBDA_RUNTIME_API: api.address,
      FUNCTION_OPTIONS: JSON.stringify({ ...testOptions({ lifespan: 'auto', ...options }), ...more }),
    },
  })
  const running = new NodeProcess(child, 'now')
  return {
    api,
    process: running,
    url: front.url,
    async close() {
      child.kill('SIGKILL')
      await running.ends()
      await front.close()
      await api.close()
    },
  }
}
