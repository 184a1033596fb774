import { configure } from './configuration.js'
import { misspeltVariables } from './environment.js'
import { openLog } from './log.js'
import { parseCommandLine } from './parse.js'
import { report, warn } from './report.js'
import { inheritedSocket } from './socket-activation.js'
import { UsageError } from './usage-error.js'

/** Runs the command line; the outcome is in `process.exitCode`: 0, 1 for what went wrong, 2 for what was mistyped. */
export async function main(args: string[]): Promise<void> {
  try {
    await run(args)
  } catch (error) {
    process.exitCode = report(error)
  }
}

// Each way imports what it needs itself: nobody waits for the rest.
async function run(args: string[]): Promise<void> {
  const commandLine = parseCommandLine(args)
  if (commandLine.options.help) {
    const { usage } = await import('./usage.js')
    console.log(usage())
    return
  }
  if (commandLine.options.version) {
    const { describeVersions } = await import('./versions.js')
    console.log(await describeVersions(configure(commandLine)))
    return
  }
  const { app, options } = await configure(commandLine)
  openLog(app, options)
  for (const message of misspeltVariables(process.env)) warn(message)
  if (app === undefined) {
    throw new UsageError(
      'Which app? Name it as module:attribute, such as main:app, or give amphis.config.js the key app.',
    )
  }
  const fd = inheritedSocket(options.fd, process.env, process.pid)
  const configuration = { app, options: { ...options, fd } }
  if (options.workers > 1) {
    const { serveInWorkers } = await import('./workers/primary.js')
    await serveInWorkers(configuration)
    return
  }
  const { serveInThisProcess } = await import('./single-process.js')
  await serveInThisProcess(configuration)
}
