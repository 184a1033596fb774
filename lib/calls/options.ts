// Checks the options that a call is given by `.with(keywords, options)`.
import { wrongArgument } from '../base/errors.js'
import { unknownOption } from '../base/nearest.js'
import type { CallOptions } from './target.js'
import { problemOfTransfer } from './transfer.js'

const KNOWN = ['signal', 'timeout', 'transfer']

/** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS` */
export function checkCallOptions(options: CallOptions): void {
  const problem = problemOf(options)
  if (problem !== undefined) {
    throw wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', problem)
  }
}

function problemOf(options: CallOptions): string | undefined {
  if (typeof options !== 'object' || options === null) {
    return 'The options of a call are an object: { signal, timeout, transfer }.'
  }
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name))
  if (unknown !== undefined) {
    return unknownOption(unknown, KNOWN, ' of a call')
  }
  const { signal, timeout, transfer } = options
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.addEventListener !== 'function') {
    return 'Option signal must be an AbortSignal.'
  }
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 0)) {
    return `Option timeout must be a number of milliseconds, 0 or more, but it is ${String(timeout)}.`
  }
  return transfer === undefined ? undefined : problemOfTransfer(transfer)
}
