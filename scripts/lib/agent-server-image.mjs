// The image of examples/agent-server for its tests, built by its build.sh: from the official image where the engine reaches
// a hub, else from one that is made of this machine.
import { basename, join } from 'node:path'
import { importBaseImage } from './base-image.mjs'
import { programOf } from './debian-packages.mjs'
import { inRoot, pythonOf } from './paths.mjs'
import { postgresHome } from './postgres.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

const folder = 'examples/agent-server'
const venv = inRoot(folder, '.venv')

export const agentServerImage = 'amphis-test-agent-server:latest'

/** What a slim Debian has, as far as Dockerfile, server and the agents of the tests use it. */
const programs =
  'bash cat chmod chown cp cut date dirname echo false find grep head id kill ln ls mkdir mktemp mv pgrep ps rm rmdir sed setsid sleep sort tail tini touch tr true uname useradd wc'

/**
 * @param {import('./containers.mjs').Engine} engine
 * @returns {Promise<NodeJS.ProcessEnv>} what build.sh is told of this engine
 */
async function buildEnvironment(engine) {
  if (!engine.started) return engine.env
  // One that is started here has no network for its builds, and no hub: see containers.mjs.
  await programOf('tini', ['tini'])
  const BASE = await importBaseImage(engine.socket, venv, {
    name: 'amphis-machine-base:agent-server',
    programs: programs.split(' '),
  })
  return { ...engine.env, BASE, OFFLINE: '1', DOCKER_BUILDKIT: '0', PYTHON: pythonOf(venv) }
}

/**
 * Builds it anew.
 *
 * @param {import('./containers.mjs').Engine} engine
 */
export async function buildAgentServerImage(engine) {
  const env = { ...(await buildEnvironment(engine)), TAG: agentServerImage }
  const { code, output } = await run('sh', [inRoot(folder, 'build.sh'), '--no-cache'], { env, quiet: true })
  if (code !== 0) throw new Problem(`the agent server's image was not built: ${output.slice(-4000)}`, 'see above')
  if (cachedStep(output)) throw new Problem('build.sh --no-cache has used its cache', `mend it: ${cachedStep(output)}`)
}

/** A step that was taken from the cache, in what either of Docker's builders prints; a base image may well be there. @param {string} output */
function cachedStep(output) {
  const cached = new Set([...output.matchAll(/^(#\d+) CACHED$/gm)].map(([, number]) => number))
  const steps = [...output.matchAll(/^(#\d+) (\[.*\] (?:RUN|COPY) .*)$/gm)]
  return steps.find(([, number]) => cached.has(number))?.[2] ?? /---> Using cache/.exec(output)?.[0]
}

export const postgresImage = 'amphis-test-postgres:latest'

/**
 * A database for the tests of compose.yaml.
 *
 * @param {import('./containers.mjs').Engine} engine
 * @returns {Promise<string>} the image: the official one where the engine reaches a hub, else one of this machine's
 */
export async function postgresFor(engine) {
  if (!engine.started) return 'postgres:17'
  const home = await postgresHome()
  const BASE = await importBaseImage(engine.socket, venv, {
    name: 'amphis-machine-base:postgres',
    programs: [
      ...'cat chmod chown ln mkdir sleep useradd'.split(' '),
      ...['createdb', 'initdb', 'pg_ctl', 'pg_isready', 'postgres', 'psql'].map((name) => join(home, 'bin', name)),
    ],
    folders: [join(home, 'lib'), join('/usr/share/postgresql', basename(home)), '/usr/share/zoneinfo/Etc'],
  })
  const context = inRoot(folder, 'tests/postgres-image')
  const args = ['build', '--tag', postgresImage, '--build-arg', `BASE=${BASE}`, context]
  const { code, output } = await run('docker', args, { env: { ...engine.env, DOCKER_BUILDKIT: '0' }, quiet: true })
  if (code !== 0) throw new Problem(`the image of PostgreSQL was not built: ${output.slice(-4000)}`, 'see above')
  return postgresImage
}
