import { ContestantFailed } from '../harness/child.js'
import { WrongBytes } from '../harness/wire.js'

/** What a load generator tells of a contestant: a result, or what the contestant did instead. */
export type Told<Result> = Result | { readonly failed: string; readonly wrong: boolean }

/** The result; throws `WrongBytes` or `ContestantFailed` where there is none. */
export function resultOf<Result extends object>(who: string, told: Told<Result>): Result {
  if ('failed' in told) {
    throw told.wrong ? new WrongBytes(`${who} ${told.failed}.`) : new ContestantFailed(told.failed)
  }
  return told
}
