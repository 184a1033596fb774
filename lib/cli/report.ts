import { styleText } from 'node:util'
import { AmphisError, PythonError } from '../errors.js'
import { ServeError } from './serve-error.js'
import { UsageError } from './usage-error.js'

const FAILED = 1
const MISUSED = 2

/** Says what happened in the words of whom it concerns, and returns the exit code. */
export function report(error: unknown): number {
  if (error instanceof PythonError) console.error(error.traceback.trimEnd())
  if (error instanceof UsageError || error instanceof AmphisError || error instanceof ServeError) {
    say('error', error.message)
    return error instanceof UsageError || ('code' in error && error.code === 'AMPHIS_ERR_INVALID_OPTIONS')
      ? MISUSED
      : FAILED
  }
  // Nobody foresaw it: all that is known may help.
  console.error(error)
  return FAILED
}

/** Says what is odd but no reason to stop. */
export function warn(message: string): void {
  say('warning', message)
}

function say(word: 'error' | 'warning', message: string): void {
  const colour = word === 'error' ? 'red' : 'yellow'
  console.error(`${styleText(colour, `${word}:`, { stream: process.stderr })} ${message}`)
}
