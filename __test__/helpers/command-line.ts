import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type Exit, NodeProcess } from './node-process.js'
import { fixtures, loop, python } from './python.js'

/** The command line's program. */
export const program = fileURLToPath(new URL('../../bin/amphis.js', import.meta.url))

/** Runs the program with exactly these arguments, in the folder of the fixture apps. */
export function amphis(t: ExecutionContext, ...args: string[]): NodeProcess {
  return amphisIn({}, t, ...args)
}

/** The same with more in its environment. */
export function amphisIn(env: NodeJS.ProcessEnv, t: ExecutionContext, ...args: string[]): NodeProcess {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: fixtures,
    env: { ...process.env, NODE_OPTIONS: undefined, FORCE_COLOR: undefined, NO_COLOR: '1', ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  return new NodeProcess(child, 'now')
}

/** Runs the program to its end. */
export function amphisEnds(t: ExecutionContext, ...args: string[]): Promise<Exit> {
  return amphis(t, ...args).ends()
}

/** Names the suite's Python and event loop. */
export const suite = ['--python', python, '--loop', loop]

export interface Served {
  process: NodeProcess
  url: string
  port: number
}

/** Serves an app on a free port and waits for its address. */
export function serveByCommand(t: ExecutionContext, app: string, ...args: string[]): Promise<Served> {
  return announced(amphis(t, app, '--port', '0', ...suite, ...args), app)
}

/** What a process says of where it serves an app; `unix:` and a path for a Unix socket. */
export async function announced(process: NodeProcess, app: string): Promise<Served> {
  const line = await process.printsLine(new RegExp(` serves ${app} at .* · `))
  const url = /((?:https?:\/\/|unix:).*?) · /.exec(line)?.[1] ?? ''
  return { process, url, port: Number(new URL(url).port) }
}
