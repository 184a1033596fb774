// `amphis APP`: from the arguments to serving, in this process or in others.
import { assertMayStartProcesses } from '../base/node-permissions.js'
import { UsageError } from './errors/usage-error.js'
import { inheritedSocket } from './listen/socket-activation.js'
import { openLog } from './log/log.js'
import { warn } from './log/report.js'
import { configure } from './options/configuration.js'
import { misspeltVariables } from './options/environment.js'
import { parseCommandLine } from './options/parse.js'

/**
 * Serves an app, or prints the help or the versions.
 *
 * @throws {UsageError} when the command line, or a file of configuration, was not understood
 */
export async function serveCommand(args: string[]): Promise<void> {
  const commandLine = parseCommandLine(args)
  if (commandLine.options.help) {
    const { usage } = await import('./options/usage.js')
    console.log(usage())
    return
  }
  if (commandLine.options.version) {
    const { describeVersions } = await import('./versions.js')
    console.log(await describeVersions(configure(commandLine)))
    return
  }
  const env = { ...process.env }
  const { app, options } = await configure(commandLine)
  openLog(app, options)
  for (const message of misspeltVariables(process.env)) warn(message)
  if (app === undefined) {
    throw new UsageError(
      'Which app? Name it as module:attribute, such as `amphis main:app`, or give amphis.config.js the key app. ' +
        '`amphis init` writes a new project, `amphis --help` shows all there is.',
    )
  }
  const fd = inheritedSocket(options.fd, process.env, process.pid)
  const configuration = { app, options: { ...options, fd } }
  if (options.reload || options.workers > 1) assertMayStartProcesses()
  if (options.reload) {
    const { serveWithReload } = await import('./reload/supervisor.js')
    await serveWithReload(configuration, { commandLine, env })
    return
  }
  if (options.workers > 1) {
    const { serveInWorkers } = await import('./workers/primary.js')
    await serveInWorkers(configuration)
    return
  }
  const { serveInThisProcess } = await import('./serve/single-process.js')
  await serveInThisProcess(configuration)
}
