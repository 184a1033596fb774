// What follows `amphis run`: our options, Python's, and which script is named.
import { UsageError } from '../errors/usage-error.js'

/** What `amphis run` was called with. */
export interface RunCommand {
  help: boolean
  /** Interpreter or virtual environment; undefined when none was named. */
  python: string | undefined
  /** Everything behind our own options: the command line of the `python` program. */
  pythonArguments: string[]
}

const PYTHON = '--python'

/**
 * Takes our own options off; they come first.
 *
 * @throws {UsageError} `--python` without a value
 */
export function parseRunArguments(args: readonly string[]): RunCommand {
  const command: RunCommand = { help: false, python: undefined, pythonArguments: [] }
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? ''
    if (word === '--help' || word === '-h') {
      command.help = true
    } else if (word === PYTHON) {
      const value = args[++index]
      if (value === undefined) throw new UsageError(`${PYTHON} needs a value: ${PYTHON} PATH.`)
      command.python = value
    } else if (word.startsWith(`${PYTHON}=`)) {
      command.python = word.slice(PYTHON.length + 1)
    } else {
      command.pythonArguments = args.slice(index)
      break
    }
  }
  return command
}

/** Options of `python` that are written with a value, in the same word or the next one. */
const WITH_VALUE = new Set(['W', 'X'])
const LONG_WITH_VALUE = new Set(['--check-hash-based-pycs'])

/**
 * The script that a command line of `python` names: a file, folder or archive.
 *
 * @returns undefined where it runs a module, a command or its standard input
 */
export function scriptOf(pythonArguments: readonly string[]): string | undefined {
  for (let index = 0; index < pythonArguments.length; index++) {
    const word = pythonArguments[index] ?? ''
    if (!word.startsWith('-') || word === '-') return word === '-' ? undefined : word
    if (word.startsWith('--')) {
      if (LONG_WITH_VALUE.has(word)) index++
      continue
    }
    // Several letters may share a word; what comes behind the first that has a value is that value.
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] ?? ''
      if (letter === 'c' || letter === 'm') return undefined
      if (WITH_VALUE.has(letter)) {
        if (at === word.length - 1) index++
        break
      }
    }
  }
  return undefined
}
