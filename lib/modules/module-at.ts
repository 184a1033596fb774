// `moduleAt`: what the modules of JavaScript are made of that stand for files of Python.
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AmphisError } from '../base/errors.js'
import { Python, type PythonOptions } from '../calls/python.js'
import { lazyClass, lazyFunction, type Source } from './lazy.js'
import { locateModule, type ModuleLocation } from './location.js'

/** How Python is found and started for the modules that are imported by their files. */
export interface ModulesOptions extends PythonOptions {
  /**
   * Folder that the modules below it are imported from: it stands on `sys.path`.
   *
   * @default of each module the first folder, going up, that is no package (has no `__init__.py`)
   */
  appDir?: string | undefined
  /**
   * Folder that has the files of Python of what was bundled, as they are in the project.
   *
   * @default the first folder that has the file, from what was built upwards, then the working directory
   */
  root?: string | undefined
}

/** A file of a project, as a bundle knows it. */
export interface Bundled {
  /** The path of the file from the root of the project, with slashes. */
  path: string
  /** The folder that it is imported from, likewise; by default the first one going up that is no package. */
  appDir?: string | undefined
}

let settings: Omit<ModulesOptions, 'root'> = {}
let bundleRoot: string | undefined
const pythons = new Map<string, Python>()

/**
 * Says how Python is found and started for the modules that are imported by their files, before the first of their
 * functions is called.
 *
 * @example
 * import { configure } from 'amphis/modules'
 *
 * configure({ python: '/opt/python3.12', threads: 4 })
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`: an option is wrong, or it is too late
 */
export function configure(options: ModulesOptions): void {
  if (pythons.size > 0) {
    const message = 'Python has started already: call configure() before the first function of a module.'
    throw new AmphisError('AMPHIS_ERR_INVALID_OPTIONS', message)
  }
  const { root, ...own } = options
  if (root !== undefined && typeof root !== 'string') {
    throw new AmphisError('AMPHIS_ERR_INVALID_OPTIONS', `Option root must be a folder, but it is ${String(root)}.`)
  }
  // Checked now and not at a call.
  void new Python(own)
  settings = own
  bundleRoot = root
}

/** A module that is imported when it is first needed. */
class LazyModule implements Source {
  module: object | undefined
  readonly #locate: () => ModuleLocation
  #loading: Promise<object> | undefined

  constructor(locate: () => ModuleLocation) {
    this.#locate = locate
  }

  /** One that failed is tried again. */
  load(): Promise<object> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined
      throw error
    })
    return this.#loading
  }

  function(name: string): unknown {
    return lazyFunction(this, name)
  }

  class(name: string): unknown {
    return lazyClass(this, name)
  }

  async #load(): Promise<object> {
    const { appDir, name } = this.#locate()
    let python = pythons.get(appDir)
    if (python === undefined) pythons.set(appDir, (python = new Python({ ...settings, appDir })))
    this.module = await python.import<object>(name)
    return this.module
  }
}

/**
 * The module of a file of Python; nothing is started, read or imported yet. It is called by the modules of JavaScript
 * that stand for such files.
 *
 * @param url of the file; of what was built where `bundled` is given
 * @param bundled the file that is meant, from the project's root
 */
export function moduleAt(url: string | URL, bundled?: Bundled): LazyModule {
  return new LazyModule(() => {
    const here = String(url).startsWith('file:') ? fileURLToPath(url) : String(url)
    if (bundled === undefined) return locateModule(here, asked(here))
    const root = rootOf(dirname(here), bundled.path)
    const file = join(root, bundled.path)
    return locateModule(file, bundled.appDir === undefined ? asked(file) : join(root, bundled.appDir))
  })
}

/** The folder that was asked for, if the file is below it: there may be others. */
function asked(file: string): string | undefined {
  if (settings.appDir === undefined) return undefined
  const folder = resolve(settings.appDir)
  return relative(folder, file).startsWith('..') ? undefined : folder
}

/** The folder that has the file: the one that was named, or one of those above what was built, or the working directory. */
function rootOf(folder: string, path: string): string {
  const candidates = bundleRoot === undefined ? [] : [resolve(bundleRoot)]
  for (let at = folder; candidates.at(-1) !== at; at = dirname(at)) candidates.push(at)
  const root = [...candidates, process.cwd()].find((candidate) => existsSync(join(candidate, path)))
  if (root !== undefined) return root
  const message =
    `There is no ${path} in ${folder} or a folder above it. Deploy the files of Python beside what is built, as they ` +
    "are in the project, or name the folder that has them: configure({ root }) of 'amphis/modules'."
  throw new AmphisError('AMPHIS_ERR_APP_NOT_FOUND', message)
}
