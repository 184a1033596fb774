import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fingerprint, readStamp, writeStamp } from '../fingerprint.mjs'
import { fetchProblem } from '../network.mjs'
import { inRoot, pythonOf } from '../paths.mjs'
import { Problem } from '../problem.mjs'
import { pythonCandidates } from '../python-candidates.mjs'
import { run } from '../run.mjs'
import { dim, say } from '../say.mjs'
import { venv } from '../setup.mjs'

export const requirements = 'conformance/autobahn/requirements.txt'

/** The last that makes environments of Python 2.7. It runs on Python 3, so that the 2.7 need not even have pip. */
const virtualenv = 'virtualenv==20.21.1'
const virtualenvFolder = inRoot('.venvs/virtualenv')

const environment = inRoot('.venvs/autobahn')
const stampFile = join(environment, 'amphis-setup.json')

/** The client's command, which `wstestEnvironment` installs. */
export const wstest = join(environment, 'bin/wstest')

/** @returns {Promise<string | undefined>} */
export async function findPython27() {
  for (const candidate of pythonCandidates('2.7')) {
    // Run, not only found: pyenv puts a `python2.7` on PATH that may only say which of its versions have one.
    const { code } = await run(candidate, ['-c', 'import ssl'], { quiet: true })
    if (code === 0) return candidate
  }
  return undefined
}

/**
 * @param {string} python
 * @param {string[]} args
 */
async function pipInstall(python, ...args) {
  say(dim(`  pip install ${args.join(' ')}`))
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
  // Python 2.7 and its packages announce at length that their end has come.
  const { code, output } = await run(python, [...pip, ...args], { env: { PYTHONWARNINGS: 'ignore' } })
  if (code !== 0) throw fetchProblem('pip install', output)
}

const wanted = () => fingerprint([requirements], virtualenv)

/**
 * An environment of its own for the client.
 *
 * @type {import('../setup.mjs').Step}
 */
export const wstestEnvironment = {
  title: 'Installing the fuzzing client (.venvs/autobahn)',
  isDone: () => existsSync(wstest) && readStamp(stampFile) === wanted(),
  problems: async () =>
    (await findPython27()) ? [] : [new Problem('Python 2.7 is missing', 'run `pyenv install 2.7.18`')],
  async run() {
    const python = /** @type {string} */ (await findPython27())
    await pipInstall(pythonOf(venv), '--upgrade', '--target', virtualenvFolder, virtualenv)
    rmSync(environment, { recursive: true, force: true })
    say(dim(`  virtualenv --python ${python}`))
    const args = ['-m', 'virtualenv', '--quiet', '--python', python, environment]
    const { code } = await run(pythonOf(venv), args, { env: { PYTHONPATH: virtualenvFolder } })
    if (code !== 0) throw new Problem(`virtualenv could not make ${environment}`, 'its own message is above')
    await pipInstall(pythonOf(environment), '--requirement', requirements)
    writeStamp(stampFile, wanted())
  },
}
