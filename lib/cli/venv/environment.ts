import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { discoverPython, type PythonInstallation } from '../../python/discover.js'
import type { PythonVersion } from '../../python/pyvenv-config.js'
import { ServeError } from '../errors/serve-error.js'
import { shown } from '../text/shown.js'
import { runProgram } from './run-program.js'

/** The Python that packages are installed for, and its environment's folder. */
export interface Environment {
  executable: string
  /** Undefined for a Python that has no environment of its own. */
  folder: string | undefined
  /** What is said of it. */
  called: string
  version: PythonVersion
  /** Whether it was made just now. */
  isNew: boolean
}

/**
 * The environment that an app in the folder is served with; made as `.venv` where there is none.
 *
 * @param base what to make it from
 * @throws {AmphisError} when there is no Python that will do
 * @throws {ServeError} when it cannot be made
 */
export async function prepareEnvironment(folder: string, base: string | undefined): Promise<Environment> {
  const found = await discoverPython({ appDir: folder })
  const own = await environmentOf(found)
  const isNamed = found.source === 'AMPHIS_PYTHON' || found.source === 'VIRTUAL_ENV'
  // One of a folder above belongs to somebody else, and .venv comes before those that are not named here.
  if (isNamed || (own !== undefined && dirname(own) === folder)) {
    const called = isNamed ? `${found.prefix} (from ${found.source})` : shown(found.prefix)
    return { executable: found.executable, folder: own, called, version: found.version, isNew: false }
  }
  return make(folder, base === undefined ? found : await discoverPython({ appDir: folder, python: base }))
}

async function environmentOf({ prefix }: PythonInstallation): Promise<string | undefined> {
  return (await stat(join(prefix, 'pyvenv.cfg')).catch(() => undefined)) && prefix
}

async function make(folder: string, { executable, version }: PythonInstallation): Promise<Environment> {
  const venv = join(folder, '.venv')
  if (await stat(venv).catch(() => undefined)) {
    throw new ServeError(`${shown(venv)} is there and is no virtual environment. Remove it, or move it away.`)
  }
  console.log(`Making ${shown(venv)} with Python ${version.join('.')} (${executable})`)
  const { code, output } = await runProgram(executable, ['-m', 'venv', venv], folder)
  if (code !== 0) {
    // Half an environment would be taken for a whole one the next time.
    await rm(venv, { recursive: true, force: true })
    throw new ServeError(`${executable} cannot make a virtual environment${reason(output, version)}`)
  }
  return { executable: join(venv, 'bin', 'python'), folder: venv, called: shown(venv), version, isNew: true }
}

function reason(output: string, [major, minor]: PythonVersion): string {
  // Debian has it in a package of its own.
  if (/ensurepip|No module named venv/.test(output)) {
    return ` without the module ensurepip. On Debian and Ubuntu: apt install python${major}.${minor}-venv`
  }
  if (/Permission denied|Read-only file system/.test(output)) {
    return ` here: ${lastLine(output)}. Make the folder writable, or choose another.`
  }
  return `: ${lastLine(output)}`
}

function lastLine(output: string): string {
  return output.trimEnd().split('\n').at(-1)?.trim() || 'it says nothing'
}
