import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Problem } from './problem.mjs'

/**
 * A port of 127.0.0.1 that nobody listens on.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}

/** `npm run` of a script that serves, and all that it starts. */
export class RunningScript {
  output = ''
  #child
  /** @type {() => void} */
  #wake = () => {}
  #ended = false

  /**
   * @param {string} cwd
   * @param {string} script
   * @param {Record<string, string>} env
   */
  constructor(cwd, script, env) {
    // A group of its own, as a terminal gives it one: what npm has started gets the signals too.
    this.#child = spawn('npm', ['run', '--silent', script], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text
        this.#wake()
      })
    }
    this.#child.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  /** @param {RegExp} pattern */
  async prints(pattern) {
    for (;;) {
      const match = pattern.exec(this.output)
      if (match) return match[0]
      if (this.#ended) throw new Problem(`npm run ended before it printed ${pattern}`, 'what it printed is above')
      await /** @type {Promise<void>} */ (new Promise((resolve) => (this.#wake = resolve)))
    }
  }

  /** As Ctrl+C does. */
  async stop() {
    this.#signal('SIGINT')
    while (!this.#ended) await /** @type {Promise<void>} */ (new Promise((resolve) => (this.#wake = resolve)))
  }

  kill() {
    if (!this.#ended) this.#signal('SIGKILL')
  }

  /** @param {NodeJS.Signals} signal */
  #signal(signal) {
    if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal)
  }
}
