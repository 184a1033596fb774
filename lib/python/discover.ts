// What the Python found is, and whether it will do.
import { constants } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { AmphisError } from '../base/errors.js'
import { withPermissions } from '../base/node-permissions.js'
import { readArchitectures } from './binary-architecture.js'
import { firstReadable, isFolder } from './file-system.js'
import { type Candidate, locateInterpreter, type PythonSource } from './locate.js'
import { assertReadable, findDenial } from './obstacle.js'
import { assertPlatform } from './platform.js'
import type { InterpreterFacts } from './probe.js'
import { findVirtualEnvironment, type PythonVersion, type VirtualEnvironment } from './pyvenv-config.js'
import { libraryCandidates, type LibraryClues, libraryRemedy, OWN_MULTIARCH } from './shared-library.js'

/** A Python that this process can load. */
export interface PythonInstallation {
  /** The interpreter, unresolved, so that CPython finds the virtual environment from it: becomes `sys.executable`. */
  executable: string
  /** Major, minor and, where its files tell, micro. */
  version: PythonVersion
  /** The shared library to load. */
  libpython: string
  /** Folder of the virtual environment, or of the installation where there is none: becomes `sys.prefix`. */
  prefix: string
  /** What named it. */
  source: PythonSource
}

/** Options of {@link discoverPython}. */
export interface DiscoverOptions {
  /**
   * A virtual environment's folder, an interpreter's path (both may begin with `~` and may be relative to the current
   * folder), or the bare name of an interpreter on `PATH`, such as `python3.12`.
   *
   * @default the Python that the steps after the first find
   */
  python?: string | undefined
  /** Folder of the app, from which `.venv` and `venv` are looked for upwards. */
  appDir: string
  /** @default process.env */
  env?: NodeJS.ProcessEnv | undefined
  /** @default process.platform */
  platform?: NodeJS.Platform | undefined
  /**
   * How many milliseconds an interpreter may take to tell about itself.
   *
   * @default 10_000
   */
  timeout?: number | undefined
}

type Context = Required<Pick<DiscoverOptions, 'appDir' | 'env' | 'platform'>> & Pick<DiscoverOptions, 'timeout'>

const OLDEST_MINOR = 10

const CHOOSE_ANOTHER =
  'Choose another with option python or AMPHIS_PYTHON, or create the virtual environment again with another.'

function describe({ path, source }: Candidate): string {
  return `Python ${path} (from ${source})`
}

function isSupported([major, minor]: PythonVersion): boolean {
  return major === 3 && minor >= OLDEST_MINOR
}

function assertVersion(candidate: Candidate, version: PythonVersion): void {
  if (!isSupported(version)) {
    throw new AmphisError(
      'AMPHIS_ERR_PYTHON_VERSION',
      `${describe(candidate)} is version ${version.join('.')}, and amphis needs 3.${OLDEST_MINOR} or later. ` +
        CHOOSE_ANOTHER,
    )
  }
}

function assertImplementation(candidate: Candidate, { implementation, freeThreaded }: InterpreterFacts): void {
  if (implementation !== 'cpython') {
    throw new AmphisError(
      'AMPHIS_ERR_PYTHON_IMPLEMENTATION',
      `${describe(candidate)} is ${implementation}, and amphis runs on CPython only. ${CHOOSE_ANOTHER}`,
    )
  }
  if (freeThreaded) {
    throw new AmphisError(
      'AMPHIS_ERR_PYTHON_IMPLEMENTATION',
      `${describe(candidate)} is a free-threaded build, which amphis cannot load. ${CHOOSE_ANOTHER}`,
    )
  }
}

function assertArchitecture(candidate: Candidate, file: string): void {
  const architectures = readArchitectures(file)
  if (architectures !== undefined && !architectures.includes(process.arch)) {
    throw new AmphisError(
      'AMPHIS_ERR_PYTHON_ARCH',
      `${describe(candidate)} is built for ${architectures.join(' and ')} (${file}), but this Node.js is built for ` +
        `${process.arch}. Use a Python and a Node.js for the same architecture.`,
    )
  }
}

/** The versions that an environment has, or had, packages of. */
async function packageVersions(root: string): Promise<string[]> {
  try {
    const names = await readdir(join(root, 'lib'))
    return names.flatMap((name) => /^python(3\.\d+)$/.exec(name)?.[1] ?? []).toSorted()
  } catch {
    return []
  }
}

/** Packages are installed for one minor version of Python, and only that one can import them. */
async function assertEnvironment(
  { source }: Candidate,
  { root, config }: VirtualEnvironment,
  [major, minor]: PythonVersion,
): Promise<void> {
  const own = `${major}.${minor}`
  const made = config.version && `${config.version[0]}.${config.version[1]}`
  const packages = await packageVersions(root)
  if ((made === undefined || made === own) && (packages.length === 0 || packages.includes(own))) {
    return
  }
  const before = made === undefined || made === own ? packages.join(' and ') : made
  throw new AmphisError(
    'AMPHIS_ERR_VENV_MISMATCH',
    `The virtual environment ${root} (from ${source}) was made for Python ${before}, but its interpreter is Python ` +
      `${own}. Create it again with the Python you want and install the app's packages into it.`,
  )
}

