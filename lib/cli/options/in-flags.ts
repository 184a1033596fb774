import { AmphisError } from '../../base/errors.js'
import { OPTIONS } from './table.js'

/**
 * An error of the handler in the words of whoever typed the command: what to set there is an option of `PythonHandler`,
 * here a flag. Changes the message, and gives the error back.
 */
export function inFlags<T>(error: T): T {
  if (error instanceof AmphisError) {
    error.message = error.message
      .replace(/Set `(\w+)` to true/g, (whole, name: string) => (isFlag(name) ? `Give ${flagOf(name)}` : whole))
      .replace(/(?:the option )?`(\w+)`/g, (whole, name: string) => (isFlag(name) ? flagOf(name) : whole))
  }
  return error
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

const isFlag = (name: string): boolean => Object.hasOwn(OPTIONS, kebab(name))

const flagOf = (name: string): string => `--${kebab(name)}`
