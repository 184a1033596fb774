// What the server of development and the process of its app say to each other.
import type { PythonHandlerOptions } from '../base/types.js'
import type { ErrorMessage } from '../cli/errors/error-message.js'

/** What a process can be told of a handler. */
export type DevOptions = Omit<PythonHandlerOptions, 'logger' | 'signal'>

export type ToApp =
  | { type: 'serve'; options: DevOptions; prefix: string; socket: string }
  /** To end in good order. */
  | { type: 'end' }

export type FromApp =
  | { type: 'ready' }
  /** The app does not start; the process ends. */
  | { type: 'failed'; error: ErrorMessage }
  /** It has raised while it served. */
  | { type: 'raised'; error: ErrorMessage }
