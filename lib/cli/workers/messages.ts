// What workers and their parent say to each other.
import type { Versions } from '../../base/types.js'
import type { ErrorMessage } from '../errors/error-message.js'
import type { Configuration } from '../options/configuration.js'

/** The descriptor under which a worker inherits the listening socket: after the standard ones and that of the IPC. */
export const LISTENING_DESCRIPTOR = 4

/** What the primary says to a worker. */
export type ToWorker =
  /** `ticketKeys`: what all workers encrypt TLS sessions with, in base64, so that each can resume those of the others. */
  | { type: 'serve'; configuration: Configuration; ticketKeys: string }
  | { type: 'ping' }
  /** `lingers`: another has taken its place, so it can take its time with idle connections. */
  | { type: 'end'; lingers: boolean }

/** Which of a worker's event loops. */
export type Loop = 'node' | 'python'

/** What a worker says to the primary. */
export type FromWorker =
  | { type: 'listening'; address: string; versions: Versions | undefined }
  /** A ping has come as far as this loop. */
  | { type: 'pong'; loop: Loop }
  /** It has served as many requests as `--limit-max-requests` allows, and goes on until it is replaced. */
  | { type: 'worn' }
  /** It ends, and this is why. */
  | { type: 'failed'; error: ErrorMessage }
