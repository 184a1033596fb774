import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import type { Versions } from '../../base/types.js'
import { programOf } from '../../package-root.js'
import { locateInterpreter } from '../../python/locate.js'
import { fromMessage } from '../errors/error-message.js'
import { ServeError } from '../errors/serve-error.js'
import type { Configuration } from '../options/configuration.js'
import { milliseconds } from '../options/handler-options.js'
import type { FromApp, ToApp } from './messages.js'
import { fingerprint } from './watch/fingerprint.js'

const PROGRAM = programOf('cli/reload/child')

/** How long requests may go on in a process that is to end, in milliseconds: nobody waits for an open stream. */
const GRACE_LIMIT = 1_000

/** How long the app may take to notice that its clients are gone, in milliseconds; then its tasks are cancelled. */
const DISCONNECT_LIMIT = 100

/** How long all that follows may take, the app's own shutdown above all, in milliseconds. */
const SHUTDOWN_LIMIT = 1_000

/** How long what a process has said may take to arrive after its end, in milliseconds. */
const LAST_WORDS_LIMIT = 500

/** What has become of the start of the app. */
export type Outcome = { type: 'ready'; versions: Versions | undefined } | { type: 'failed'; error: Error } | Ended

/** A process that ended without a word. */
export interface Ended {
  type: 'ended'
  code: number | null
  signal: NodeJS.Signals | null
}

/** What becomes of the connections that a process was lent. */
export interface ConnectionEvents {
  onTaken(id: number): void
  onReturned(id: number): void
  onClosed(id: number): void
}

/** The app for as long as none of its files changes: a process of its own, as the supervisor sees it. */
export class AppProcess {
  /** Resolves when it is over and nothing more is to be heard of it. */
  readonly ended: Promise<Ended>
  /** Resolves when it ends because it has had all of its requests. */
  readonly worn: Promise<void>
  readonly #child: ChildProcess
  readonly #configuration: Configuration
  readonly #env: NodeJS.ProcessEnv
  readonly #grace: number
  #events: ConnectionEvents | undefined
  #onOutcome: (outcome: Outcome) => void = () => {}
  #onWorn: () => void = () => {}
  readonly #startedAt = Date.now()
  #onPrepared: (prepared: Promise<Prepared>) => void = () => {}
  readonly #prepared = new Promise<Prepared>((resolve_) => (this.#onPrepared = resolve_))
  #isServing = false
  #killer: NodeJS.Timeout | undefined

  /** Starts it, and has it come as far as it can without the app. */
  constructor(configuration: Configuration, env: NodeJS.ProcessEnv) {
    const { options } = configuration
    this.#grace = Math.min(milliseconds(options['timeout-graceful-shutdown']), GRACE_LIMIT)
    const limit = (this.#grace + DISCONNECT_LIMIT) / 1000
    this.#configuration = { ...configuration, options: { ...options, 'timeout-graceful-shutdown': limit } }
    this.#env = env
    this.#child = fork(PROGRAM, [], { env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
    this.ended = this.#ends()
    this.worn = new Promise((resolve_) => (this.#onWorn = resolve_))
    this.#child.on('message', this.#hear)
    this.#say({ type: 'prepare', configuration: this.#configuration })
  }

  /**
   * Whether it is what a process would be that is started now: whether Python would be the same, and start from the
   * same files.
   */
  async isFresh(): Promise<boolean> {
    const before = await Promise.race([this.#prepared, this.ended.then(() => undefined)])
    if (before === undefined || before.changedAt > this.#startedAt) return false
    return (await this.#describe(before.sources)).state === before.state
  }

  /** Starts the app; it is lent connections from when it is ready on. */
  serve(server: string | null, ticketKeys: string, events: ConnectionEvents): Promise<Outcome> {
    this.#events = events
    this.#isServing = true
    this.#say({ type: 'serve', server, ticketKeys })
    const outcome = new Promise<Outcome>((resolve_) => (this.#onOutcome = resolve_))
    return Promise.race([outcome, this.ended])
  }

  lend(id: number, socket: Socket): void {
    // It stays open here too: so it outlives a process that dies, or that gives it back.
    if (this.#child.connected)
      this.#child.send({ type: 'connection', id } satisfies ToApp, socket, { keepOpen: true }, () => {})
  }

  /** Has it end in good order, within limits. */
  end(): void {
    // A spare one has nothing to put in order.
    if (!this.#isServing) {
      this.kill()
      return
    }
    this.#say({ type: 'end', grace: this.#grace })
    this.#killer ??= setTimeout(() => this.kill(), this.#grace + DISCONNECT_LIMIT + SHUTDOWN_LIMIT)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #say(message: ToApp): void {
    // What it cannot be told any more shows in its end.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  readonly #hear = (message: FromApp): void => {
    switch (message.type) {
      case 'prepared':
        this.#onPrepared(this.#describe(message.sources))
        break
      case 'ready':
        this.#onOutcome({ type: 'ready', versions: message.versions })
        break
      case 'failed':
        this.#onOutcome({ type: 'failed', error: fromMessage(message.error) })
        break
      case 'worn':
        this.#onWorn()
        break
      case 'taken':
        this.#events?.onTaken(message.id)
        break
      case 'returned':
        this.#events?.onReturned(message.id)
        break
      case 'closed':
        this.#events?.onClosed(message.id)
    }
  }

  async #describe(sources: readonly string[]): Promise<Prepared> {
    const [interpreter, { state, changedAt }] = await Promise.all([this.#interpreter(), fingerprint(sources)])
    return { sources, state: `${interpreter}\n${state}`, changedAt }
  }

  /** Which Python a start would find now. */
  async #interpreter(): Promise<string> {
    const { python, 'app-dir': appDir } = this.#configuration.options
    const found = await locateInterpreter({ python, appDir: resolve(appDir), env: this.#env }).catch(() => undefined)
    return found?.path ?? ''
  }

  async #ends(): Promise<Ended> {
    const child = this.#child
    const disconnected = new Promise((resolve_) => child.once('disconnect', resolve_))
    const ended = await new Promise<Ended>((resolve_) => {
      child.once('exit', (code, signal) => resolve_({ type: 'ended', code, signal }))
      child.on('error', (error) => {
        // There is no process that could exit.
        if (child.pid !== undefined) return
        this.#onOutcome({
          type: 'failed',
          error: new ServeError(`No process could be made for the app (${error.message}).`, { cause: error }),
        })
        resolve_({ type: 'ended', code: 1, signal: null })
      })
    })
    clearTimeout(this.#killer)
    // Its last words may still be on their way. A process that it has forked can hold the channel open for ever.
    if (child.connected) await Promise.race([disconnected, after(LAST_WORDS_LIMIT, undefined, { ref: false })])
    return ended
  }
}

interface Prepared {
  sources: readonly string[]
  /** Which Python, and in which state those were. */
  state: string
  /** When the last of them was changed, in milliseconds of the epoch. */
  changedAt: number
}
