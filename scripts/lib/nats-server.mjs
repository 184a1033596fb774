// A NATS server for the tests: the one that NATS_SERVER names, else one that Go builds.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { goProgram } from './go-program.mjs'
import { Problem } from './problem.mjs'
import { freePort } from './running-script.mjs'

/** The program. Debian's gives wrong replies to the current client: it is not asked for. */
export const natsServer = () =>
  goProgram({
    title: 'a NATS server',
    place: 'nats/nats-server',
    source: 'github.com/nats-io/nats-server/v2@v2.15.3',
    variable: 'NATS_SERVER',
  })

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
