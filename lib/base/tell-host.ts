// `onError`: has the host hear of what goes wrong in its app, also of what the app's framework has answered itself.
import { types } from 'node:util'
import { AmphisError, PythonError, type AmphisErrorCode } from './errors.js'
import type { ResolvedOptions } from './options.js'

/** Faults of an app in which no exception was raised. */
const FAULTS = new Set<AmphisErrorCode>([
  'AMPHIS_ERR_NO_RESPONSE',
  'AMPHIS_ERR_INCOMPLETE_RESPONSE',
  'AMPHIS_ERR_REQUEST_TIMEOUT',
])

// What keeps an app from starting fails every request, and one error may come by two ways.
const told = new WeakSet<object>()

/** Tells of an error, once. What the host's function does wrong is logged, and nobody else's business. */
export function tellHost(
  { onError, logger }: Pick<ResolvedOptions, 'onError' | 'logger'>,
  error: unknown,
  request: unknown,
): void {
  const isApps = error instanceof PythonError || (error instanceof AmphisError && FAULTS.has(error.code))
  if (onError === undefined || !isApps || told.has(error)) {
    return
  }
  told.add(error)
  try {
    const answer: unknown = onError(error, request as never)
    if (types.isPromise(answer)) {
      answer.catch((thrown: unknown) => logger.error(thrown))
    }
  } catch (thrown) {
    logger.error(thrown)
  }
}
