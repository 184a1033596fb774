import { EventEmitter, once } from 'node:events'
import type { Logger } from './python.js'

export type Level = 'debug' | 'info' | 'warn' | 'error'

export interface Entry {
  level: Level
  args: unknown[]
}

/** A logger that keeps what it is told and lets a test wait for it. */
export class Recorder implements Logger {
  readonly entries: Entry[] = []
  readonly #events = new EventEmitter()

  debug = (...args: unknown[]): void => this.#add('debug', args)
  info = (...args: unknown[]): void => this.#add('info', args)
  warn = (...args: unknown[]): void => this.#add('warn', args)
  error = (...args: unknown[]): void => this.#add('error', args)

  /** The errors among everything logged at a level. */
  errors(level: Level = 'error'): Error[] {
    return this.at(level).flatMap(({ args }) => args.filter((arg): arg is Error => arg instanceof Error))
  }

  at(level: Level): Entry[] {
    return this.entries.filter((entry) => entry.level === level)
  }

  /** The first entry of a level, now or later, whose text matches. */
  async waitFor(level: Level, pattern: RegExp): Promise<Entry> {
    for (;;) {
      const found = this.at(level).find((entry) => pattern.test(textOf(entry)))
      if (found) return found
      await once(this.#events, 'entry', { signal: AbortSignal.timeout(10_000) })
    }
  }

  /** The first error logged at level `error`, now or later. */
  async waitForError(): Promise<Error> {
    for (;;) {
      const [error] = this.errors()
      if (error) return error
      await once(this.#events, 'entry', { signal: AbortSignal.timeout(10_000) })
    }
  }

  #add(level: Level, args: unknown[]): void {
    this.entries.push({ level, args })
    this.#events.emit('entry')
  }
}

export function textOf(entry: Entry): string {
  return entry.args
    .map((arg) => (arg instanceof Error ? `${arg.name}: ${arg.message}\n${arg.stack}` : String(arg)))
    .join(' ')
}
