// Where in a value something could not be converted: the place is put together while the error goes out.

import { ConversionError } from '../base/errors.js'

/** A value that cannot be converted; its place becomes known step by step, the innermost first. */
export class Unfit extends Error {
  readonly steps: string[] = []
}

/**
 * Has an error on its way out know one step more.
 *
 * @returns the same error
 */
export function within(error: unknown, step: string): unknown {
  if (error instanceof Unfit) {
    error.steps.push(step)
  }
  return error
}

/** The step to a key of an object: `.name`, or `["key with space"]`. */
export function keyStep(key: string): string {
  if (/^[A-Za-z_$][\w$]*$/u.test(key) && key.length <= LONG) {
    return `.${key}`
  }
  return `[${JSON.stringify(key.length > LONG ? `${key.slice(0, LONG)}…` : key)}]`
}

export function indexStep(index: number): string {
  return `[${index}]`
}

/** Longer keys are cut. */
const LONG = 80
/** So many steps are shown, of the beginning and of the end. */
const SHOWN = 20

/** What the caller gets for an error in a value that is called `root`. */
export function placed(error: unknown, root: string): unknown {
  if (!(error instanceof Unfit)) {
    return error
  }
  const steps = error.steps.toReversed()
  const omitted = steps.length - 2 * SHOWN
  const path =
    omitted > 0
      ? `${root}${steps.slice(0, SHOWN).join('')}…${steps.slice(-SHOWN).join('')}`
      : `${root}${steps.join('')}`
  return new ConversionError(path, `${path}: ${error.message}`)
}
