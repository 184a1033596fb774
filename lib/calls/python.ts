// `Python`: modules of Python's, to be called from JavaScript.
import { resolve } from 'node:path'
import { AmphisError, seenFrom } from '../base/errors.js'
import { unknownOption } from '../base/nearest.js'
import { startPython } from '../bridge/start.js'
import { closeOwner, openOwner } from './environment.js'
import { closed, type Owner } from './owner.js'

/** Options of a {@link Python}. */
export interface PythonOptions {
  /**
   * Folder that is put first on `sys.path`, and that packages of JavaScript are seen from.
   * @default process.cwd()
   */
  appDir?: string | undefined
  /**
   * Virtual environment or interpreter. By default `AMPHIS_PYTHON`, `VIRTUAL_ENV`, a `.venv` or `venv` from `appDir`
   * upwards, `UV_PROJECT_ENVIRONMENT`, `CONDA_PREFIX`, then `python3` on `PATH`.
   */
  python?: string | undefined
  /**
   * The event loop; `auto` is uvloop where it can be imported. One process has one.
   * @default 'auto'
   */
  loop?: 'auto' | 'uvloop' | 'asyncio' | undefined
  /**
   * How many `def` functions are called at a time at least, 1 to 1,024, in threads of Python's. One process has one pool,
   * as large as the largest that was asked for.
   * @default 10
   */
  threads?: number | undefined
  /**
   * Milliseconds that `close()` lets calls run before they are given up.
   * @default 10_000
   */
  timeoutGracefulShutdown?: number | undefined
}

interface Resolved {
  readonly appDir: string
  readonly python: string | undefined
  readonly loop: 'auto' | 'uvloop' | 'asyncio'
  readonly threads: number
  readonly timeoutGracefulShutdown: number
}

/** How many threads a pool has that nobody asks more of. */
export const THREADS = 10

/** What starts Python and gives an owner of calls; once. */
export type Opening = () => Promise<Owner>

/**
 * Python's functions in this Node process.
 *
 * Making one does nothing yet: Python starts with {@link ready} or the first import. All handlers and all of these in a
 * process share one Python, its modules and its event loop. An idle one does not keep Node alive.
 *
 * @example
 * const python = new Python({ appDir: 'ml' })
 * const model = await python.import('model')
 * await model.predict([1, 2, 3])
 */
export class Python implements AsyncDisposable {
  readonly #open: Opening
  readonly #grace: number
  #owner: Promise<Owner> | undefined
  #closing: Promise<void> | undefined

  /** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS` */
  constructor(options: PythonOptions = {}) {
    const opening = (options as { [openedBy]?: Opening })[openedBy]
    if (opening !== undefined) {
      this.#open = opening
      this.#grace = 0
      return
    }
    try {
      const resolved = resolveOptions(options)
      this.#grace = resolved.timeoutGracefulShutdown
      this.#open = async () => {
        const { bridge } = await startPython(resolved)
        return openOwner(bridge, resolved.appDir, resolved.threads)
      }
    } catch (error) {
      throw seenFrom(error, Python as unknown as () => void)
    }
  }

  /**
   * Starts Python; once, however often it is called.
   *
   * @throws {AmphisError} what kept it from starting
   */
  async ready(): Promise<this> {
    try {
      await this.#start()
    } catch (error) {
      throw seenFrom(error, this.ready)
    }
    return this
  }

  /**
   * Imports a module: its functions and classes can be called, numbers and short texts are there as they are, all else is
   * had by `await module.name`. What a call gives is copied, by the table in docs/values.md; `fn.ref(…)` leaves it in
   * Python.
   *
   * @param name as in Python's `import`: `model`, `package.model`
   * @throws {AmphisError} `AMPHIS_ERR_APP_NOT_FOUND`, `AMPHIS_ERR_APP_IMPORT`, `AMPHIS_ERR_CLOSED`
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- nothing is known of it unless it is said
  async import<Module = any>(name: string): Promise<Module> {
    try {
      const owner = await this.#start()
      return (await owner.import(name)) as Module
    } catch (error) {
      throw seenFrom(error, this.import)
    }
  }

  /** Ends it: calls under way have `timeoutGracefulShutdown`, the rest is rejected. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #start(): Promise<Owner> {
    if (this.#closing !== undefined) {
      return Promise.reject(closed())
    }
    return (this.#owner ??= this.#open())
  }

  async #close(): Promise<void> {
    const owner = await this.#owner?.catch(() => undefined)
    if (owner !== undefined) {
      await closeOwner(owner, this.#grace)
    }
  }
}

const openedBy = Symbol('amphis.openedBy')

/** One that belongs to somebody who starts Python for it. */
export function pythonOf(opening: Opening): Python {
  return new Python({ [openedBy]: opening } as PythonOptions)
}

const KNOWN = ['appDir', 'python', 'loop', 'threads', 'timeoutGracefulShutdown']

function resolveOptions(options: PythonOptions): Resolved {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid('A Python is made of an object of options, or of nothing.')
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) {
      throw invalid(unknownOption(name, KNOWN))
    }
  }
  const { appDir = process.cwd(), python, loop = 'auto', threads = THREADS, timeoutGracefulShutdown = 10_000 } = options
  check(typeof appDir === 'string', 'appDir', 'a folder', appDir)
  check(python === undefined || typeof python === 'string', 'python', 'a path', python)
  check(['auto', 'uvloop', 'asyncio'].includes(loop), 'loop', "'auto', 'uvloop' or 'asyncio'", loop)
  check(
    Number.isInteger(threads) && threads >= 1 && threads <= 1024,
    'threads',
    'a whole number from 1 to 1,024',
    threads,
  )
  check(
    typeof timeoutGracefulShutdown === 'number' && timeoutGracefulShutdown >= 0,
    'timeoutGracefulShutdown',
    'a number of milliseconds, 0 or more',
    timeoutGracefulShutdown,
  )
  return { appDir: resolve(appDir), python, loop, threads, timeoutGracefulShutdown }
}

function check(holds: boolean, name: string, what: string, value: unknown): void {
  if (!holds) {
    throw invalid(
      `Option ${name} must be ${what}, but it is ${typeof value === 'string' ? `'${value}'` : String(value)}.`,
    )
  }
}

function invalid(message: string): AmphisError {
  return new AmphisError('AMPHIS_ERR_INVALID_OPTIONS', message)
}
