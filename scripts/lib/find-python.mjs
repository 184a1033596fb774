import { existsSync } from 'node:fs'
import { isDebianLike } from './machine.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

/**
 * @typedef {object} Python
 * @property {string} executable
 * @property {string} version such as 3.12.1
 * @property {string} minor such as 3.12
 * @property {string} implementation
 * @property {boolean} freeThreaded
 * @property {boolean} canMakeVenv
 * @property {string[]} librariesLookedFor
 */

/** @typedef {Python & { library: string }} UsablePython */

const question = `
import json, os, sys, sysconfig
try:
    import ensurepip, venv
    can_make_venv = True
except ImportError:
    can_make_venv = False
get = sysconfig.get_config_var
libdir = get("LIBDIR") or ""
names = [name for name in (get("INSTSONAME"), get("LDLIBRARY")) if name and not name.endswith(".a")]
dirs = [libdir, os.path.join(libdir, get("MULTIARCH") or ""), get("PYTHONFRAMEWORKPREFIX"), os.path.join(sys.base_prefix, "lib")]
print(json.dumps({
    "executable": sys.executable,
    "version": ".".join(map(str, sys.version_info[:3])),
    "minor": ".".join(map(str, sys.version_info[:2])),
    "implementation": sys.implementation.name,
    "freeThreaded": bool(get("Py_GIL_DISABLED")),
    "canMakeVenv": can_make_venv,
    "librariesLookedFor": [os.path.join(d, name) for name in names for d in dirs if d],
}))
`

/**
 * Asks an interpreter about itself; undefined when it does not run.
 *
 * @param {string} command
 * @returns {Promise<Python | undefined>}
 */
async function ask(command) {
  // -I: the answer must not depend on PYTHONPATH or the current folder.
  const { code, output } = await run(command, ['-I', '-c', question], { quiet: true })
  if (code !== 0) return undefined
  try {
    return JSON.parse(output.trim().split('\n').pop() ?? '')
  } catch {
    return undefined
  }
}

/** @param {Python} python */
const libraryOf = (python) => python.librariesLookedFor.find((path) => existsSync(path))

/**
 * @param {Python} python
 * @returns {Problem | undefined}
 */
function shortcoming(python) {
  const { executable, version, minor } = python
  const name = `Python ${version} (${executable})`
  if (python.implementation !== 'cpython') {
    return new Problem(`${name} is ${python.implementation}`, 'install CPython 3.10 or newer')
  }
  if (Number(minor.split('.')[1]) < 10 || !minor.startsWith('3.')) {
    const remedy =
      process.platform === 'darwin'
        ? 'run `brew install python@3.13`'
        : 'install Python 3.10 or newer, or name one with PYTHON=/path/to/python3'
    return new Problem(`${name} is too old`, remedy)
  }
  if (python.freeThreaded) {
    return new Problem(
      `${name} is a free-threaded build, which amphis cannot load`,
      'install the ordinary build of the same version',
    )
  }
  if (!libraryOf(python)) {
    const remedy = isDebianLike()
      ? `run \`sudo apt install libpython${minor}\` for Debian's own Python, or \`PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force ${version}\` for one that pyenv built`
      : `install a Python built with --enable-shared, for instance with \`uv python install ${minor}\`, and name it with PYTHON=/path/to/python3`
    return new Problem(
      `${name} has no shared libpython (looked for ${python.librariesLookedFor[0] ?? 'none: it was built without'})`,
      remedy,
    )
  }
  if (!python.canMakeVenv) {
    const remedy = isDebianLike()
      ? `run \`sudo apt install python${minor}-venv\``
      : "install Python's venv and ensurepip modules"
    return new Problem(`${name} cannot make a virtual environment (ensurepip is missing)`, remedy)
  }
  return undefined
}

/**
 * What an interpreter has and lacks.
 *
 * @param {string} command
 * @returns {Promise<UsablePython | Problem | undefined>} undefined when it does not run
 */
export async function inspectPython(command) {
  const python = await ask(command)
  if (!python) return undefined
  const problem = shortcoming(python)
  return problem ?? { ...python, library: /** @type {string} */ (libraryOf(python)) }
}

/** In the order in which they are tried; the newest last, of which packages and people know the least. */
const versions = ['3.14', '3.13', '3.12', '3.11', '3.10', '3.15']

/** `python3` first, as a person would type it; the versioned names help where that one is too old. */
const names = ['python3', ...versions.map((version) => `python${version}`), 'python']

/**
 * The interpreter from which `.venv` is made: $PYTHON when set, else the first on PATH that will do.
 *
 * @returns {Promise<UsablePython | Problem>}
 */
export async function findPython() {
  const asked = process.env.PYTHON
  /** @type {Problem | undefined} */
  let firstProblem
  for (const name of asked ? [asked] : names) {
    const answer = await inspectPython(name)
    if (answer instanceof Problem) firstProblem ??= answer
    else if (answer) return answer
  }
  if (firstProblem) return firstProblem
  if (asked) return new Problem(`PYTHON=${asked} does not run`, 'give the path of a Python 3.10 or newer, or unset it')
  const remedy =
    process.platform === 'darwin'
      ? 'run `brew install python@3.13`'
      : isDebianLike()
        ? 'run `sudo apt install python3 python3-venv libpython3-dev`'
        : 'install Python 3.10 or newer with its shared library'
  return new Problem('Python is missing (no `python3` on PATH)', remedy)
}
