import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fetchProblem } from './network.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { colourEnv, run } from './run.mjs'

/** The majors that are tested besides the one that Node.js 20 stands for. */
export const nodeMajors = ['22', '24', '26']

/** The npm package that is Node's own release for this platform: its program and headers, without install script. */
const packageName = `node-${process.platform}-${process.arch}`

/** @param {string} major */
const folderOf = (major) => inRoot('.cache/nodes', major)

/** @param {string} major */
const programOf = (major) => join(folderOf(major), 'node_modules', packageName, 'bin/node')

/**
 * The newest Node.js of a major when it is first asked for; kept from then on, until `.cache/nodes` is removed.
 *
 * @param {string} major
 * @returns {import('./setup.mjs').Step}
 */
export function nodeRelease(major) {
  return {
    title: `Installing Node.js ${major} (200 MB in .cache/nodes/${major})`,
    isDone: () => existsSync(programOf(major)),
    async problems() {
      return []
    },
    async run() {
      const prefix = ['--prefix', folderOf(major)]
      const args = ['install', ...prefix, '--no-audit', '--no-fund', '--loglevel=error', `${packageName}@^${major}`]
      const { code, output } = await run('npm', args, { env: colourEnv })
      if (code === 127) throw new Problem('npm is missing', 'install Node.js with npm')
      if (/\bE(?:404|TARGET)\b/.test(output)) {
        throw new Problem(`npm has no Node.js ${major} for ${process.platform} on ${process.arch}`, 'leave it out')
      }
      if (code !== 0) throw fetchProblem('npm install', output)
    },
  }
}

/**
 * @param {string} major
 * @returns {Promise<{ program: string, version: string, env: NodeJS.ProcessEnv }>} the environment is for all that it
 *   starts: `#!/usr/bin/env node` and npm find this Node too
 */
export async function installedNode(major) {
  const program = programOf(major)
  const { code, output } = await run(program, ['--version'], { quiet: true })
  if (code !== 0) throw new Problem(`${program} does not run (${output.trim()})`, `remove ${folderOf(major)}`)
  const env = {
    PATH: [dirname(program), process.env.PATH].join(delimiter),
    // What npm says of the Node that it runs on itself.
    NODE: undefined,
    npm_node_execpath: undefined,
  }
  return { program, version: output.trim().slice(1), env }
}
