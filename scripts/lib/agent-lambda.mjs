// What examples/agent-lambda needs: the agent SDK, half a gigabyte, and AWS' services as they run here; no part of amphis.
import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { packagesIn } from './node-packages.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { pythonPackages } from './python-packages.mjs'
import { run } from './run.mjs'
import { complete } from './setup.mjs'

const folder = 'examples/agent-lambda/'
const functionFolder = `${folder}lambda/function/`
const link = inRoot(functionFolder, 'node_modules/amphis')
/** From there to the root. */
const target = '../../../../..'

/**
 * The function imports `amphis` as any project does, and gets the one of this repository. npm would install all that amphis is
 * developed with beside a link of its own.
 *
 * @type {import('./setup.mjs').Step}
 */
const ownAmphis = {
  title: 'Linking amphis (the agent on Lambda)',
  isDone() {
    try {
      return readlinkSync(link) === target
    } catch {
      return false
    }
  },
  async problems() {
    return []
  },
  async run() {
    if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link, { recursive: true })
    symlinkSync(target, link)
  },
}

const steps = [
  packagesIn('Installing npm packages (the agent on Lambda: tests)', folder),
  packagesIn('Installing npm packages (the agent on Lambda: function)', functionFolder),
  ownAmphis,
  pythonPackages(inRoot(folder, '.venv'), [`${functionFolder}requirements.txt`, `${folder}local/requirements.txt`]),
]

/** What the tests of its infrastructure need. */
export const infraPackages = packagesIn(
  'Installing npm packages (the agent on Lambda: infrastructure)',
  `${folder}lambda/infra/`,
)

/** Sets up what is missing, and builds the function. */
export async function setUpAgentLambda() {
  await complete(steps)
  const { code } = await run('npm', ['run', '--silent', 'build'], { cwd: inRoot(functionFolder) })
  if (code !== 0) throw new Problem('the function of the agent on Lambda cannot be built', 'the compiler says why')
}
