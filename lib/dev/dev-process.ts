// A process for an app, for as long as none of its files changes.
import { type ChildProcess, fork } from 'node:child_process'
import { AmphisError } from '../base/errors.js'
import { fromMessage } from '../cli/errors/error-message.js'
import { programOf } from '../package-root.js'
import type { DevOptions, FromApp, ToApp } from './messages.js'

const PROGRAM = programOf('dev/child')

/** How long it may take to end, in milliseconds; then it is killed. */
const END_LIMIT = 2_000

export interface DevProcessSettings {
  readonly options: DevOptions
  readonly prefix: string
  /** The path of a Unix socket that nobody has yet. */
  readonly socket: string
  onRaised(error: Error): void
}

export class DevProcess {
  readonly socket: string
  /** Resolves with what it served ended of: a code, or a signal. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  readonly #ready: Promise<void>

  constructor({ options, prefix, socket, onRaised }: DevProcessSettings) {
    this.socket = socket
    // Flags of the server in front, such as a loader, are none of its business.
    this.#child = fork(PROGRAM, [], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`))
      this.#child.once('error', ({ message }) => resolve(message))
    })
    this.#ready = new Promise((resolve, reject) => {
      this.#child.on('message', (message: FromApp) => {
        if (message.type === 'ready') resolve()
        else if (message.type === 'failed') reject(fromMessage(message.error))
        else onRaised(fromMessage(message.error))
      })
      void this.ended.then((how) => reject(died(how)))
    })
    this.#say({ type: 'serve', options, prefix, socket })
  }

  /** @throws {AmphisError} what kept the app from starting */
  async ready(): Promise<this> {
    await this.#ready
    return this
  }

  /** Ends it in good order, within a limit. */
  async end(): Promise<void> {
    this.#say({ type: 'end' })
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT)
    await this.ended
    clearTimeout(killer)
  }

  #say(message: ToApp): void {
    // What it cannot be told any more shows in its end.
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}

/** An app that has taken its process with it. */
export function died(how: string): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_CLOSED',
    `The process of the Python app has ended (${how}). It starts again when one of its files changes.`,
  )
}
