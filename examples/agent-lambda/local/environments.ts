// A function on this machine: Lambda's Runtime API and a Function URL of the project's own, and environments of it, one for
// each invocation under way, that are used again: processes, or containers of the image that AGENT_IMAGE names.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { serveFunctionUrl } from '../../../__test__/helpers/lambda/function-url.js'
import { RuntimeApi, type Outcome } from '../../../__test__/helpers/lambda/runtime-api.js'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const bootstrap = path('../../../__test__/helpers/lambda/bootstrap.mjs')
const folder = path('../lambda/function')

/** Environments of a function: Lambda's default is 1,000. */
const MOST = 2

interface Environment {
  readonly api: RuntimeApi
  readonly child: ChildProcess
  /** Ends it. */
  kill(): void
}

/**
 * @param kind which handler
 * @param env the whole environment of it
 */
function startProcess(kind: string, env: NodeJS.ProcessEnv): Omit<Environment, 'api'> {
  const handler = `${folder}/dist/${kind}.js#handler`
  const child = spawn('sh', [`${folder}/start.sh`, process.execPath, bootstrap, handler], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { child, kill: () => child.kill('SIGKILL') }
}

/** No business of an image's. */
const OF_THE_MACHINE = new Set(['PATH', 'PYTHON', 'AGENT_ROOT'])

/** As Lambda has it: nobody's user, and nothing to write to but /tmp. What is secret stands in no command line. */
function startContainer(image: string, kind: string, env: NodeJS.ProcessEnv): Omit<Environment, 'api'> {
  const given = Object.fromEntries(Object.entries(env).filter(([name, value]) => !OF_THE_MACHINE.has(name) && value))
  const named = Object.keys(given)
  const name = `agent-lambda-${randomUUID()}`
  const engine = { PATH: process.env['PATH'], HOME: process.env['HOME'], DOCKER_HOST: process.env['DOCKER_HOST'] }
  const limits = ['--read-only', '--tmpfs', '/tmp:size=512m', '--user', '993:990', '--network', 'host']
  const variables = named.flatMap((variable) => ['--env', variable])
  const child = spawn(
    'docker',
    ['run', '--rm', '--name', name, ...limits, ...variables, image, `dist/${kind}.handler`],
    {
      env: { ...given, ...engine },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  // The command ends with its container, and not the other way round.
  return { child, kill: () => spawn('docker', ['rm', '--force', name], { env: engine, stdio: 'ignore' }) }
}

/** One function. */
export class LocalFunction {
  url = ''
  /** What its environments have printed. */
  log = ''
  readonly #kind: string
  readonly #env: NodeJS.ProcessEnv
  #count = 0
  readonly #all: Environment[] = []
  readonly #idle: Environment[] = []
  readonly #waiting: ((environment: Environment) => void)[] = []
  #close = async (): Promise<void> => {}

  private constructor(kind: string, env: NodeJS.ProcessEnv) {
    this.#kind = kind
    this.#env = env
  }

  /**
   * @param kind which handler
   * @param env the whole environment of its processes
   * @param timeout milliseconds of an invocation
   */
  static async start(kind: 'buffered' | 'streamed', env: NodeJS.ProcessEnv, timeout = 300_000): Promise<LocalFunction> {
    const made = new LocalFunction(kind, env)
    const front = await serveFunctionUrl(made as unknown as RuntimeApi, timeout)
    made.url = front.url
    made.#close = front.close
    return made
  }

  /** An invocation, as the front asks for it. */
  async invoke(event: unknown, timeout?: number): Promise<Outcome> {
    const environment = this.#idle.pop() ?? (await (this.#count < MOST ? this.#make() : this.#next()))
    const outcome = await environment.api.invoke(event, timeout)
    void this.#giveBack(environment)
    return outcome
  }

  /** To whoever waits, once it has asked for more. */
  async #giveBack(environment: Environment): Promise<void> {
    await environment.api.idle()
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(environment)
    else next(environment)
  }

  async close(): Promise<void> {
    for (const { child, kill } of this.#all) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const closed = once(child, 'close')
      kill()
      await closed
    }
    await this.#close()
    for (const { api } of this.#all) await api.close()
  }

  #next(): Promise<Environment> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async #make(): Promise<Environment> {
    this.#count += 1
    const api = await RuntimeApi.start()
    const env = { ...this.#env, AWS_LAMBDA_RUNTIME_API: api.address }
    const image = process.env['AGENT_IMAGE']
    const started = image === undefined ? startProcess(this.#kind, env) : startContainer(image, this.#kind, env)
    const { child } = started
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (piece: Buffer) => (this.log += piece.toString()))
    const environment = { api, ...started }
    this.#all.push(environment)
    const ended = once(child, 'close').then(() => {
      throw new Error(`the environment has ended:\n${this.log}`)
    })
    ended.catch(() => {})
    await Promise.race([api.idle(), ended])
    return environment
  }
}
