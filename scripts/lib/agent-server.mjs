// What examples/agent-server needs: the agent SDKs of both languages, half a gigabyte, which are no part of amphis.
import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { packagesIn } from './node-packages.mjs'
import { inRoot } from './paths.mjs'
import { pythonPackages } from './python-packages.mjs'

const folder = 'examples/agent-server/'
const link = inRoot(folder, 'node_modules/amphis')
/** From there to the root. */
const target = '../../..'

/**
 * The example imports `amphis` as any project does, and gets the one of this repository. npm would install all that amphis
 * is developed with beside a link of its own.
 *
 * @type {import('./setup.mjs').Step}
 */
const ownAmphis = {
  title: 'Linking amphis (the agent server)',
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

const venv = inRoot(folder, '.venv')
const requirements = `${folder}server/requirements.txt`

export const agentServer = [
  packagesIn('Installing npm packages (the agent server)', folder),
  ownAmphis,
  pythonPackages(venv, [requirements]),
]

/** What its tests need besides, those that `npm test` leaves out. */
export const agentServerTests = pythonPackages(venv, [requirements, `${folder}tests/requirements.txt`])
