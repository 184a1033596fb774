import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { inRoot, root } from './paths.mjs'

// From Node.js 26 on the loader's `module.register()` is deprecated.
const loader = ['--import', '@oxc-node/core/register', '--disable-warning=DEP0205']

/**
 * Runs a program written in TypeScript in the foreground, and returns its exit code.
 *
 * @param {string} file relative to the root
 * @param {string[]} args
 * @returns {Promise<number>}
 */
export function runTypeScript(file, args) {
  const child = spawn(process.execPath, [...loader, inRoot(file), ...args], {
    cwd: root,
    stdio: 'inherit',
  })
  // The terminal sends Ctrl+C to the whole group: the program ends by itself, and this process waits for it.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
}
