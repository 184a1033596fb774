import { isMainThread } from 'node:worker_threads'
import type { ResolvedOptions } from '../base/options.js'
import { introduceNode } from '../js/engine.js'
import { discoverPython, type PythonInstallation } from '../python/discover.js'
import { loadBinding, loadLibpython } from '../python/load.js'
import { Bridge, type Binding } from './bridge.js'

/** Python as it runs in this process, seen from one JavaScript environment. */
export interface RunningPython {
  readonly binding: Binding
  readonly bridge: Bridge
  readonly installation: PythonInstallation
  readonly loop: 'uvloop' | 'asyncio'
  /** As Python itself says; the files that were looked at may leave out the last number. */
  readonly version: string
  /** Files and folders that it was started from, and that somebody may change; not those of the standard library. */
  readonly sources: readonly string[]
}

// One end of the bridge for each environment (the main thread or a worker).
let environment: { binding: Binding; bridge: Bridge } | undefined

/** This environment's end of the bridge, made once. */
export function openBridge(): { binding: Binding; bridge: Bridge } {
  if (environment === undefined) {
    const binding = loadBinding<Binding>()
    introduceNode(binding)
    const bridge = new Bridge(binding, isMainThread)
    // Also where process.exit() ends things, and the cleanup hooks of addons come too late or not at all.
    process.on('exit', (code) => bridge.host.leave(code))
    environment = { binding, bridge }
  }
  return environment
}

/**
 * Finds Python, loads it and starts it, or joins the one that runs.
 *
 * @throws {AmphisError} `AMPHIS_ERR_PYTHON_*`, `AMPHIS_ERR_LIBPYTHON_NOT_FOUND`, `AMPHIS_ERR_VENV_MISMATCH`,
 *   `AMPHIS_ERR_BINDING`
 */
export async function startPython({
  python,
  appDir,
  loop,
}: Pick<ResolvedOptions, 'python' | 'appDir' | 'loop'>): Promise<RunningPython> {
  const installation = await discoverPython({ python, appDir })
  loadLibpython(installation)
  const { binding, bridge } = openBridge()
  const answer = await bridge.call<Pick<RunningPython, 'loop' | 'sources'> & { python: string }>((token) => {
    binding.startPython(bridge.host, token, { executable: installation.executable, loop })
  })
  const { loop: running, python: version, sources } = answer
  return { binding, bridge, installation, loop: running, version, sources }
}
