// A NATS server for the tests: the one that NATS_SERVER names or PATH has, else one that Go builds once, in .cache.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { fetchProblem } from './network.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

const version = 'v2.15.3'
const folder = inRoot('.cache/nats')
const built = `${folder}/nats-server`

/** The program. Debian's gives wrong replies to the current client: it is not asked for. */
export async function natsServer() {
  const named = process.env.NATS_SERVER
  if (named) return named
  if (existsSync(built)) return built
  mkdirSync(folder, { recursive: true })
  const env = { GOBIN: folder }
  const { code, output } = await run('go', ['install', `github.com/nats-io/nats-server/v2@${version}`], {
    env,
    quiet: true,
  })
  if (code === 127)
    throw new Problem(
      'there is neither a NATS server nor Go to build one',
      'name one: NATS_SERVER=/path/to/nats-server',
    )
  if (code !== 0) throw fetchProblem('go install nats-server', output)
  return built
}

/**
 * For tests: whether there is one, after one line that says what to do where there is none and none is required.
 *
 * @param {(line: string) => void} say
 */
export async function natsForTests(say) {
  try {
    await natsServer()
    return true
  } catch (error) {
    if (!(error instanceof Problem) || process.env.AMPHIS_REQUIRE_CONTAINERS === '1') throw error
    say(`Tests with NATS do not run: ${error.message}`)
    return false
  }
}

/**
 * Starts one that keeps its streams in a folder.
 *
 * @param {string} data
 * @returns {Promise<{ address: string, stop: () => Promise<void> }>}
 */
export async function startNats(data) {
  const program = await natsServer()
  const port = await freePort()
  const child = spawn(program, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', data], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  let said = ''
  await new Promise((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      said += chunk
      if (said.includes('Server is ready')) resolve(undefined)
    })
    child.on('error', reject)
    child.on('exit', () =>
      reject(new Problem(`the NATS server did not start (${said.trim().split('\n').pop()})`, 'see its message')),
    )
  })
  child.stderr.resume()
  return {
    address: `127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
