// The names that a file of Python offers, from its syntax tree, which Python itself reads.
import { spawnSync } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { AmphisError, fromDescription, type ErrorDescription } from '../base/errors.js'
import { programOf } from '../package-root.js'
import { discoverPython } from '../python/discover.js'
import { keep, kept, type State } from './names-cache.js'
import { runDescriber } from './describer.js'
import type { Name } from './name.js'

/** The place of an error in a file. */
export interface Place {
  file: string
  /** From 1. */
  line: number | null
  /** From 1. */
  column: number | null
}

/** A file of Python that is none: where, and why. */
export class PythonSyntaxError extends AmphisError {
  readonly place: Place
  /** What Python says of it. */
  readonly reason: string

  constructor(reason: string, place: Place) {
    const { file, line, column } = place
    const at = line === null ? file : `${file}:${line}${column === null ? '' : `:${column}`}`
    super('AMPHIS_ERR_APP_IMPORT', `${at}: ${reason}. Python cannot read it, so nothing can be imported from it.`)
    this.place = place
    this.reason = reason
  }
}

interface SyntaxProblem {
  message: string
  line: number | null
  column: number | null
}

type Description = { names: Name[] } | { syntaxError: SyntaxProblem }

/** What a process says that reads names for another: `names-program.ts`. */
export type NamesAnswer = { names: Name[] } | { syntax: { reason: string; place: Place } } | { error: ErrorDescription }

/**
 * The names of a file; as long as it stays as it is, it is read once.
 *
 * @throws {PythonSyntaxError} where it is no Python
 * @throws {AmphisError} `AMPHIS_ERR_APP_NOT_FOUND`, and what keeps Python from being found
 */
export async function namesOf(file: string, python?: string): Promise<readonly Name[]> {
  const state = await stat(file).catch((error: unknown) => {
    throw unreadable(file, error)
  })
  return kept(file, state) ?? (await read(file, state, python))
}

/** The same for callers that cannot wait: another process does. */
export function namesOfSync(file: string): readonly Name[] {
  let state: State
  try {
    state = statSync(file)
  } catch (error) {
    throw unreadable(file, error)
  }
  return kept(file, state) ?? ask(file, state)
}

async function read(file: string, state: State, python: string | undefined): Promise<readonly Name[]> {
  const appDir = dirname(file)
  const { executable } = await discoverPython({ appDir, python })
  // Neither the environment nor packages have a say in what a syntax tree is.
  const settings = { executable, cwd: appDir, flags: ['-I', '-S'] }
  const answer = await runDescriber<Description>(settings, ['names', file])
  if ('ended' in answer) {
    throw new AmphisError('AMPHIS_ERR_PYTHON_START', `${executable} could not read ${file} (${answer.ended}).`)
  }
  const { description } = answer
  if ('syntaxError' in description) {
    const { message, line, column } = description.syntaxError
    throw new PythonSyntaxError(message, { file, line, column })
  }
  keep(file, state, description.names)
  return description.names
}

function ask(file: string, state: State): readonly Name[] {
  // Without options of this process: `--import amphis/register` would ask in its turn.
  const { NODE_OPTIONS: _, ...env } = process.env
  const { stdout, error } = spawnSync(process.execPath, [programOf('modules/names-program'), file], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (error !== undefined) throw error
  const answer = JSON.parse(stdout) as NamesAnswer
  if ('syntax' in answer) throw new PythonSyntaxError(answer.syntax.reason, answer.syntax.place)
  if ('error' in answer) throw fromDescription(answer.error)
  keep(file, state, answer.names)
  return answer.names
}

function unreadable(file: string, error: unknown): AmphisError {
  const { code, message } = error as NodeJS.ErrnoException
  const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${message})`
  return new AmphisError('AMPHIS_ERR_APP_NOT_FOUND', `${file} ${why}.`, { cause: error })
}
