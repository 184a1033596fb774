import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ExecutionContext } from 'ava'
import { program } from './command-line.js'
import { NodeProcess } from './node-process.js'
import { fixtures, interpreter } from './python.js'

export interface TerminalSettings {
  /** @default the folder of the fixture apps */
  cwd?: string
  /** Added to the environment; `NO_COLOR` and `FORCE_COLOR` are not set otherwise. */
  env?: NodeJS.ProcessEnv
  /** @default 200 */
  columns?: number
  /** @default 50 */
  rows?: number
}

/** A command in a pseudo-terminal, as a person sees it: stdout and stderr are one (its `stdout`), lines end in CR LF. */
export class Terminal extends NodeProcess {
  /** The process id of the command; `child` is what holds the terminal. */
  readonly pid: Promise<number>

  constructor(child: NodeProcess['child']) {
    super(child, 'now')
    this.pid = new Promise((resolve) => createInterface(child.stderr).once('line', (line) => resolve(Number(line))))
  }

  /** Types; `\x03` is Ctrl+C, which goes to all processes in the foreground. */
  type(text: string): void {
    this.child.stdin.write(text)
  }
}

/** Runs a command in a pseudo-terminal, which is hung up when the test ends. */
export function runInTerminal(
  t: ExecutionContext,
  [file, ...args]: readonly [string, ...string[]],
  { cwd = fixtures, env, columns = 200, rows = 50 }: TerminalSettings = {},
): Terminal {
  const script = join(fixtures, 'pseudo_terminal.py')
  const child = spawn(interpreter, [script, String(rows), String(columns), file, ...args], {
    cwd,
    env: {
      ...process.env,
      NODE_OPTIONS: undefined,
      FORCE_COLOR: undefined,
      NO_COLOR: undefined,
      // In continuous integration Node takes no terminal for one with colours.
      CI: undefined,
      TERM: 'xterm',
      ...env,
    },
  })
  t.teardown(() => child.kill('SIGKILL'))
  return new Terminal(child)
}

/** Runs the program in a pseudo-terminal. */
export function amphisInTerminal(t: ExecutionContext, args: readonly string[], settings?: TerminalSettings): Terminal {
  return runInTerminal(t, [process.execPath, program, ...args], settings)
}
