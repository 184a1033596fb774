// A container engine for the tests: the one that answers, else one that is installed and started for them. It belongs to
// a keeper, a process that ends it and puts the machine back when the last one that asked for it has gone, however it went.
import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { isDebianLike } from './machine.mjs'
import { Problem } from './problem.mjs'

/**
 * @typedef {object} Engine
 * @property {string} socket path of the Unix socket that speaks Docker's API
 * @property {NodeJS.ProcessEnv} env for programs that are to find it: `DOCKER_HOST`
 * @property {boolean} started whether it was started for the tests
 * @property {() => void} release it ends when the last has released it
 */

/** What the keeper says to those who connect. @typedef {{ socket: string } | { problem: string, remedy: string }} Answer */

/** Installing takes half a minute on a good line; the issue gives it three. */
const startTimeout = 180_000

/** In the abstract namespace: nothing stays of it, and only one can have it. */
export const keeperAddress = `\0amphis-containers-1-${process.getuid?.() ?? 0}`

const keeper = fileURLToPath(new URL('containers-keeper.mjs', import.meta.url))

/** Where engines listen that somebody else started. @param {NodeJS.ProcessEnv} env */
export function usualSockets(env) {
  const named = env.DOCKER_HOST?.startsWith('unix://') ? [env.DOCKER_HOST.slice('unix://'.length)] : []
  // Whoever names an engine means that one.
  if (env.DOCKER_HOST) return named
  const own = env.XDG_RUNTIME_DIR
    ? [`${env.XDG_RUNTIME_DIR}/docker.sock`, `${env.XDG_RUNTIME_DIR}/podman/podman.sock`]
    : []
  return ['/var/run/docker.sock', ...own, '/run/podman/podman.sock']
}

/**
 * Whether an engine answers on a socket.
 *
 * @param {string} socketPath
 * @returns {Promise<boolean>}
 */
export function answers(socketPath) {
  return new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', timeout: 2_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    ping.on('timeout', () => ping.destroy())
    ping.on('error', () => resolve(false))
    ping.end()
  })
}

/**
 * Why none can be started here, and what to do.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {Problem | undefined}
 */
export function obstacle(env = process.env) {
  const remedy = 'install and start Docker or Podman, and set DOCKER_HOST=unix:///… if its socket is elsewhere'
  if (env.DOCKER_HOST) return new Problem(`no container engine answers at DOCKER_HOST (${env.DOCKER_HOST})`, 'start it')
  if (process.platform !== 'linux') return new Problem('no container engine answers', remedy)
  if (process.getuid?.() !== 0) {
    return new Problem('no container engine answers, and only root could start one here', remedy)
  }
  if (!isDebianLike()) return new Problem('no container engine answers', remedy)
  return undefined
}

/**
 * The engine that answers, else one that is started here.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Engine>} it throws a `Problem` where there is none to be had
 */
export async function containerEngine(env = process.env) {
  for (const socket of usualSockets(env)) {
    if (await answers(socket)) return engineAt(socket, false, () => {})
  }
  const problem = obstacle(env)
  if (problem) throw problem
  const { answer, release } = await askKeeper()
  if ('problem' in answer) throw new Problem(answer.problem, answer.remedy)
  // In a root of its own a process does not see the folder of an engine that was started outside.
  if (!(await answers(answer.socket))) {
    release()
    throw new Problem(`the engine at ${answer.socket} cannot be reached from here`, 'run this outside of its own root')
  }
  return engineAt(answer.socket, true, release)
}

/**
 * The engine for tests: undefined, after one line that says why, where there is none and none is required.
 *
 * @param {(line: string) => void} say
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Engine | undefined>}
 */
export async function containersForTests(say, env = process.env) {
  try {
    return await containerEngine(env)
  } catch (error) {
    if (!(error instanceof Problem) || env.AMPHIS_REQUIRE_CONTAINERS === '1') throw error
    say(`Tests with containers do not run: ${error.message}`)
    return undefined
  }
}

/**
 * @param {string} socket
 * @param {boolean} started
 * @param {() => void} release
 * @returns {Engine}
 */
const engineAt = (socket, started, release) => ({ socket, started, release, env: { DOCKER_HOST: `unix://${socket}` } })

/** @returns {Promise<{ answer: Answer, release: () => void }>} */
async function askKeeper() {
  const deadline = Date.now() + startTimeout
  for (;;) {
    const asked = await ask(deadline - Date.now())
    if (asked) return asked
    if (Date.now() > deadline) {
      throw new Problem(
        'the container engine has not started in three minutes',
        'start one by hand, and set DOCKER_HOST',
      )
    }
    // Several may start one at a time: all but the first find the address taken, and end.
    await new Promise((resolve) => {
      const child = spawn(process.execPath, [keeper], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
      child.on('error', resolve)
      child.stdout.once('data', resolve)
      child.stdout.once('end', resolve)
      child.stdout.once('data', () => child.stdout.destroy())
      child.unref()
    })
  }
}

/**
 * @param {number} milliseconds
 * @returns {Promise<{ answer: Answer, release: () => void } | undefined>} undefined where there is no keeper, or one that
 *   was about to end
 */
function ask(milliseconds) {
  return new Promise((resolve) => {
    const socket = connect({ path: keeperAddress })
    let text = ''
    const timer = setTimeout(() => socket.destroy(), Math.max(milliseconds, 0))
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      text += chunk
      if (!text.endsWith('\n')) return
      clearTimeout(timer)
      // The connection says that somebody is there. It keeps nobody alive.
      socket.unref()
      resolve({ answer: JSON.parse(text), release: () => socket.destroy() })
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(undefined)
    })
  })
}
