// Which interpreter: the order of the search.
import { constants, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { AmphisError } from '../base/errors.js'
import { exists, isExecutableFile, isFolder, isTaken, upwards } from './file-system.js'
import { describeDenial, findDenial, findObstacle, type Obstacle } from './obstacle.js'

/** What named the Python that is used. */
export type PythonSource =
  | 'option python'
  | 'AMPHIS_PYTHON'
  | 'VIRTUAL_ENV'
  | '.venv'
  | 'venv'
  | 'UV_PROJECT_ENVIRONMENT'
  | 'CONDA_PREFIX'
  | 'PATH'

/** An interpreter, or the folder of an environment that should have one, and what named it. */
export interface Candidate {
  path: string
  source: PythonSource
}

/** Where to look for an interpreter. */
export interface LocateOptions {
  python?: string | undefined
  appDir: string
  env: NodeJS.ProcessEnv
}

const REMEDIES: Readonly<Record<PythonSource, string>> = {
  'option python': 'Give option python the folder of a virtual environment or the path of an interpreter.',
  AMPHIS_PYTHON: 'Set it to the folder of a virtual environment or the path of an interpreter, or unset it.',
  VIRTUAL_ENV: 'Create the environment again, or leave it with "deactivate" (or unset VIRTUAL_ENV).',
  '.venv': 'Create it again with "python3 -m venv --clear", or remove it.',
  venv: 'Create it again with "python3 -m venv --clear", or remove it.',
  UV_PROJECT_ENVIRONMENT: 'Create it with "uv sync", or unset UV_PROJECT_ENVIRONMENT.',
  CONDA_PREFIX: 'Activate an environment that exists, or unset CONDA_PREFIX.',
  PATH: 'Install Python 3.10 or later, or choose one with option python or AMPHIS_PYTHON.',
}

function notFound({ path, source }: Candidate, what: string): AmphisError {
  return new AmphisError('AMPHIS_ERR_PYTHON_NOT_FOUND', `${path} (from ${source}) ${what}. ${REMEDIES[source]}`)
}

function denied({ path, source }: Candidate, obstacle: Obstacle, wish: 'execute' | 'read'): AmphisError {
  const what = describeDenial(obstacle, path, { wish, isPython: true })
  return new AmphisError('AMPHIS_ERR_PYTHON_NOT_FOUND', `${path} (from ${source}) ${what}`)
}

async function findOnPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (isAbsolute(path) && (await isExecutableFile(path))) {
      return path
    }
  }
  return undefined
}

/** The first folder of PATH that this user may not look into, in words: a shell passes over it as well. */
function closedOnPath(env: NodeJS.ProcessEnv): string | undefined {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const denial = isAbsolute(folder) ? findDenial(folder, constants.X_OK) : undefined
    if (denial !== undefined) {
      return describeDenial(denial, folder, { wish: 'read', isPython: true })
    }
  }
  return undefined
}

function expandHome(path: string, env: NodeJS.ProcessEnv): string {
  return path === '~' || path.startsWith('~/') ? join(env.HOME || homedir(), path.slice(1)) : path
}

/** A choice that someone made by name: a path, or the bare name of a program such as `python3.12`. */
async function chosen(value: string, source: PythonSource, env: NodeJS.ProcessEnv): Promise<Candidate> {
  const path = resolve(expandHome(value, env))
  if (value.includes('/') || value === '~' || (await isTaken(path))) {
    return { path, source }
  }
  const onPath = await findOnPath(value, env)
  if (onPath === undefined) {
    const what = `is neither a file or folder in ${resolve('.')} nor a program on PATH`
    throw notFound({ path: value, source }, what)
  }
  return { path: onPath, source }
}

/** `.venv` or `venv`, unless it is something else of that name, such as a package that is called venv. */
async function besideApp(appDir: string): Promise<Candidate | undefined> {
  for (const folder of upwards(appDir)) {
    for (const source of ['.venv', 'venv'] as const) {
      const path = join(folder, source)
      const isEnvironment =
        (await exists(join(path, 'pyvenv.cfg'))) ||
        (await isTaken(join(path, 'bin', 'python'))) ||
        // A symbolic link that leads nowhere was an environment once, and a folder that is closed to this user may be
        // one: another Python in its place would lack the app's packages.
        ((await isTaken(path)) && (!(await exists(path)) || findDenial(join(path, 'pyvenv.cfg')) !== undefined))
      if (isEnvironment) {
        return { path, source }
      }
    }
  }
  return undefined
}

/** uv takes a relative path from the folder of its project, which is the app's folder or one above it. */
async function uvEnvironment(value: string, appDir: string): Promise<Candidate> {
  const source = 'UV_PROJECT_ENVIRONMENT'
  for (const folder of upwards(appDir)) {
    const path = resolve(folder, value)
    if (await isFolder(path)) {
      return { path, source }
    }
  }
  return { path: resolve(appDir, value), source }
}

