// Errors on their way from one process to another.
import { AmphisError, fromDescription, PythonError, type ErrorDescription } from '../../base/errors.js'
import { ServeError } from './serve-error.js'
import { UsageError } from './usage-error.js'

/** An error on its way to another process, as JSON carries it. */
export type ErrorMessage =
  | { kind: 'amphis'; description: ErrorDescription }
  | { kind: 'serve'; message: string }
  | { kind: 'usage'; message: string }
  | { kind: 'other'; message: string; stack: string | undefined }

export function toMessage(error: unknown): ErrorMessage {
  if (error instanceof PythonError) {
    const { code, type, message, traceback, exceptions } = error
    return { kind: 'amphis', description: { code, type, message, traceback, exceptions } }
  }
  if (error instanceof AmphisError) {
    return { kind: 'amphis', description: { code: error.code, message: error.message } }
  }
  if (error instanceof ServeError) return { kind: 'serve', message: error.message }
  if (error instanceof UsageError) return { kind: 'usage', message: error.message }
  return error instanceof Error
    ? { kind: 'other', message: error.message, stack: error.stack }
    : { kind: 'other', message: String(error), stack: undefined }
}

/** The error as it was, but for its cause. */
export function fromMessage(message: ErrorMessage): Error {
  if (message.kind === 'amphis') return fromDescription(message.description)
  if (message.kind === 'serve') return new ServeError(message.message)
  if (message.kind === 'usage') return new UsageError(message.message)
  const error = new Error(message.message)
  if (message.stack !== undefined) error.stack = message.stack
  return error
}
