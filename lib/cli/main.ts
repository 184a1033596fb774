import { styleText } from 'node:util'
import { AmphisError, PythonError } from '../errors.js'
import { type CommandLine, parseCommandLine, UsageError } from './parse.js'
import { ServeError } from './serve-error.js'
import { serveInThisProcess } from './single-process.js'
import { inheritedSocket } from './socket-activation.js'
import { usage } from './usage.js'
import { describeVersions } from './versions.js'

const FAILED = 1
const MISUSED = 2

/** Runs the command line; the outcome is in `process.exitCode`: 0, 1 for what went wrong, 2 for what was mistyped. */
export async function main(args: string[]): Promise<void> {
  try {
    await run(parseCommandLine(args))
  } catch (error) {
    process.exitCode = report(error)
  }
}

async function run({ app, options }: CommandLine): Promise<void> {
  if (options.help) {
    console.log(usage())
  } else if (options.version) {
    console.log(await describeVersions(options))
  } else if (app === undefined) {
    throw new UsageError('Which app? Name it as module:attribute, such as main:app.')
  } else {
    const fd = inheritedSocket(options.fd, process.env, process.pid)
    await serveInThisProcess({ app, options: { ...options, fd } })
  }
}

/** Says what happened in the words of whom it concerns, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof UsageError) {
    say(error.message)
    console.error('`amphis --help` shows all options.')
    return MISUSED
  }
  if (error instanceof PythonError) console.error(error.traceback.trimEnd())
  if (error instanceof AmphisError || error instanceof ServeError) {
    say(error.message)
    return error instanceof AmphisError && error.code === 'AMPHIS_ERR_INVALID_OPTIONS' ? MISUSED : FAILED
  }
  // Nobody foresaw it: all that is known may help.
  console.error(error)
  return FAILED
}

function say(message: string): void {
  console.error(`${styleText('red', 'error:', { stream: process.stderr })} ${message}`)
}
