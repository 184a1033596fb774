import { inspect } from 'node:util'
import { AmphisError, PythonError } from '../../base/errors.js'
import { ServeError } from '../errors/serve-error.js'
import { UsageError } from '../errors/usage-error.js'
import { formatDateAndTime, formatTimeOfDay } from '../text/clock.js'
import { harmless } from '../text/control-characters.js'
import type { Styles } from '../text/styles.js'
import { nameOf, originOf } from './error-origins.js'
import type { Level, LogFormat } from './format.js'
import { foldedTraceback } from './traceback.js'

export interface TextOptions {
  readonly styles: Styles
  /** Whether a person looks at it: no dates then, and tracebacks without the frames of libraries. */
  readonly isTerminal: boolean
  /** Tracebacks whole all the same. */
  readonly isDetailed: boolean
  readonly app: string | undefined
}

/** The log for people. */
export class TextFormat implements LogFormat {
  readonly styles: Styles
  readonly isTerminal: boolean
  readonly #isFolded: boolean
  readonly #app: string | undefined

  constructor({ styles, isTerminal, isDetailed, app }: TextOptions) {
    this.styles = styles
    this.isTerminal = isTerminal
    this.#isFolded = isTerminal && !isDetailed
    this.#app = app
  }

  /** What a line begins with: on a terminal the time of day, else the date too. */
  time(): string {
    const now = Date.now()
    return this.styles.dim(this.isTerminal ? formatTimeOfDay(now) : formatDateAndTime(now))
  }

  message(level: Level, message: string): string {
    return level === 'info' ? `${this.time()} ${message}` : `${this.time()} ${this.#label(level)} ${message}`
  }

  error(level: Level, words: string, error: Error): string {
    return this.message(level, words === '' ? this.#errorText(error) : `${words} ${this.#errorText(error)}`)
  }

  remark(level: Level, message: string): string {
    return `${this.#label(level)} ${message}`
  }

  failure(error: unknown): string {
    const traceback = error instanceof PythonError ? `${this.#traceback(error)}\n` : ''
    const isForeseen = error instanceof AmphisError || error instanceof ServeError || error instanceof UsageError
    // Of what nobody foresaw all that is known may help.
    return traceback + this.remark('error', isForeseen ? harmless(error.message) : inspect(error))
  }

  #label(level: Level): string {
    const { dim, red, yellow } = this.styles
    const style = { critical: red, error: red, warning: yellow, info: dim, debug: dim, trace: dim }[level]
    return style(`${level}:`)
  }

  #errorText(error: Error): string {
    if (!(error instanceof AmphisError)) return harmless(inspect(error))
    const origin = originOf(error)
    if (error instanceof PythonError) {
      let head = harmless(error.message)
      if (error.code === 'AMPHIS_ERR_PYTHON')
        head = origin === undefined ? 'The app raised:' : `${nameOf(origin)} failed:`
      return `${head}\n${this.#traceback(error)}`
    }
    const isNamed = origin === undefined || error.message.includes(origin.url)
    return harmless(isNamed ? error.message : `${nameOf(origin)}: ${error.message}`)
  }

  #traceback(error: PythonError): string {
    return this.#isFolded ? foldedTraceback(error, this.styles, this.#app) : harmless(error.traceback).trimEnd()
  }
}
