// What the supervisor of `--reload` and its processes say to each other.
import type { Versions } from '../../base/types.js'
import type { ErrorMessage } from '../errors/error-message.js'
import type { Configuration } from '../options/configuration.js'

/** What the supervisor says to a process for the app. */
export type ToApp =
  /** First: get ready, short of importing anything of the app's. */
  | { type: 'prepare'; configuration: Configuration }
  /**
   * Import the app and take connections.
   *
   * `server`: what the supervisor's own server says of its address. `ticketKeys`: what all processes encrypt TLS
   * sessions with, in base64, so that each can resume those of the one before.
   */
  | { type: 'serve'; server: string | null; ticketKeys: string }
  /** A connection, whose socket comes with the message; nothing was read of it. The supervisor has it open as well. */
  | { type: 'connection'; id: number }
  /** Give back what can be given back, answer the rest within so many milliseconds, and end in good order. */
  | { type: 'end'; grace: number }

/** What such a process says to the supervisor. */
export type FromApp =
  /** It has started Python from these files and folders. */
  | { type: 'prepared'; sources: string[] }
  | { type: 'ready'; versions: Versions | undefined }
  /** It ends, and this is why. */
  | { type: 'failed'; error: ErrorMessage }
  /** It has had as many requests as `--limit-max-requests` allows, and ends. */
  | { type: 'worn' }
  /** It has this connection, and from now on reads it. */
  | { type: 'taken'; id: number }
  /** It has let go of this connection, of which it has read nothing that it has not answered. */
  | { type: 'returned'; id: number }
  /** This connection is over. */
  | { type: 'closed'; id: number }
