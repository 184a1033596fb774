import { copyFile, mkdir } from 'node:fs/promises'
import { once } from 'node:events'
import { constants } from 'node:os'
import { basename, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { AmphisError } from '../lib/base/errors.js'
import { discoverPython } from '../lib/python/discover.js'
import { loadLibpython } from '../lib/python/load.js'
import { mappedFiles } from '../lib/python/platform.js'
import { evaluate, realInterpreter, temporaryFolder } from './helpers/fake-python.js'

const SELF_REGISTER = /^Module did not self-register/

/** The Python that the tests run with. */
async function realInstallation() {
  return discoverPython({ python: await realInterpreter(), appDir: '/' })
}

/** An extension module of that Python, which needs the symbols of libpython to load. */
async function realExtension(): Promise<string> {
  const expression = `next(
    os.path.join(folder, file)
    for path in sys.path if os.path.isabs(path)
    for folder, _, files in os.walk(path)
    for file in files if file.endswith(sysconfig.get_config_var('EXT_SUFFIX'))
  )`
  return (await evaluate(await realInterpreter(), expression)) as string
}

/** Loads a library that is no addon, with its symbols for itself, and gives what Node.js says about it. */
function dlopenError(path: string): string {
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

/** What a worker thread gets from loading a library: nothing, or the code of the error. */
async function loadInWorker(libpython: string): Promise<unknown> {
  const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    const load = async () => {
      await import('@oxc-node/core/register')
      const { loadLibpython } = await import(workerData.module)
      try {
        loadLibpython({ libpython: workerData.libpython })
        parentPort.postMessage('loaded')
      } catch (error) {
        parentPort.postMessage(error.code)
      }
    }
    load()`
  const module = new URL('../lib/python/load.ts', import.meta.url).href
  const worker = new Worker(script, { eval: true, workerData: { module, libpython } })
  const exited = once(worker, 'exit')
  const [message] = (await once(worker, 'message')) as unknown[]
  await exited
  return message
}

// One process, one Python: what these tests do stays for the next ones.

test.serial('makes the symbols of libpython global, for good', async (t) => {
  const installation = await realInstallation()
  const extension = await realExtension()
  t.notRegex(dlopenError(extension), SELF_REGISTER)
  loadLibpython(installation)
  t.regex(dlopenError(extension), SELF_REGISTER)
  t.true(mappedFiles().some((file) => basename(file) === basename(installation.libpython)))
})

test.serial('can be called again', async (t) => {
  const installation = await realInstallation()
  t.notThrows(() => loadLibpython(installation))
  const another = { ...installation, executable: '/another/environment/bin/python' }
  t.notThrows(() => loadLibpython(another))
})

test.serial('loads the same Python in a worker thread, and leaves it when the thread ends', async (t) => {
  const { libpython } = await realInstallation()
  t.is(await loadInWorker(libpython), 'loaded')
  t.is(await loadInWorker(libpython), 'loaded')
  t.regex(dlopenError(await realExtension()), SELF_REGISTER)
})

test.serial('refuses a second Python, in any thread', async (t) => {
  const { libpython } = await realInstallation()
  const folder = join(await temporaryFolder(t), 'lib')
  await mkdir(folder)
  const other = join(folder, basename(libpython))
  await copyFile(libpython, other)
  const error = t.throws<AmphisError>(() => loadLibpython({ libpython: other }), { instanceOf: AmphisError })
  t.is(error.code, 'AMPHIS_ERR_PYTHON_CONFLICT')
  t.true(error.message.includes(other), error.message)
  t.regex(error.message, /already loaded .*Use the same Python/)
  t.is(await loadInWorker(other), 'AMPHIS_ERR_PYTHON_CONFLICT')
  t.false(mappedFiles().includes(other))
})
