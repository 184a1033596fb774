// Loads libpython globally, then the addon.
import { existsSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { AmphisError } from '../base/errors.js'
import { NEEDED_FLAGS, withPermissions } from '../base/node-permissions.js'
import { type Manifest, ownManifest, packageRoot, requireAddon } from '../package-root.js'
import { readArchitectures } from './binary-architecture.js'
import type { PythonInstallation } from './discover.js'
import { assertReadable } from './obstacle.js'
import { mappedFiles, platformName, platformRemedy, PREBUILT } from './platform.js'

// Missing from `os.constants.dlopen`. Node.js closes a library that is no addon; with this it stays loaded.
const RTLD_NODELETE = process.platform === 'darwin' ? 0x80 : 0x1000

// Where a test runner gives each file a context of its own, what Node.js throws is no `Error` of that context.
const { isNativeError } = types

const LIBPYTHON = /\/(?:libpython\d+\.\d+[a-z]*\.(?:so|dylib)|Python\.framework\/Versions\/[^/]+\/Python$)/

/**
 * The libpythons in this process, whoever loaded them: another worker thread, another copy of this package, another
 * addon. Only the process itself knows; each thread has a JavaScript state of its own.
 */
function loadedLibpythons(): string[] {
  try {
    return mappedFiles().filter((file) => LIBPYTHON.test(file))
  } catch (error) {
    throw withPermissions(error)
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function addonsDisabled(error: unknown): AmphisError | undefined {
  // By the words, for the generated loader of the addon keeps nothing else of an error.
  return isNativeError(error) && error.message.includes('loading addons is disabled')
    ? new AmphisError(
        'AMPHIS_ERR_BINDING',
        'This Node.js may not load native addons, and amphis is one. ' +
          `Start it without --no-addons, and with --allow-addons where --permission is given. ${NEEDED_FLAGS}`,
        { cause: error },
      )
    : undefined
}

/** What a failed `dlopen` of a libpython means. */
export function libpythonError(libpython: string, error: unknown): AmphisError {
  const disabled = addonsDisabled(error)
  if (disabled !== undefined) {
    return disabled
  }
  assertReadable(libpython, 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND', libpython, true)
  const words = isNativeError(error) ? error.message : String(error)
  // Asked of the file itself: for another architecture glibc says that the file does not exist.
  const architectures = readArchitectures(libpython)
  if (architectures !== undefined && !architectures.includes(process.arch)) {
    return new AmphisError(
      'AMPHIS_ERR_PYTHON_ARCH',
      `${libpython} is built for ${architectures.join(' and ')}, but this Node.js is built for ${process.arch}. ` +
        'Use a Python and a Node.js for the same architecture.',
      { cause: error },
    )
  }
  if (/libc\.musl-\S+: cannot open shared object/.test(words)) {
    return new AmphisError(
      'AMPHIS_ERR_LIBPYTHON_NOT_FOUND',
      `${libpython} is built for musl, but this Node.js is built for glibc. Use a Python that is built for glibc.`,
      { cause: error },
    )
  }
  return new AmphisError(
    'AMPHIS_ERR_LIBPYTHON_NOT_FOUND',
    `${libpython} cannot be loaded: ${words}. Repair that Python, or choose another with option python.`,
    { cause: error },
  )
}

// Only spares this thread the look at the process when a second handler starts.
let loaded: string | undefined

/**
 * Loads libpython into this process for good and makes its symbols global, as the addon and every extension module
 * need them. Can be called any number of times, from any thread, with the same Python.
 *
 * @throws {AmphisError} `AMPHIS_ERR_PYTHON_CONFLICT` when another Python is loaded, `AMPHIS_ERR_PYTHON_ARCH`,
 *   `AMPHIS_ERR_LIBPYTHON_NOT_FOUND` when it cannot be loaded, `AMPHIS_ERR_BINDING` when Node.js forbids it
 */
export function loadLibpython({ libpython }: Pick<PythonInstallation, 'libpython'>): void {
  const wanted = realPath(libpython)
  if (loaded === wanted) {
    return
  }
  const other = loadedLibpythons().find((file) => realPath(file) !== wanted)
  if (other !== undefined) {
    throw new AmphisError(
      'AMPHIS_ERR_PYTHON_CONFLICT',
      `This process has already loaded ${other}, so it cannot also load ${libpython}. ` +
        'Use the same Python for every handler of a process, or a process for each.',
    )
  }
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen
  try {
    process.dlopen({ exports: {} }, libpython, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE)
  } catch (error) {
    // libpython is a library, not an addon: Node.js says so after it has loaded it.
    if (!(isNativeError(error) && error.message.startsWith('Module did not self-register'))) {
      throw libpythonError(libpython, error)
    }
  }
  loaded = wanted
}

/** Every error below an error, the outermost first. */
function* causes(error: unknown): Generator<Error> {
  for (let current = error; isNativeError(current); current = current.cause) {
    yield current
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

/** The package that brings the prebuilt addon for a platform. */
export interface AddonPackage {
  /** The platform in the words of the package's name. */
  platform: string
  name: string
  /** Version of this package, which is also that of its addons. */
  version: string
}

function missing({ platform, name, version }: AddonPackage, cause: unknown): AmphisError {
  const what = `The native addon of amphis for ${platform} is not installed`
  if (!PREBUILT.includes(platform)) {
    return new AmphisError('AMPHIS_ERR_BINDING', `${what}: none is published. ${platformRemedy(platform)}`, { cause })
  }
  return new AmphisError(
    'AMPHIS_ERR_BINDING',
    `${what}: the optional dependency ${name}@${version} is missing. Either (1) install again without ` +
      '--omit=optional, on this machine or in this image rather than by copying node_modules from another; or (2), ' +
      'where the lockfile comes from another system, remove it and node_modules and run npm install; or (3) add the ' +
      `package yourself: npm install ${name}@${version}`,
    { cause },
  )
}

function loadRemedy(reason: string, { version }: AddonPackage): string {
  if (reason.includes('GLIBC')) {
    return 'Use a Linux distribution with a newer glibc, or build the addon here with "npm run build".'
  }
  if (/symbol.*\b_?Py/.test(reason)) {
    return 'No libpython is loaded that has it: choose another Python with option python or AMPHIS_PYTHON.'
  }
  return `Install it again (npm install amphis@${version}), or build it here with "npm run build".`
}

/** What a failure of the generated loader means. */
export function bindingError(addon: AddonPackage, error: unknown): AmphisError {
  // The generated loader tries several files, and gives what each of them said as a chain of causes below an error
  // of its own, which blames npm in any case.
  const [outermost, ...said] = [...causes(error)]
  const disabled = said.map(addonsDisabled).find((found) => found !== undefined)
  if (disabled !== undefined) {
    return disabled
  }
  const cause = said.find(({ message }) => !message.startsWith('Cannot find module'))
  if (cause === undefined) {
    return missing(addon, said[0] ?? outermost)
  }
  const reason = firstLine(cause.message)
  return new AmphisError(
    'AMPHIS_ERR_BINDING',
    `The native addon of amphis for ${addon.platform} cannot be loaded: ${reason}. ${loadRemedy(reason, addon)}`,
    { cause },
  )
}

/**
 * Loads the native addon. Its undefined symbols are resolved at once, so {@link loadLibpython} has to come first.
 *
 * @param root Folder of this package.
 * @throws {AmphisError} `AMPHIS_ERR_BINDING` when the addon is missing, of another version, or does not load
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the type, this file must not
export function loadBinding<T>(root?: URL): T {
  return root === undefined
    ? load(packageRoot, ownManifest(), createRequire(new URL('index.js', packageRoot)), requireAddon)
    : loadFrom(root, createRequire(root))
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as above
function loadFrom<T>(root: URL, require: NodeJS.Require): T {
  return load(root, require('./package.json') as Manifest, require, () => require('./binding.cjs') as unknown)
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as above
function load<T>(
  root: URL,
  { name: ownName, version }: Manifest,
  require: NodeJS.Require,
  requireEntry: () => unknown,
): T {
  const platform = platformName()
  const addon = { platform, name: `${ownName}-${platform}`, version }
  const entry = fileURLToPath(new URL('binding.cjs', root))
  if (!existsSync(entry)) {
    throw new AmphisError(
      'AMPHIS_ERR_BINDING',
      `${entry} does not exist, so the native addon of amphis was not built. Run "npm run build".`,
    )
  }
  // A build in this folder comes before the optional dependency, and is of this version by its nature.
  const isBuiltHere = existsSync(fileURLToPath(new URL(`amphis.${platform}.node`, root)))
  if (!isBuiltHere) {
    assertSameVersion(require, addon)
  }
  try {
    return requireEntry() as T
  } catch (error) {
    throw bindingError(addon, error)
  }
}

/** Package managers have been seen to install an addon of another version than the package that needs it. */
function assertSameVersion(require: NodeJS.Require, { name, version }: AddonPackage): void {
  let installed: string
  try {
    installed = (require(`${name}/package.json`) as { version: string }).version
  } catch {
    // Not installed: what the loader says about that is the better error.
    return
  }
  if (installed !== version) {
    throw new AmphisError(
      'AMPHIS_ERR_BINDING',
      `amphis ${version} needs ${name} ${version}, but ${installed} is installed. ` +
        `Install them together: npm install amphis@${version}`,
    )
  }
}
