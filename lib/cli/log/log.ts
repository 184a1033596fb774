import { isatty } from 'node:tty'
import { inspect } from 'node:util'
import type { Logger } from '../../base/types.js'
import type { OptionValues } from '../options/table.js'
import { stylesFor } from '../text/styles.js'
import { LEVELS, type Fields, type Level, type LogFormat } from './format.js'
import { JsonFormat } from './json-format.js'
import { LineWriter } from './line-writer.js'
import { TextFormat } from './text-format.js'

export interface LogOptions {
  /** @default 'info' */
  level?: Level | undefined
  /** @default 'text' */
  format?: 'text' | 'json'
  /** `module:attribute`; its package counts as the user's own in tracebacks. */
  app?: string | undefined
}

/**
 * What amphis itself has to say: text for people, with colours where a terminal has them, or JSON, a line each. Text
 * goes to stdout, from warnings up to stderr; JSON goes to stdout alone, which keeps it in order.
 */
export class Log implements Logger {
  /** Text as it is made for stdout; undefined where JSON is wanted. */
  readonly text: TextFormat | undefined
  readonly #least: number
  readonly #quiet: LogFormat
  readonly #loud: LogFormat
  readonly #out: LineWriter
  readonly #err: LineWriter

  constructor({ level = 'info', format = 'text', app }: LogOptions = {}) {
    this.#least = LEVELS.indexOf(level)
    if (format === 'json') {
      this.#quiet = new JsonFormat()
      this.#loud = this.#quiet
      this.#out = new LineWriter(1, (lines) => this.#quiet.message('warning', lostMessage(lines), { lost: lines }))
      this.#err = this.#out
    } else {
      const isDetailed = level === 'debug' || level === 'trace'
      this.text = new TextFormat({ styles: stylesFor(process.stdout), isTerminal: isatty(1), isDetailed, app })
      this.#quiet = this.text
      this.#loud = new TextFormat({ styles: stylesFor(process.stderr), isTerminal: isatty(2), isDetailed, app })
      this.#out = new LineWriter(1, (lines) => this.#quiet.message('warning', lostMessage(lines), {}))
      this.#err = new LineWriter(2, (lines) => this.#loud.message('warning', lostMessage(lines), {}))
    }
  }

  /** Whether messages of a level are shown. */
  shows(level: Level): boolean {
    return LEVELS.indexOf(level) >= this.#least
  }

  debug(...values: unknown[]): void {
    this.#log('debug', values)
  }

  info(...values: unknown[]): void {
    this.#log('info', values)
  }

  warn(...values: unknown[]): void {
    this.#log('warning', values)
  }

  error(...values: unknown[]): void {
    this.#log('error', values)
  }

  /** A message, and in JSON fields of its own. */
  say(level: Level, message: string, fields: Fields = {}): void {
    if (this.shows(level)) this.#write(level, (format) => format.message(level, message, fields))
  }

  /** A line for stdout that is made already, or several; it may wait a little for others to come. */
  print(line: string): void {
    this.#out.write(line)
  }

  /** A message from before anything is served. */
  remark(level: Level, message: string): void {
    if (this.shows(level)) this.#write(level, (format) => format.remark(level, message))
  }

  /** An error that ended it all. */
  fail(error: unknown): void {
    this.#write('error', (format) => format.failure(error))
  }

  #log(level: Level, values: readonly unknown[]): void {
    if (!this.shows(level)) return
    const error = values.find((value) => value instanceof Error)
    const words = values
      .filter((value) => value !== error)
      .map((value) => (typeof value === 'string' ? value : inspect(value)))
      .join(' ')
    if (error === undefined) this.say(level, words)
    else this.#write(level, (format) => format.error(level, words, error))
  }

  #write(level: Level, line: (format: LogFormat) => string): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf('warning')) this.#out.write(line(this.#quiet), true)
    else this.#err.write(line(this.#loud), true)
  }
}

let current: Log | undefined

/** The log of this process: it has one stdout. Called before anything is said. */
export function openLog(app: string | undefined, options: OptionValues): Log {
  current ??= new Log({ level: options['log-level'], format: options['log-format'], app })
  return current
}

/** The same for what may go wrong before anything is known of it. */
export function currentLog(): Log {
  return current ?? new Log()
}

function lostMessage(lines: number): string {
  const were = lines === 1 ? '1 entry of this log was' : `${lines} entries of this log were`
  return `${were} lost: whoever reads it is too slow.`
}
