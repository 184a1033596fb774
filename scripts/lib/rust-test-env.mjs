import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inspectPython } from './find-python.mjs'
import { inRoot, pythonOf, root } from './paths.mjs'
import { Problem } from './problem.mjs'

/** @param {(string | undefined)[]} paths */
const pathList = (...paths) => paths.filter(Boolean).join(':')

/**
 * The environment in which Rust tests link with and find the libpython of a virtual environment. The addon never links
 * with one, so they are built without the crate's default feature, in a target folder of their own: going to and fro
 * between the two kinds would compile pyo3 anew each time.
 *
 * @param {string} venv
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
export async function rustTestEnv(venv) {
  const python = await inspectPython(pythonOf(venv))
  if (!python) throw new Problem(`${pythonOf(venv)} does not run`, 'run `npm run setup`')
  if (python instanceof Problem) throw python
  const libraryDir = dirname(python.library)
  const loaderPath = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'
  return {
    PYO3_NO_PYTHON: undefined,
    PYO3_PYTHON: pythonOf(venv),
    CARGO_TARGET_DIR: join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'tests'),
    [loaderPath]: pathList(libraryDir, process.env[loaderPath]),
    LIBRARY_PATH: pathList(linkDir(python), process.env.LIBRARY_PATH),
  }
}

/**
 * A folder in which the linker finds `libpython3.X.so`: Debian ships that name in the -dev package only.
 *
 * @param {import('./find-python.mjs').UsablePython} python
 * @returns {string | undefined} undefined when the library's own folder has it
 */
function linkDir({ library, minor }) {
  const name = `libpython${minor}.so`
  if (process.platform === 'darwin' || existsSync(join(dirname(library), name))) return undefined
  const folder = inRoot('.cache', 'link', minor)
  mkdirSync(folder, { recursive: true })
  rmSync(join(folder, name), { force: true })
  symlinkSync(library, join(folder, name))
  return folder
}
