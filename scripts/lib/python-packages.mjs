import { existsSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs'
import { findPython, inspectPython } from './find-python.mjs'
import { fetchProblem } from './network.mjs'
import { inRoot, pythonOf } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'
import { dim, say } from './say.mjs'

/**
 * What a virtual environment was made from, kept inside it so that it goes when the environment goes.
 *
 * @typedef {object} Stamp
 * @property {string} interpreter the real path of its Python
 * @property {Record<string, string>} requirements a hash of each requirements file installed
 */

/** @param {string} venv */
const stampFile = (venv) => join(venv, 'amphis-setup.json')

/** @param {string} venv */
function interpreterOf(venv) {
  try {
    return realpathSync(pythonOf(venv))
  } catch {
    return undefined
  }
}

/** @param {string} venv */
function stampOf(venv) {
  const stamp = /** @type {Stamp | undefined} */ (readStamp(stampFile(venv)))
  return stamp && stamp.interpreter === interpreterOf(venv) ? stamp : undefined
}

/**
 * A virtual environment with the packages of some requirements files.
 *
 * @param {string} venv its folder
 * @param {string[]} files requirements files, relative to the root
 * @param {string} [base] the interpreter to make it from; default: $PYTHON or the first suitable one on PATH
 * @returns {import('./setup.mjs').Step}
 */
export function pythonPackages(venv, files, base) {
  const wanted = files.filter((file) => existsSync(inRoot(file)))
  const missing = () => {
    const installed = stampOf(venv)?.requirements ?? {}
    return wanted.filter((file) => installed[file] !== fingerprint([file]))
  }
  const find = async () => {
    if (!base) return findPython()
    return (await inspectPython(base)) ?? new Problem(`${base} does not run`, 'repair or remove it')
  }

  return {
    title: `Installing Python packages (${venv.startsWith(inRoot()) ? venv.slice(inRoot().length + 1) : venv})`,
    isDone: () => stampOf(venv) !== undefined && missing().length === 0,
    async problems() {
      if (stampOf(venv)) return []
      const python = await find()
      return python instanceof Problem ? [python] : []
    },
    async run() {
      const stamp = stampOf(venv) ?? { interpreter: await make(venv, find), requirements: {} }
      const install = missing()
      const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
      for (const file of install) {
        say(dim(`  pip install -r ${file}`))
        args.push('-r', file)
      }
      const { code, output } = await run(pythonOf(venv), args)
      if (code !== 0) throw fetchProblem('pip install', output)
      for (const file of install) stamp.requirements[file] = fingerprint([file])
      writeStamp(stampFile(venv), stamp)
    },
  }
}

/**
 * Makes the environment, or keeps one that somebody else made there if it will do.
 *
 * @param {string} venv
 * @param {() => Promise<import('./find-python.mjs').UsablePython | Problem>} find
 * @returns {Promise<string>} the real path of its interpreter
 */
async function make(venv, find) {
  const python = await find()
  if (python instanceof Problem) throw python
  const present = interpreterOf(venv) ? await inspectPython(pythonOf(venv)) : undefined
  const keep = present && !(present instanceof Problem) && !readStamp(stampFile(venv))
  if (!keep) {
    rmSync(venv, { recursive: true, force: true })
    say(dim(`  ${python.executable} -m venv (Python ${python.version})`))
    const { code } = await run(python.executable, ['-m', 'venv', venv])
    if (code !== 0) throw new Problem(`${python.executable} could not make ${venv}`, 'its own message is above')
  }
  // An environment made by uv comes without pip.
  const pip = await run(pythonOf(venv), ['-m', 'pip', '--version'], { quiet: true })
  if (pip.code !== 0) await run(pythonOf(venv), ['-m', 'ensurepip', '--upgrade'], { quiet: true })
  return /** @type {string} */ (interpreterOf(venv))
}
