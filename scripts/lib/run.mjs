import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { root } from './paths.mjs'

/**
 * @typedef {object} RunOptions
 * @property {NodeJS.ProcessEnv} [env] added to this process's environment; undefined removes a variable
 * @property {string} [cwd] default: the repository's root
 * @property {boolean} [quiet] keeps the output instead of showing it as it comes
 * @property {boolean} [interactive] hands over the terminal: no output is kept
 */

/**
 * @typedef {object} RunResult
 * @property {number} code the exit code, 127 when the command does not exist, 128 + n when signal n ended it
 * @property {string} output both streams, in the order in which they came
 */

/**
 * Runs a command to its end and never throws.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
export function run(command, args, { env = {}, cwd = root, quiet = false, interactive = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: interactive ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    })
    /** @type {Buffer[]} */
    const chunks = []
    child.stdout?.on('data', (/** @type {Buffer} */ chunk) => {
      chunks.push(chunk)
      if (!quiet) process.stdout.write(chunk)
    })
    child.stderr?.on('data', (/** @type {Buffer} */ chunk) => {
      chunks.push(chunk)
      if (!quiet) process.stderr.write(chunk)
    })
    child.on('error', (error) => resolve({ code: 127, output: error.message }))
    child.on('close', (code, signal) =>
      resolve({
        code: code ?? 128 + (signal ? constants.signals[signal] : 0),
        output: Buffer.concat(chunks).toString(),
      }),
    )
  })
}

/** True when a person is watching. */
export const inColour = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR

/** For tools that see a pipe here: colours when a person is watching, none in a log. */
export const colourEnv = inColour
  ? { FORCE_COLOR: '1', CARGO_TERM_COLOR: 'always' }
  : { FORCE_COLOR: undefined, NO_COLOR: '1', CARGO_TERM_COLOR: 'never', TERM: 'dumb' }
