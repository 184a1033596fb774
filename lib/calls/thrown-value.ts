// What was thrown and is no error.
import { inspect } from 'node:util'

/** Stands for a value that JavaScript has thrown, while it is in Python. */
export class ThrownValue extends Error {
  readonly thrown: unknown

  constructor(thrown: unknown) {
    super(inspect(thrown))
    this.thrown = thrown
    Object.defineProperty(this, 'name', { value: '' })
    this.stack = ''
  }
}
