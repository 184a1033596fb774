// `amphis run`: finds Python, starts it, waits for its end.
import { dirname, resolve } from 'node:path'
import { type ErrorDescription, fromDescription } from '../../base/errors.js'
import type { Binding } from '../../bridge/bridge.js'
import { openBridge } from '../../bridge/start.js'
import { openOwner } from '../../calls/environment.js'
import { THREADS } from '../../calls/python.js'
import { introduceNode } from '../../js/engine.js'
import { discoverPython } from '../../python/discover.js'
import { isFolder } from '../../python/file-system.js'
import { loadBinding, loadLibpython } from '../../python/load.js'
import { commandLineBytes } from './command-line-bytes.js'
import { parseRunArguments, scriptOf } from './command-line.js'
import { shareStandardStreams } from './standard-streams.js'

/**
 * Runs Python as the `python` program does. Resolves with the exit code when Python has come to its end; the process
 * is to exit then. Where Python dies by a signal, or by `os._exit`, the process does.
 *
 * @param args what comes behind `amphis run`
 * @throws {UsageError} when the command line was not understood
 * @throws {AmphisError} when there is no Python, or it cannot be loaded
 */
export async function runPython(args: string[]): Promise<number> {
  const { help, python, pythonArguments } = parseRunArguments(args)
  if (help) {
    const { RUN_USAGE } = await import('./usage.js')
    console.log(RUN_USAGE)
    return 0
  }
  const appDir = await folderOf(scriptOf(pythonArguments))
  const installation = await discoverPython({ python, appDir })
  loadLibpython(installation)
  const binding = loadBinding<Binding>()
  introduceNode(binding)
  // Also where JavaScript ends the process: threads of Python's may be in runtimes.
  process.on('exit', () => binding.leaveRuntimes())
  shareStandardStreams()
  const commandLine = [Buffer.from(installation.executable), ...commandLineBytes(pythonArguments)]
  const open = (): void => {
    openOwner(openBridge().bridge, appDir, THREADS)
  }
  const code = await new Promise<number>((ended, failed) => {
    try {
      binding.runPython(commandLine, ended, open)
    } catch (error) {
      failed(toError(error))
    }
  })
  // Behind all other listeners: it does not come back.
  process.on('exit', () => binding.leaveProcess())
  return code
}

/** Where a virtual environment is looked for, from there upwards. */
async function folderOf(script: string | undefined): Promise<string> {
  const path = resolve(script ?? '.')
  return script === undefined || (await isFolder(path)) ? path : dirname(path)
}

/** The addon tells what is wrong as JSON. */
function toError(error: unknown): unknown {
  return error instanceof Error ? fromDescription(JSON.parse(error.message) as ErrorDescription) : error
}
