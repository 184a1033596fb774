// The status, headers and log level that each error stands for.
import { STATUS_CODES } from 'node:http'
import type { AmphisError, AmphisErrorCode } from '../base/errors.js'
import { failedRequest } from '../base/failed-request.js'
import type { Logger } from '../base/types.js'

/** What a client is told of an error that kept a request from being answered by the app. */
export interface ErrorAnswer {
  readonly status: number
  /** The reason, which is also the whole body. */
  readonly text: string
  /** Headers that belong to it. */
  readonly headers?: Readonly<Record<string, string>>
  /** At which level it is logged by whoever answers it; not at all when it is the rule. */
  readonly level: 'error' | 'warn' | undefined
}

const INTERNAL: ErrorAnswer = { status: 500, text: 'Internal Server Error', level: 'error' }

const ANSWERS: Partial<Record<AmphisErrorCode, ErrorAnswer>> = {
  AMPHIS_ERR_CLOSED: { status: 503, text: 'Service Unavailable', level: undefined },
  AMPHIS_ERR_OVERLOADED: {
    status: 503,
    text: 'Service Unavailable',
    headers: { 'retry-after': '1' },
    level: 'warn',
  },
  AMPHIS_ERR_REQUEST_TIMEOUT: { status: 504, text: 'Gateway Timeout', level: 'error' },
  AMPHIS_ERR_INVALID_REQUEST: { status: 400, text: 'Bad Request', level: 'error' },
  AMPHIS_ERR_BODY_TOO_LARGE: { status: 413, text: 'Content Too Large', level: 'warn' },
}

/** The answer that an error stands for; `undefined` where it says nothing more than that something failed. */
export function knownAnswer({ code }: AmphisError): ErrorAnswer | undefined {
  return ANSWERS[code]
}

/** The answer to any error. One of the host's may say by its `status` what it stands for. */
export function answerTo(error: AmphisError): ErrorAnswer {
  return knownAnswer(error) ?? hostsAnswer(error as { readonly status?: unknown }) ?? INTERNAL
}

/** What the errors of http-errors and their like stand for. A refusal is the rule, and not logged. */
function hostsAnswer(error: { readonly status?: unknown }): ErrorAnswer | undefined {
  const { status } = error
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599
    ? { status, text: STATUS_CODES[status] ?? 'Error', level: status < 500 ? undefined : 'error' }
    : undefined
}

// What kept an app from starting answers every request until somebody mends it.
const told = new WeakSet<AmphisError>()

/** Logs an error that was answered, as far as it is worth it: the same one in full only once. */
export function logAnswered(logger: Logger, error: AmphisError): void {
  const { level } = answerTo(error)
  if (level !== 'error') {
    if (level !== undefined) {
      logger[level](error.message)
    }
  } else if (told.has(error)) {
    logger.debug(`${failedRequest(error) ?? 'Another request'} failed as one before: ${error.message}`)
  } else {
    told.add(error)
    logger.error(error)
  }
}
