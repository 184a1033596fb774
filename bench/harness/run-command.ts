import { spawn } from 'node:child_process'

export interface CommandOutput {
  readonly stdout: string
  readonly stderr: string
}

/** A command that did not end with exit code 0; the message carries the end of what it printed. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** Runs a command to its end. Rejects with `CommandError` when it cannot start or exits with another code than 0. */
export function runCommand(
  argv: readonly [string, ...string[]],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<CommandOutput> {
  const [command, ...args] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('error', (error) => reject(new CommandError(`${command} cannot be started: ${error.message}`)))
    child.once('close', (code, signal) => {
      if (code === 0) {
        resolve({ stdout, stderr })
      } else {
        const said = (stderr.trim() || stdout.trim()).slice(-1500)
        reject(new CommandError(`${argv.join(' ')} ended with ${signal ?? `exit code ${code}`}: ${said}`))
      }
    })
  })
}