/** A conda environment without Python (one for Node.js, say) is nothing unusual: the search goes on after it. */
async function condaEnvironment(path: string): Promise<Candidate | undefined> {
  const python = join(path, 'bin', 'python')
  const lacksPython = (await isFolder(path)) && !(await isTaken(python)) && findDenial(python) === undefined
  return lacksPython ? undefined : { path, source: 'CONDA_PREFIX' }
}

async function findCandidate({ python, appDir, env }: LocateOptions): Promise<Candidate> {
  if (python) {
    return chosen(python, 'option python', env)
  }
  if (env.AMPHIS_PYTHON) {
    return chosen(env.AMPHIS_PYTHON, 'AMPHIS_PYTHON', env)
  }
  // An activated environment that is gone is an error, not a reason to look further: the Python found instead
  // would lack the app's packages, and say so in a way that leads nowhere.
  if (env.VIRTUAL_ENV) {
    return { path: resolve(env.VIRTUAL_ENV), source: 'VIRTUAL_ENV' }
  }
  const beside = await besideApp(appDir)
  if (beside !== undefined) {
    return beside
  }
  if (env.UV_PROJECT_ENVIRONMENT) {
    return uvEnvironment(env.UV_PROJECT_ENVIRONMENT, appDir)
  }
  const conda = env.CONDA_PREFIX ? await condaEnvironment(resolve(env.CONDA_PREFIX)) : undefined
  if (conda !== undefined) {
    return conda
  }
  const path = (await findOnPath('python3', env)) ?? (await findOnPath('python', env))
  if (path !== undefined) {
    return { path, source: 'PATH' }
  }
  const closed = closedOnPath(env)
  throw new AmphisError(
    'AMPHIS_ERR_PYTHON_NOT_FOUND',
    'No Python was found: option python, AMPHIS_PYTHON, VIRTUAL_ENV, UV_PROJECT_ENVIRONMENT and CONDA_PREFIX name ' +
      `none, there is no .venv or venv from ${resolve(appDir)} upwards, and no python3 on PATH. ` +
      `${closed === undefined ? '' : `A folder of PATH ${closed} Or: `}${REMEDIES.PATH}`,
  )
}

async function interpreterOf(environment: Candidate): Promise<Candidate> {
  const { path, source } = environment
  // A virtual environment always has `python`; elsewhere that may still be Python 2.
  const isVenv = await exists(join(path, 'pyvenv.cfg'))
  for (const name of isVenv ? ['python', 'python3'] : ['python3', 'python']) {
    const interpreter = join(path, 'bin', name)
    if ((await isTaken(interpreter)) || findDenial(interpreter) !== undefined) {
      return { path: interpreter, source }
    }
  }
  const madeOnWindows = await exists(join(path, 'Scripts', 'python.exe'))
  throw notFound(
    environment,
    madeOnWindows
      ? 'is a virtual environment that was made on Windows'
      : 'has no bin/python, so it is not a Python environment',
  )
}

/**
 * The path of the interpreter to use, which exists and can be executed. What it is remains to be seen.
 *
 * @throws {AmphisError} `AMPHIS_ERR_PYTHON_NOT_FOUND`
 */
export async function locateInterpreter(options: LocateOptions): Promise<Candidate> {
  const candidate = await findCandidate(options)
  const interpreter = (await isFolder(candidate.path)) ? await interpreterOf(candidate) : candidate
  if (await isExecutableFile(interpreter.path)) {
    return interpreter
  }
  throw unusable(interpreter)
}

/** Whether anybody may execute it; a folder, whether anybody may go through it. */
function isProgram(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined || stats.isDirectory() || (stats.mode & 0o111) !== 0
}

/** Why an interpreter that was named, or is where one ought to be, cannot be run. */
function unusable(interpreter: Candidate): AmphisError {
  const obstacle = findObstacle(interpreter.path, constants.X_OK)
  if (obstacle === undefined) {
    return notFound(interpreter, 'is not a program that can be executed, for it is not a file')
  }
  switch (obstacle.kind) {
    case 'denied':
      return isProgram(obstacle.path)
        ? denied(interpreter, obstacle, 'execute')
        : notFound(interpreter, `is not a program that can be executed: no "x" in the mode of ${obstacle.path}`)
    case 'loop':
      return notFound(interpreter, `is a symbolic link in a loop (ELOOP): ${obstacle.target} leads back to itself`)
    case 'no folder':
      return notFound(interpreter, `does not exist: ${obstacle.path} is no folder`)
    default:
      return notFound(
        interpreter,
        obstacle.target === interpreter.path
          ? 'does not exist'
          : `is a symbolic link to ${obstacle.target}, which does not exist: that Python was removed or upgraded`,
      )
  }
}
