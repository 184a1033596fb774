import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** @param {string} folder */
function namesIn(folder) {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/**
 * Where an interpreter of one minor version may be: on PATH, and where pyenv and uv keep theirs.
 *
 * @param {string} version such as 3.12
 * @returns {string[]} commands and paths, to be tried in this order
 */
export function pythonCandidates(version) {
  const { PYENV_ROOT, UV_PYTHON_INSTALL_DIR, XDG_DATA_HOME } = process.env
  const pyenv = join(PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions')
  const uv = UV_PYTHON_INSTALL_DIR ?? join(XDG_DATA_HOME ?? join(homedir(), '.local/share'), 'uv/python')
  return [
    `python${version}`,
    ...namesIn(pyenv)
      .filter((name) => name.startsWith(`${version}.`))
      .map((name) => join(pyenv, name, 'bin', 'python')),
    ...namesIn(uv)
      .filter((name) => name.startsWith(`cpython-${version}.`))
      .map((name) => join(uv, name, 'bin', 'python3')),
  ]
}
