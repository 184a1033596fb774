/**
 * Functions as processes of the host, for development without a container engine: whoever may deploy runs code as the
 * user of this service. Only with `--unsafe-processes`.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { LogBuffer } from './log-buffer.js'
import { ProblemError } from './problem.js'
import type { CodeFiles, Engine, FunctionRecord, Instance, LogLine, LogOptions } from './types.js'

const run = promisify(execFile)

export interface ProcessEngineOptions {
  /** Where functions are unpacked. */
  folder: string
  /** The runtime that `npm run build` makes. */
  runtime: string
  /** `http://127.0.0.1:…` of the runtime's listener. */
  eventsApi: string
  /** What `import('amphis')` is for the runtime. */
  amphis: string
  python: string | undefined
}

/** An environment's interpreter, where the option names the environment. */
function interpreterOf(python = 'python3'): string {
  const inside = join(python, 'bin', 'python')
  return existsSync(inside) ? inside : python
}

interface Running {
  instance: Instance
  process: ChildProcess | undefined
  log: LogBuffer
}

export class ProcessEngine implements Engine {
  readonly name = 'processes'
  readonly #options: ProcessEngineOptions
  readonly #running = new Map<string, Running>()

  constructor(options: ProcessEngineOptions) {
    this.#options = options
  }

  async build(record: FunctionRecord, code: CodeFiles, progress: (line: string) => void): Promise<string> {
    const folder = join(this.#options.folder, `${record.id}-${record.version}`)
    await rm(folder, { recursive: true, force: true })
    for (const [path, bytes] of code) {
      const file = join(folder, path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, bytes)
    }
    if (code.has('package.json'))
      await this.#install(folder, 'npm', ['install', '--omit=dev', '--no-audit', '--no-fund'], progress)
    if (code.has('requirements.txt')) {
      const args = ['-m', 'pip', 'install', '--target', join(folder, '.python'), '-r', 'requirements.txt']
      await this.#install(folder, interpreterOf(this.#options.python), args, progress)
    }
    return folder
  }

  async has(image: string): Promise<boolean> {
    return existsSync(image)
  }

  async #install(cwd: string, command: string, args: string[], progress: (line: string) => void): Promise<void> {
    progress([command, ...args].join(' '))
    try {
      await run(command, args, { cwd, maxBuffer: 10_000_000 })
    } catch (error) {
      const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string }
      throw new ProblemError(422, 'build', `${command} failed`, {
        log: (stdout + stderr || message).slice(-20_000),
      })
    }
  }

  async start(record: FunctionRecord, instanceId: string, token: string): Promise<void> {
    const { runtime, eventsApi, amphis, python } = this.#options
    const { id: functionId, version, image } = record
    const instance: Instance = { id: instanceId, functionId, version, image, running: true }
    const child = spawn(process.execPath, [join(runtime, 'supervisor.js')], {
      cwd: record.image,
      stdio: ['ignore', 'pipe', 'pipe'],
      // What the service knows is not for functions.
      env: {
        PATH: process.env.PATH,
        ...record.environment,
        PYTHONUNBUFFERED: '1',
        FUNCTION_NAME: record.name,
        FUNCTION_RUNTIME: record.runtime,
        FUNCTION_HANDLER: record.handler,
        FUNCTION_DIR: record.image,
        FUNCTION_SLOTS: String(record.slots),
        FUNCTION_MEMORY: String(record.memory),
        ...(python === undefined ? {} : { FUNCTION_PYTHON: python }),
        AMPHIS_PACKAGE: amphis,
        EVENTS_API: eventsApi,
        EVENTS_TOKEN: token,
      },
    })
    const log = this.#running.get(instanceId)?.log ?? new LogBuffer(instanceId)
    log.read(child.stdout)
    log.read(child.stderr)
    this.#running.set(instanceId, { instance, process: child, log })
    child.once('exit', () => (instance.running = false))
    child.once('error', () => (instance.running = false))
  }

  async stop(instanceId: string): Promise<void> {
    const running = this.#running.get(instanceId)
    const child = running?.process
    if (!running?.instance.running || !child) return
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await gone
    clearTimeout(patience)
  }

  async remove(instanceId: string): Promise<void> {
    await this.stop(instanceId)
    this.#running.delete(instanceId)
  }

  async list(): Promise<Instance[]> {
    return [...this.#running.values()].map(({ instance }) => instance)
  }

  logs(instanceId: string, options: LogOptions): AsyncIterable<LogLine> {
    return (this.#running.get(instanceId)?.log ?? new LogBuffer(instanceId)).lines(options)
  }

  async removeImage(image: string): Promise<void> {
    await rm(image, { recursive: true, force: true })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.remove(id)))
  }
}
