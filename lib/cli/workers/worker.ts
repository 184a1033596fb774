import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import type { Versions } from '../../base/types.js'
import { programOf } from '../../package-root.js'
import { fromMessage } from '../errors/error-message.js'
import { ServeError } from '../errors/serve-error.js'
import type { Configuration } from '../options/configuration.js'
import { milliseconds } from '../options/handler-options.js'
import { HealthCheck } from './health-check.js'
import type { FromWorker, Loop, ToWorker } from './messages.js'

const PROGRAM = programOf('cli/workers/child')

/** How long what a worker has said may take to arrive after its end, in milliseconds. */
const LAST_WORDS_LIMIT = 1_000

/** What all workers have in common. */
export interface WorkerSettings {
  configuration: Configuration
  /** The descriptor of the listening socket. */
  socket: number
  ticketKeys: string
}

/** How the start of a worker went. */
export type Start = { address: string; versions: Versions | undefined } | 'failed'

/** How a worker has ended. */
export interface End {
  code: number | null
  signal: NodeJS.Signals | null
  /** What it said itself of the reason. */
  error: Error | undefined
  /** The event loop that did not answer, so that it was killed. */
  silent: Loop | undefined
  /** How long it had served, in milliseconds; 0 when it has not started. */
  servedFor: number
}

/** One worker process as its parent sees it. */
export class Worker {
  /** Its place among the workers, from 1 on. */
  readonly number: number
  /** Resolves when it takes connections, or never will. */
  readonly started: Promise<Start>
  readonly ended: Promise<End>
  /** Resolves when it has served all the requests it is to serve, and wants to be replaced. */
  readonly worn: Promise<void>
  readonly #child: ChildProcess
  readonly #health: HealthCheck
  readonly #endLimit: number
  #onListening: (start: Exclude<Start, 'failed'>) => void = () => {}
  #onWorn: () => void = () => {}
  #error: Error | undefined
  #silent: Loop | undefined
  #servesSince: number | undefined
  #killer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(number: number, { configuration, socket, ticketKeys }: WorkerSettings) {
    const { options } = configuration
    this.number = number
    this.#endLimit = endLimit(milliseconds(options['timeout-graceful-shutdown']))
    this.#child = fork(PROGRAM, { stdio: ['inherit', 'inherit', 'inherit', 'ipc', socket] })
    this.#health = new HealthCheck(
      milliseconds(options['timeout-worker-healthcheck']),
      () => this.#say({ type: 'ping' }),
      (loop) => {
        this.#silent = loop
        this.kill()
      },
    )
    this.ended = this.#ends()
    const starts = new Promise<Start>((resolve) => (this.#onListening = resolve))
    this.started = Promise.race([starts, this.ended.then(() => 'failed' as const)])
    this.worn = new Promise((resolve) => (this.#onWorn = resolve))
    this.#child.on('message', this.#hear)
    this.#say({ type: 'serve', configuration, ticketKeys })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /**
   * Has it take nothing new, and end with its last request; it is killed when it does not within the limits of its
   * shutdown.
   *
   * @param lingers another has taken its place, so that idle connections are kept for a while; false also puts an end to
   *   that
   */
  end(lingers: boolean): void {
    if (this.#isOver) return
    this.#health.stop()
    this.#say({ type: 'end', lingers })
    this.#killer ??= setTimeout(() => this.kill(), this.#endLimit)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #say(message: ToWorker): void {
    // What it cannot be told any more shows in its end.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  readonly #hear = (message: FromWorker): void => {
    switch (message.type) {
      case 'listening':
        this.#servesSince = performance.now()
        this.#health.start()
        this.#onListening(message)
        break
      case 'pong':
        this.#health.heard(message.loop)
        break
      case 'worn':
        this.#onWorn()
        break
      case 'failed':
        this.#error = fromMessage(message.error)
    }
  }

  async #ends(): Promise<End> {
    const child = this.#child
    const closed = once(child, 'close').catch(() => {})
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.once('exit', (...how) => resolve(how))
      child.on('error', (error) => {
        // There is no process that could exit.
        if (child.pid === undefined) {
          this.#error = new ServeError(`A worker process could not be made (${error.message}).`, { cause: error })
          resolve([1, null])
        }
      })
    })
    const servedFor = this.#servesSince === undefined ? 0 : performance.now() - this.#servesSince
    this.#isOver = true
    this.#health.stop()
    clearTimeout(this.#killer)
    // Its last words may still be on their way. A process that it has forked can hold the channel open for ever.
    await Promise.race([closed, after(LAST_WORDS_LIMIT, undefined, { ref: false })])
    return { code, signal, error: this.#error, silent: this.#silent, servedFor }
  }
}

/** How long an orderly end can take: idle connections, requests, the app's shutdown and slow clients have `grace` each. */
function endLimit(grace: number): number {
  return 4 * grace + 10_000
}
