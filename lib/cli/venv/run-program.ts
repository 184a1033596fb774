import { spawn } from 'node:child_process'

/** How much of what a program says is passed on while it says it. */
export type Shown = 'nothing' | 'errors' | 'all'

/**
 * Runs a program to its end. Where all is shown and there is a terminal, it has the terminal for its stdout: with
 * progress bars, and what it says there is nobody else's.
 *
 * @returns its exit code (null where a signal ended it), and what it said to stdout and stderr
 */
export function runProgram(
  file: string,
  args: readonly string[],
  cwd: string,
  shown: Shown = 'nothing',
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const hasTerminal = shown === 'all' && process.stdout.isTTY
    const child = spawn(file, args, { cwd, stdio: ['ignore', hasTerminal ? 'inherit' : 'pipe', 'pipe'] })
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (shown === 'all') process.stdout.write(text)
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (shown !== 'nothing') process.stderr.write(text)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
