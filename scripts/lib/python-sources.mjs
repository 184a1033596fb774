import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs'
import { fetchProblem } from './network.mjs'
import { inRoot, pythonOf } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'
import { dim, say } from './say.mjs'

const list = 'fixtures/sources.txt'
const folder = inRoot('.cache', 'sources')
const stampFile = inRoot('.cache', 'sources.json')

/**
 * The sources of Python packages, tests and all, unpacked in `.cache/sources`: wheels come without their tests.
 *
 * @param {string} venv whose pip fetches them
 * @returns {import('./setup.mjs').Step}
 */
export const pythonSources = (venv) => ({
  title: 'Fetching sources of Python packages (.cache/sources)',
  isDone: () => readStamp(stampFile) === fingerprint([list]) && existsSync(folder),
  async problems() {
    return []
  },
  async run() {
    const python = pythonOf(venv)
    rmSync(folder, { recursive: true, force: true })
    say(dim(`  pip download -r ${list}`))
    const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps']
    const fetched = await run(python, [...args, '--no-binary', ':all:', '-d', folder, '-r', list])
    if (fetched.code !== 0) throw fetchProblem('pip download', fetched.output)
    for (const archive of readdirSync(folder)) {
      const { code } = await run(python, ['-m', 'tarfile', '-e', join(folder, archive), folder])
      if (code !== 0) throw new Problem(`${archive} could not be unpacked`, 'its own message is above')
    }
    writeStamp(stampFile, fingerprint([list]))
  },
})
