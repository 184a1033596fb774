import { spawn } from 'node:child_process'

/**
 * Runs a program to its end, without a terminal.
 *
 * @param tee whether its stderr is shown as well
 * @returns its exit code (null where a signal ended it), and what it said to stdout and stderr
 */
export function runProgram(
  file: string,
  args: readonly string[],
  cwd: string,
  tee = false,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (tee) process.stderr.write(text)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
