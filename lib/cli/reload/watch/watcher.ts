// Tells of changes of files, once it is quiet.
import { stat } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { dirname } from 'node:path'
import { type ChokidarOptions, type FSWatcher, watch } from 'chokidar'
import type { FileFilter } from './file-filter.js'

/** chokidar tells of one change of a file in so many milliseconds, and leaves out what comes meanwhile. */
const THROTTLE = 50

/** How often files are looked at where the system cannot tell of their changes, in milliseconds. */
const POLL_INTERVAL = 500

/** What the system may have run out of: watches, or instances of its watching. */
const EXHAUSTED = new Set(['ENOSPC', 'EMFILE', 'ENFILE'])

export interface WatchSettings {
  filter: FileFilter
  /** Other files to be watched, absolute; they need not exist. */
  files: readonly string[]
  /** How long it must be quiet after a change, in milliseconds. */
  delay: number
  /** Files that have changed after this time were changed while nobody watched yet; in milliseconds of the epoch. */
  since: number
  /**
   * Told which files have changed, been added or removed, once it is quiet.
   *
   * @param at when the last of it was seen, on the clock of `performance.now()`
   */
  onChange(paths: string[], at: number): void
  /** Told, in one line, that watching has become slow or incomplete. */
  onWarning(message: string): void
}

/** Watches files until it is closed. */
export class Watcher {
  readonly #settings: WatchSettings
  readonly #known = new Map<string, string>()
  readonly #changed = new Set<string>()
  #watchers: FSWatcher[] = []
  #isReady = false
  #polls = false
  #timer: NodeJS.Timeout | undefined
  #changedAt = 0
  #isClosed = false
  readonly #checks = new Set<NodeJS.Timeout>()

  constructor(settings: WatchSettings) {
    this.#settings = settings
    this.#watch()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const check of this.#checks) clearTimeout(check)
    this.#unwatch()
  }

  #unwatch(): void {
    for (const watcher of this.#watchers) {
      void watcher.close()
      // Nobody listens any more, and what it still runs into must not be thrown.
      watcher.on('error', () => {})
    }
  }

  #watch(): void {
    const { filter, files } = this.#settings
    const shared: ChokidarOptions = {
      ignorePermissionErrors: true,
      usePolling: this.#polls,
      interval: POLL_INTERVAL,
      binaryInterval: POLL_INTERVAL,
    }
    const ignored = (path: string, stats?: Stats): boolean => {
      if (stats?.isFile() === true) return !filter.watches(path)
      if (stats?.isDirectory() === true) return !filter.enters(path)
      // Not looked at yet, or a link.
      return !filter.watches(path) && !filter.enters(path)
    }
    const folders = new Set(files.map((file) => dirname(file)))
    const isForeign = (path: string): boolean => !folders.has(path) && !files.includes(path)
    this.#watchers = [
      watch([...filter.folders], { ...shared, ignored }),
      watch([...folders], { ...shared, ignored: isForeign, depth: 0 }),
    ]
    let pending = this.#watchers.length
    for (const watcher of this.#watchers) {
      watcher.on('add', (path, stats) => this.#look(path, stats))
      watcher.on('change', (path, stats) => {
        this.#look(path, stats)
        this.#lookAgain(path)
      })
      watcher.on('unlink', (path) => {
        this.#known.delete(path)
        this.#note(path)
      })
      watcher.on('ready', () => {
        pending -= 1
        this.#isReady ||= pending === 0
      })
      watcher.on('error', (error) => this.#fail(error as NodeJS.ErrnoException))
    }
  }

  /** Compares a file with what is known of it: its owner and mode may change, and chokidar tells of that too. */
  #look(path: string, stats: Stats | undefined): void {
    if (stats === undefined) return
    const state = `${stats.ino} ${stats.size} ${stats.mtimeMs}`
    const before = this.#known.get(path)
    if (state === before) return
    this.#known.set(path, state)
    const isFound = before === undefined && !this.#isReady
    if (!isFound || stats.mtimeMs > this.#settings.since) this.#note(path)
  }

  /** For what chokidar has left out. */
  #lookAgain(path: string): void {
    const check = setTimeout(() => {
      this.#checks.delete(check)
      void this.#compare(path)
    }, THROTTLE + 10)
    this.#checks.add(check)
  }

  async #compare(path: string): Promise<void> {
    // Of a file that was removed meanwhile somebody else tells.
    this.#look(path, await stat(path).catch(() => undefined))
  }

  #note(path: string): void {
    this.#changed.add(path)
    this.#changedAt = performance.now()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#tell(), this.#settings.delay)
  }

  async #tell(): Promise<void> {
    const timer = this.#timer
    // Many write a file in several steps.
    await Promise.all(Array.from(this.#changed, (path) => this.#compare(path)))
    if (timer !== this.#timer || this.#isClosed) return
    const paths = [...this.#changed]
    this.#changed.clear()
    this.#settings.onChange(paths, this.#changedAt)
  }

  #fail({ code, message }: NodeJS.ErrnoException): void {
    if (!EXHAUSTED.has(code ?? '') || this.#polls) {
      this.#settings.onWarning(`Some files are not watched (${message}).`)
      return
    }
    this.#polls = true
    const remedy =
      process.platform === 'linux'
        ? `Raise its limit: sudo sysctl fs.inotify.max_user_${code === 'ENOSPC' ? 'watches=524288' : 'instances=1024'}.`
        : 'Raise the limit of open files: ulimit -n 65536.'
    this.#settings.onWarning(
      `The system cannot watch so many files (${code}), so they are looked at twice a second. ${remedy}`,
    )
    this.#unwatch()
    this.#watch()
  }
}
