// The levels of the log, and what turns a message into a line.

/** The least important first. */
export const LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical'] as const

export type Level = (typeof LEVELS)[number]

/** What a line of JSON has besides its time, level and message; what is undefined is left out. */
export type Fields = Readonly<Record<string, unknown>>

/** How messages become lines. */
export interface LogFormat {
  message(level: Level, message: string, fields: Fields): string
  /** Words that were logged, an error among them. */
  error(level: Level, words: string, error: Error): string
  /** A message from before anything is served, which needs no time. */
  remark(level: Level, message: string): string
  /** An error that ended it all. */
  failure(error: unknown): string
}
