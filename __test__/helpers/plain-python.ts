import { execFileSync, spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { program } from './command-line.js'
import { type Exit, NodeProcess } from './node-process.js'
import { fixtures, interpreter, python } from './python.js'

/** The scripts that are run both ways. */
export const scripts = join(fixtures, 'run')

export interface PlainRun {
  /** What Python is called with: its options, a script, its arguments. */
  args: readonly string[]
  /** @default nothing: its end is there at once */
  stdin?: string | Buffer
  env?: NodeJS.ProcessEnv
  /** @default the folder of the scripts */
  cwd?: string
  /** What is left out of stderr before it is compared. */
  less?: RegExp
}

/** The command that runs Python inside Node. */
export const amphisRun: readonly [string, ...string[]] = [process.execPath, program, 'run', '--python', python]

/** The suite's Python 3 by its second number: what differs is written where it is met. */
export function pythonMinor(): number {
  return Number(execFileSync(interpreter, ['-c', 'import sys; print(sys.version_info.minor)'], { encoding: 'utf8' }))
}

/** Without what would make Python, or Node, behave other than by default. */
export function plainEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const env = Object.entries(process.env).filter(
    ([name]) => !/^(?:PYTHON|NODE_|AMPHIS_|FORCE_COLOR$|NO_COLOR$|VIRTUAL_ENV$)/.test(name),
  )
  return { ...Object.fromEntries(env), ...more }
}

/** Starts a command beside the scripts. */
export function start(
  t: ExecutionContext,
  [file, ...args]: readonly [string, ...string[]],
  { stdin, env, cwd = scripts }: Omit<PlainRun, 'args' | 'less'> = {},
  reading: 'now' | 'later' = 'now',
): NodeProcess {
  const child = spawn(file, args, { cwd, env: plainEnvironment(env) })
  t.teardown(() => child.kill('SIGKILL'))
  // A script may end without reading.
  child.stdin.on('error', () => {})
  if (stdin !== undefined) child.stdin.end(stdin)
  return new NodeProcess(child, reading)
}

const waiting: (() => void)[] = []
let free = availableParallelism()

/** Not all at once: tests of a file run side by side. */
async function inTurn<T>(run: () => Promise<T>): Promise<T> {
  if (free === 0) await new Promise<void>((go) => waiting.push(go))
  else free--
  try {
    return await run()
  } finally {
    const next = waiting.shift()
    if (next) next()
    else free++
  }
}

/**
 * Without what is another in each process: addresses, process ids. Python 3.14 and later also tell the name of the thread
 * that has crashed, which here is not the program's, and the C functions below it, which begin in another program.
 */
function comparable({ code, signal, stdout, stderr }: Exit, less: RegExp | undefined) {
  const text = (output: string) =>
    output
      .replace(/0x[0-9a-f]{6,}/g, '0x…')
      .replace(/(pid[= ])\d+/g, '$1…')
      .replace(/(thread 0x…) \[[^\]]*\]/g, '$1')
      .replace(/(C stack trace [^\n]*\n)(?: {2}[^\n]*\n)*/g, '$1')
  return { code, signal, stdout: text(stdout), stderr: text(less ? stderr.replace(less, '') : stderr) }
}

/**
 * Runs Python both ways and asserts that nobody could tell them apart: by stdout, stderr, exit code or signal. Gives
 * how the `python` program ended.
 */
export async function sameAsPython(t: ExecutionContext, { args, stdin = '', less, ...more }: PlainRun): Promise<Exit> {
  const run = (command: readonly [string, ...string[]]) =>
    inTurn(async () => start(t, [...command, ...args], { stdin, ...more }).ends())
  const [expected, actual] = await Promise.all([run([interpreter]), run(amphisRun)])
  t.deepEqual(comparable(actual, less), comparable(expected, less), args.join(' '))
  return expected
}
