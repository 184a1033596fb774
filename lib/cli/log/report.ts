// What has ended the command, in the log, and its exit code.
import { AmphisError } from '../../base/errors.js'
import { withPermissions } from '../../base/node-permissions.js'
import { UsageError } from '../errors/usage-error.js'
import { inFlags } from '../options/in-flags.js'
import { currentLog } from './log.js'

const FAILED = 1
const MISUSED = 2

/** Says what has ended it all, in the words of whom it concerns, and returns the exit code. */
export function report(error: unknown): number {
  currentLog().fail(inFlags(withPermissions(error)))
  const isMisused = error instanceof AmphisError && error.code === 'AMPHIS_ERR_INVALID_OPTIONS'
  return isMisused || error instanceof UsageError ? MISUSED : FAILED
}

/** Says what is odd but no reason to stop. */
export function warn(message: string): void {
  currentLog().remark('warning', message)
}
