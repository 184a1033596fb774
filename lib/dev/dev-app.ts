// An app in a server of development: a process of its own, another one after each change of its files.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileFilter } from '../cli/reload/watch/file-filter.js'
import { Watcher } from '../cli/reload/watch/watcher.js'
import { died, DevProcess } from './dev-process.js'
import type { DevOptions } from './messages.js'

/** How long it must be quiet after a change, in milliseconds. */
const QUIET = 100

export interface DevAppSettings {
  readonly options: DevOptions & { readonly appDir: string }
  /** Where the app is mounted. */
  readonly prefix: string
  /** Told when it serves again, with the files that have changed. */
  onReloaded(changed: readonly string[]): void
  /** Told what keeps it from serving. */
  onError(error: Error): void
  /** Told what it raises while it serves, which its process has printed. */
  onRaised(error: Error): void
  onWarning(message: string): void
}

export class DevApp {
  readonly #settings: DevAppSettings
  readonly #folder = mkdtempSync(join(tmpdir(), 'amphis-dev-'))
  readonly #watcher: Watcher
  #current: Promise<DevProcess>
  #closing: Promise<void> | undefined

  /** Starts it. */
  constructor(settings: DevAppSettings) {
    this.#settings = settings
    this.#current = this.#start()
    this.#current.catch((error: Error) => settings.onError(error))
    this.#watcher = new Watcher({
      filter: new FileFilter({
        'app-dir': settings.options.appDir,
        'reload-dir': [],
        'reload-include': [],
        'reload-exclude': [],
      }),
      files: [],
      delay: QUIET,
      since: Date.now(),
      onChange: (paths) => this.#reload(paths),
      onWarning: settings.onWarning,
    })
  }

  /**
   * The Unix socket where it serves, once it does.
   *
   * @throws {AmphisError} what keeps it from starting
   */
  async socket(): Promise<string> {
    return (await this.#current).socket
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#watcher.close()
    const last = await this.#current.catch(() => undefined)
    await last?.end()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #reload(changed: readonly string[]): void {
    const before = this.#current
    const next = this.#after(before)
    this.#current = next
    next.then(
      () => this.#settings.onReloaded(changed),
      (error: Error) => this.#settings.onError(error),
    )
  }

  // What it holds open, such as a port of its own, is there for the next one.
  async #after(before: Promise<DevProcess>): Promise<DevProcess> {
    const old = await before.catch(() => undefined)
    await old?.end()
    return this.#start()
  }

  async #start(): Promise<DevProcess> {
    const { options, prefix, onError, onRaised } = this.#settings
    const socket = join(this.#folder, randomUUID().slice(0, 8))
    const app = await new DevProcess({ options, prefix, socket, onRaised }).ready()
    void app.ended.then(async (how) => {
      if (this.#closing !== undefined || (await this.#current.catch(() => undefined)) !== app) return
      const error = died(how)
      this.#current = Promise.reject(error)
      this.#current.catch(() => {})
      onError(error)
    })
    return app
  }
}