/** The library, unless the only one there is closed to this user. */
async function findLibrary(candidate: Candidate, candidates: readonly string[]): Promise<string | undefined> {
  const libpython = await firstReadable(candidates)
  const closed = libpython === undefined ? candidates.find((path) => findDenial(path, constants.R_OK)) : undefined
  if (closed !== undefined) {
    const subject = `The shared library of ${describe(candidate)}`
    assertReadable(closed, 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND', subject, true)
  }
  return libpython
}

/**
 * What is in folders that may not be read does not exist for CPython, which then misses a module and not a permission.
 */
function assertPackages({ source }: Candidate, root: string, [major, minor]: PythonVersion): void {
  const folder = join(root, 'lib', `python${major}.${minor}`, 'site-packages')
  const subject = `The packages of the virtual environment ${root} (from ${source})`
  assertReadable(folder, 'AMPHIS_ERR_PYTHON_NOT_FOUND', subject)
}

/**
 * Tells what a virtual environment is from its files alone: to start a process would cost more than all the rest.
 * Gives no answer as soon as one sign contradicts another, for then the interpreter itself knows better.
 */
async function readInstallation(
  { path: executable, source }: Candidate,
  platform: NodeJS.Platform,
): Promise<PythonInstallation | undefined> {
  const venv = await findVirtualEnvironment(executable)
  if (venv === undefined) {
    return undefined
  }
  const { home, version, implementation = 'CPython' } = venv.config
  if (!home || !isAbsolute(home) || version === undefined || !isSupported(version) || implementation !== 'CPython') {
    return undefined
  }
  // PyPy and free-threaded builds differ in the names of the program and of the folder of packages, and so does an
  // interpreter that was replaced by another version.
  const name = `python${version[0]}.${version[1]}`
  const program = basename(await realpath(executable))
  if (!['python', 'python3', name].includes(program) || !(await isFolder(join(venv.root, 'lib', name)))) {
    return undefined
  }
  const clues: LibraryClues = { platform, version, basePrefix: dirname(home), multiarch: OWN_MULTIARCH }
  const libpython = await findLibrary({ path: executable, source }, libraryCandidates(clues))
  if (libpython === undefined) {
    return undefined
  }
  assertPackages({ path: executable, source }, venv.root, version)
  assertArchitecture({ path: executable, source }, libpython)
  return { executable, version, libpython, prefix: venv.root, source }
}

/** Asks the interpreter what it is. */
async function askInstallation(asked: Candidate, context: Context): Promise<PythonInstallation> {
  const { appDir, env, platform, timeout } = context
  assertArchitecture(asked, asked.path)
  // Seldom needed, and it brings node:child_process along.
  const { probeInterpreter } = await import('./probe.js')
  // In the app's folder, where the shims of pyenv, asdf and mise choose the version that the app asks for.
  const cwd = (await isFolder(appDir)) ? appDir : undefined
  const facts = await probeInterpreter(asked.path, { subject: describe(asked), env, cwd, timeout })
  // The interpreter behind a shim is another file, and may be in a virtual environment.
  const candidate = { ...asked, path: facts.executable || asked.path }
  assertImplementation(candidate, facts)
  assertVersion(candidate, facts.version)
  const venv = await findVirtualEnvironment(candidate.path)
  if (venv !== undefined) {
    assertPackages(candidate, venv.root, facts.version)
    await assertEnvironment(candidate, venv, facts.version)
  }
  const clues: LibraryClues = { ...facts, platform }
  const candidates = libraryCandidates(clues)
  const libpython = await findLibrary(candidate, candidates)
  if (libpython === undefined) {
    const folders = new Set(candidates.map((path) => dirname(path)))
    throw new AmphisError(
      'AMPHIS_ERR_LIBPYTHON_NOT_FOUND',
      `${describe(candidate)} has no shared library: there is no ${basename(candidates[0] ?? 'libpython')} in ` +
        `${[...folders].join(', ')}. ${await libraryRemedy(clues)}`,
    )
  }
  assertArchitecture(candidate, libpython)
  return {
    executable: candidate.path,
    version: facts.version,
    libpython,
    prefix: venv?.root ?? facts.basePrefix,
    source: candidate.source,
  }
}

/**
 * Finds the Python that runs the app. The first of these that is there decides:
 *
 * 1. option `python`
 * 2. `AMPHIS_PYTHON`
 * 3. `VIRTUAL_ENV`: an activated virtual environment
 * 4. `.venv` or `venv` in the app's folder or a folder above it
 * 5. `UV_PROJECT_ENVIRONMENT`
 * 6. `CONDA_PREFIX`: an activated conda environment, if it has Python
 * 7. `python3`, else `python`, on `PATH`
 *
 * When that one is broken, the error names it; it is never passed over for the next. A virtual environment is known
 * from its files; a process is started only where they do not tell enough.
 *
 * @throws {AmphisError} `AMPHIS_ERR_PYTHON_NOT_FOUND`, `AMPHIS_ERR_PYTHON_VERSION`,
 *   `AMPHIS_ERR_PYTHON_IMPLEMENTATION`, `AMPHIS_ERR_PYTHON_ARCH`, `AMPHIS_ERR_LIBPYTHON_NOT_FOUND`,
 *   `AMPHIS_ERR_VENV_MISMATCH`, `AMPHIS_ERR_PYTHON_START`; `AMPHIS_ERR_BINDING` on Windows
 */
export async function discoverPython(options: DiscoverOptions): Promise<PythonInstallation> {
  const { python, appDir, env = process.env, platform = process.platform, timeout } = options
  assertPlatform(platform)
  try {
    const interpreter = await locateInterpreter({ python, appDir, env })
    return (
      (await readInstallation(interpreter, platform)) ??
      (await askInstallation(interpreter, { appDir, env, platform, timeout }))
    )
  } catch (error) {
    throw withPermissions(error)
  }
}
