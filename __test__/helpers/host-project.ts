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

const isNeeded = (path: string): boolean => !/(?:node_modules|\.venv|\.next)$/.test(path)

/**
 * A project of a framework in a folder of its own, with nothing of this repository above it: `hosts/<name>/project`, with
 * the packages of that host and amphis.
 */
export class HostProject {
  readonly folder: string
  readonly #t: ExecutionContext

  /** @param from the folder of the project, where it is not that of the host */
  static async create(t: ExecutionContext, host: string, from?: string): Promise<HostProject> {
    const at = (name: string): string => fileURLToPath(new URL(`../hosts/${host}/${name}`, import.meta.url))
    const scratch = await scratchFolder(t)
    const folder = join(scratch, 'project')
    await cp(from ?? at('project'), folder, { recursive: true, filter: isNeeded })
    // The Python app of the examples, beside each of them.
    if (from !== undefined) {
      await cp(join(from, '../shared'), join(scratch, 'shared'), { recursive: true, filter: isNeeded })
    }
    const into = join(folder, 'node_modules')
    await mkdir(into)
    // Hundreds of megabytes, which are linked in an instant where both are on one disk.
    const all = (await readdir(at('node_modules'))).map((name) => join(at('node_modules'), name))
    const copy = promisify(execFile)
    await copy('cp', ['-al', ...all, into]).catch(() => copy('cp', ['-a', ...all, into]))
    await installInto(folder)
    return new HostProject(t, folder)
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
    const silent = { NEXT_TELEMETRY_DISABLED: '1', ASTRO_TELEMETRY_DISABLED: '1', NO_COLOR: '1' }
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...own, ...silent, AMPHIS_PYTHON: python, HOST: '127.0.0.1', HOSTNAME: '127.0.0.1', ...env },
      // Some have a process of its own for what they serve, which would outlive the one that is killed.
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

  /** Runs a program of its packages to its end: that file of `node_modules`, with arguments. */
  async build(program: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { code, stdout, stderr } = await this.node([this.path(`node_modules/${program}`), ...args], env).ends()
    if (code !== 0) throw new Error(`${program} failed:\n${stdout}\n${stderr}`)
  }
}
