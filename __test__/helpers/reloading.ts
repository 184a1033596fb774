import { execFile, spawn } from 'node:child_process'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { request, type RequestOptions } from './client.js'
import { announced, program, type Served, suite } from './command-line.js'
import { NodeProcess } from './node-process.js'
import { fixtures } from './python.js'
import { scratchFolder } from './scratch.js'

const run = promisify(execFile)

/** What an app of `fixtures/reloaded.py` answers. */
export interface Told {
  version: string
  pid: number
  http_version: string
  scheme: string
  client: [string, number] | null
  server: [string, number | null] | null
  answer: string | null
}

export interface ReloadingSettings {
  /** Files of the app's folder besides `main.py`. */
  files?: Readonly<Record<string, string>>
  /** @default an app of `fixtures/reloaded.py` that says "one" */
  main?: string
  env?: NodeJS.ProcessEnv
  /** @default a free port */
  address?: readonly string[]
}

/** An app of `fixtures/reloaded.py` that names itself so. */
export function appNamed(version: string): string {
  return `from reloaded import make_app\n\napp = make_app("${version}")\n`
}

/** An app under `--reload`, in a folder of its own whose files can be changed. */
export class Reloading {
  readonly folder: string
  readonly process: NodeProcess
  readonly #served: Promise<Served>

  constructor(folder: string, process: NodeProcess) {
    this.folder = folder
    this.process = process
    this.#served = announced(process, 'main:app')
    // It matters to those who ask for it.
    this.#served.catch(() => {})
  }

  /** Writes a file as most editors do: into the file that is there. */
  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, name), text)
  }

  /** Writes a file as the others do: a new one takes the place of the old one. */
  async replace(name: string, text: string): Promise<void> {
    await this.write(`${name}.new`, text)
    await rename(join(this.folder, `${name}.new`), join(this.folder, name))
  }

  /** Waits until it has said so often that a new process is ready. */
  async reloaded(times: number): Promise<void> {
    await this.process.printsLine(new RegExp(String.raw`(?: Ready in \d+ ms\.$[^]*?){${times}}`, 'm'))
  }

  /** Where it serves, once it does. */
  async url(): Promise<string> {
    return (await this.#served).url
  }

  /** The process of the app that has said that it starts. */
  async pidOf(version: string): Promise<number> {
    const line = await this.process.printsLine(new RegExp(String.raw`^startup ${version} \d+$`, 'm'))
    return Number(line.split(' ')[2])
  }
}

/** Environment in which the fixtures can be imported, and nothing is written beside what is. */
export const importing = { PYTHONPATH: fixtures, PYTHONDONTWRITEBYTECODE: '1' }

/** Starts an app under `--reload`; everything ends with the test. */
export async function reloading(
  t: ExecutionContext,
  args: readonly string[] = [],
  { files, main = appNamed('one'), env, address = ['--port', '0'] }: ReloadingSettings = {},
): Promise<Reloading> {
  const folder = await scratchFolder(t, { 'main.py': main, ...files })
  const child = spawn(process.execPath, [program, 'main:app', '--reload', ...address, ...suite, ...args], {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: undefined, FORCE_COLOR: undefined, NO_COLOR: '1', ...importing, ...env },
  })
  // Its processes end as soon as it is gone.
  t.teardown(() => child.kill('SIGKILL'))
  return new Reloading(folder, new NodeProcess(child, 'now'))
}

/** Asks an app of `fixtures/reloaded.py` who it is. */
export async function ask(url: string, options?: RequestOptions): Promise<Told> {
  const { status, text } = await request(url, options)
  if (status !== 200) throw new Error(`${status} ${text}`)
  return JSON.parse(text) as Told
}

/** Waits until a process is no more. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** The processes that a process has started, when they are so many. */
export async function childrenOf(pid: number, count: number): Promise<number[]> {
  for (;;) {
    const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,stat='])
    const rows = stdout.split('\n').map((row) => row.trim().split(/\s+/))
    const children = rows.filter(([, parent, state]) => parent === String(pid) && !state?.startsWith('Z'))
    if (children.length === count) return children.map(([child]) => Number(child))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
