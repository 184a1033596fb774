// Reads `pyvenv.cfg`.
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { assertReadable } from './obstacle.js'

/** Major, minor and, where known, micro. */
export type PythonVersion = readonly [number, number, number?]

/** What `pyvenv.cfg` says about the Python that a virtual environment was made from. */
export interface PyvenvConfig {
  /** Folder of the interpreter that the environment was made from. */
  home?: string
  version?: PythonVersion
  /** `CPython`, `PyPy`, …: only virtualenv and uv write it. */
  implementation?: string
}

/** A virtual environment: its folder and its `pyvenv.cfg`. */
export interface VirtualEnvironment {
  root: string
  config: PyvenvConfig
}

function parseVersion(text: string | undefined): PythonVersion | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?!\d)/.exec(text ?? '')
  if (match === null) {
    return undefined
  }
  const [, major, minor, micro] = match
  return micro === undefined ? [Number(major), Number(minor)] : [Number(major), Number(minor), Number(micro)]
}

/**
 * Reads the text of a `pyvenv.cfg` as CPython does: `key = value` lines, keys in any case, the first one counts,
 * everything else is ignored. venv writes the version as `version = 3.11.7`, virtualenv as
 * `version_info = 3.11.7.final.0`, uv as `version_info = 3.11.7`.
 */
export function parsePyvenvConfig(text: string): PyvenvConfig {
  const values = new Map<string, string>()
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)) {
    const equals = line.indexOf('=')
    const key = line.slice(0, equals).trim().toLowerCase()
    if (equals !== -1 && !values.has(key)) {
      values.set(key, line.slice(equals + 1).trim())
    }
  }
  const config: PyvenvConfig = {}
  const home = values.get('home')
  if (home) {
    config.home = home
  }
  const version = parseVersion(values.get('version')) ?? parseVersion(values.get('version_info'))
  if (version !== undefined) {
    config.version = version
  }
  const implementation = values.get('implementation')
  if (implementation) {
    config.implementation = implementation
  }
  return config
}

/**
 * The virtual environment that an interpreter belongs to, found as CPython finds it: by its own path, unresolved.
 *
 * @throws {AmphisError} `AMPHIS_ERR_PYTHON_NOT_FOUND` when its `pyvenv.cfg` may not be read: CPython would pass over it
 *   in silence, and miss all packages
 */
export async function findVirtualEnvironment(executable: string): Promise<VirtualEnvironment | undefined> {
  const folder = dirname(executable)
  for (const root of [dirname(folder), folder]) {
    const file = join(root, 'pyvenv.cfg')
    try {
      return { root, config: parsePyvenvConfig(await readFile(file, 'utf8')) }
    } catch {
      assertReadable(file, 'AMPHIS_ERR_PYTHON_NOT_FOUND')
      // No such file here.
    }
  }
  return undefined
}
