import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { installInto } from './installed.js'
import { NodeProcess } from './node-process.js'
import { python } from './python.js'
import { scratchFolder } from './scratch.js'

const packages = fileURLToPath(new URL('../hosts/next/node_modules', import.meta.url))
const template = fileURLToPath(new URL('../hosts/next/project', import.meta.url))

/** A project of Next.js in a folder of its own, with nothing of this repository above it; amphis is installed in it. */
export class NextProject {
  readonly folder: string
  readonly #t: ExecutionContext

  static async create(t: ExecutionContext): Promise<NextProject> {
    const folder = await scratchFolder(t)
    await cp(template, folder, { recursive: true })
    await mkdir(join(folder, 'node_modules'))
    // Three hundred megabytes, which are linked in an instant where both are on one disk.
    const all = (await readdir(packages)).map((name) => join(packages, name))
    const copy = promisify(execFile)
    const into = join(folder, 'node_modules')
    await copy('cp', ['-al', ...all, into]).catch(() => copy('cp', ['-a', ...all, into]))
    await installInto(folder)
    return new NextProject(t, folder)
  }

  private constructor(t: ExecutionContext, folder: string) {
    this.#t = t
    this.folder = folder
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** Runs Node in the project, or elsewhere. */
  node(args: string[], env: NodeJS.ProcessEnv = {}, cwd = this.folder): NodeProcess {
    const { NODE_OPTIONS: _, NODE_ENV: __, ...own } = process.env
    const settings = { NEXT_TELEMETRY_DISABLED: '1', AMPHIS_PYTHON: python, HOSTNAME: '127.0.0.1' }
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...own, ...settings, ...env },
      // Next.js has a process of its own for what it serves, which would outlive the one that is killed.
      detached: true,
    })
    const process_ = new NodeProcess(child, 'now')
    this.#t.teardown(async () => {
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {
        // All of them have ended.
      }
      await process_.ends()
    })
    return process_
  }

  next(args: string[], env: NodeJS.ProcessEnv = {}): NodeProcess {
    return this.node([this.path('node_modules/next/dist/bin/next'), ...args], env)
  }

  /** Builds it, and says what was printed. */
  async build(env: NodeJS.ProcessEnv = {}): Promise<string> {
    const { code, stdout, stderr } = await this.next(['build'], env).ends()
    if (code !== 0) throw new Error(`next build failed:\n${stdout}\n${stderr}`)
    return stdout + stderr
  }
}

/** Where a server of Next.js says that it listens. */
export async function addressOf(server: NodeProcess): Promise<string> {
  const line = await server.printsLine(/http:\/\/\S+:\d+/)
  await server.prints('Ready')
  return line.replace('localhost', '127.0.0.1')
}
