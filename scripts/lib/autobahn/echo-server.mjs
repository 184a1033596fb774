import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { inRoot, root } from '../paths.mjs'
import { Problem } from '../problem.mjs'

/**
 * Starts a contestant in a process of its own.
 *
 * @param {import('./contestants.mjs').Contestant} contestant
 */
export async function startServer({ kind, deflate, title }) {
  const program = ['--import', '@oxc-node/core/register', inRoot('conformance/autobahn/server.ts')]
  const child = spawn(process.execPath, [...program, kind, deflate ? 'deflate' : 'plain'], {
    cwd: root,
    // What it complains of is shown as it comes; it ends with its standard input, thus with this process.
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  const port = await new Promise((resolve) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    void ended.then(() => resolve(undefined))
  })
  if (port === undefined) throw new Problem(`${title} did not start`, 'its own message is above')
  return {
    port: Number(port),
    /** A server that has crashed meanwhile is a failure whatever its report says. */
    async stop() {
      child.stdin.end()
      const code = await ended
      if (code !== 0) throw new Problem(`${title} ended with ${code}`, 'its own messages are above')
    },
  }
}
