import { spawn, type ChildProcess } from 'node:child_process'
import { on, once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { cache } from './paths.js'

export interface Command {
  readonly argv: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Node programs only: an IPC channel, over which the harness gives orders. */
  readonly ipc?: boolean
  /** What it says goes to a file that nobody reads, as a service's log does; what goes wrong is kept all the same. */
  readonly logs?: boolean
}

interface OrderReply<Reply> {
  readonly id: number
  readonly reply?: Reply
  readonly error?: string
}

/** A contestant that could not be started, or ended before it was told to. */
export class ContestantFailed extends Error {
  override readonly name = 'ContestantFailed'
}

export interface ListenOptions {
  /** @default 30000 */
  readonly withinMs?: number
  /** How often to try. @default 25 */
  readonly everyMs?: number
}

/**
 * Whether each contestant has a process group, and with it a session, of its own. Not on Linux, where the scheduler shares
 * the processors out among sessions (autogroup): a server of two threads would be kept on one core by a load generator
 * in another session that needs but half of the other.
 */
const HAS_GROUPS = process.platform !== 'linux'

const living = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of living) {
    killAll(treeOf(child))
  }
})

/** A file that has no name any more: its space is free again when the last process that has it open ends. */
function openLog(): number {
  const path = join(mkdtempSync(join(cache, 'log-')), 'log')
  const descriptor = openSync(path, 'wx')
  rmSync(dirname(path), { recursive: true })
  return descriptor
}

/** A contestant's process, with the end of what it printed kept for when it fails. */
export class Child {
  /** When it was told to start, as `performance.now()` tells it. */
  readonly spawnedAt: number
  readonly #process: ChildProcess
  #printed = ''
  #ended: string | undefined
  #orders = 0

  constructor({ argv: [command, ...args], env, cwd, ipc = false, logs = false }: Command) {
    const out = logs ? openLog() : 'pipe'
    this.spawnedAt = performance.now()
    this.#process = spawn(command, args, {
      cwd,
      env: { ...process.env, BENCH_CACHE: cache, ...env },
      detached: HAS_GROUPS,
      stdio: ipc ? ['ignore', out, 'pipe', 'ipc'] : ['ignore', out, 'pipe'],
    })
    if (typeof out === 'number') {
      closeSync(out)
    }
    living.add(this.#process)
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#printed = (this.#printed + text).slice(-4000)))
    }
    this.#process.once('error', (error) => (this.#ended = error.message))
    this.#process.once('exit', (code, signal) => {
      living.delete(this.#process)
      this.#ended ??= signal === null ? `exit code ${code}` : signal
    })
  }

  get pid(): number {
    return this.#process.pid ?? -1
  }

  /** Throws `ContestantFailed` when the process has ended. */
  assertAlive(): void {
    if (this.#ended !== undefined) {
      // Without the frames of Node's stacks, which would push the error itself out of sight.
      const lines = this.#printed.split('\n').filter((line) => line.trim() !== '' && !/^\s+at |^Node\.js v/.test(line))
      const printed = lines.slice(-6).join('\n').trim()
      throw new ContestantFailed(`ended with ${this.#ended}${printed && `: ${printed}`}`)
    }
  }

  /** Resolves when the port takes connections. */
  async listening(port: number, { withinMs = 30_000, everyMs = 25 }: ListenOptions = {}): Promise<void> {
    const until = performance.now() + withinMs
    while (!(await accepts(port))) {
      this.assertAlive()
      if (performance.now() > until) {
        throw new ContestantFailed(`does not listen after ${withinMs} ms`)
      }
      await wait(everyMs)
    }
  }

  /** Gives an order over IPC and resolves with the reply. */
  async order<Reply>(order: Readonly<Record<string, unknown>>, withinMs = 30_000): Promise<Reply> {
    this.assertAlive()
    const id = ++this.#orders
    const signal = AbortSignal.timeout(withinMs)
    const replies = on(this.#process, 'message', { signal, close: ['exit'] })
    this.#process.send({ ...order, id })
    try {
      for await (const [message] of replies as AsyncIterable<[OrderReply<Reply>]>) {
        if (message.id === id) {
          if (message.error !== undefined) {
            throw new ContestantFailed(message.error)
          }
          return message.reply as Reply
        }
      }
    } catch (error) {
      throw signal.aborted ? new ContestantFailed(`no reply within ${withinMs} ms`) : error
    }
    this.assertAlive()
    throw new ContestantFailed('ended without a reply')
  }

  /** Asks the process to end, and ends it after 3 s with all that it started. */
  async stop(): Promise<void> {
    if (this.#ended !== undefined) {
      return
    }
    const exited = once(this.#process, 'exit')
    // Before it ends: whose parent is gone cannot be found any more.
    const tree = treeOf(this.#process)
    const timer = setTimeout(() => killAll(tree), 3000)
    this.#process.kill('SIGTERM')
    await exited
    clearTimeout(timer)
    killAll(tree)
  }
}

/** The process and all that it has started, or its group: what `process.kill` takes. */
function treeOf({ pid }: ChildProcess): number[] {
  if (pid === undefined) {
    return []
  }
  return HAS_GROUPS ? [-pid] : [pid, ...descendantsOf(pid)]
}

function descendantsOf(pid: number): number[] {
  let children: number[] = []
  try {
    children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    // It has ended meanwhile.
  }
  return [...children, ...children.flatMap(descendantsOf)]
}

// granian and the like leave workers behind when only their first process is killed.
function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone.
    }
  }
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') {
    throw new TypeError('a TCP server has no port')
  }
  return address.port
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
