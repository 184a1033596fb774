// Reads `amphis.config.js` and the key `amphis` of package.json.
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { upwards } from '../../python/file-system.js'
import { fileProblem } from '../errors/file-problem.js'
import { UsageError } from '../errors/usage-error.js'
import { nearest } from '../../base/nearest.js'
import { APP, type Given, isSetting, keyOf, OPTIONS, type OptionSpec } from './table.js'
import { type OptionValue, readConfigured } from './value.js'

const NAMES = ['amphis.config.js', 'amphis.config.mjs', 'amphis.config.ts']

/** Where files of configuration for a folder are looked for. */
export function configFiles(folder: string): string[] {
  const manifest = nearestPackage(folder)
  return [...NAMES.map((name) => join(folder, name)), ...(manifest === undefined ? [] : [manifest])]
}

/** What the files of a project say. */
export interface GivenByFile extends Given {
  /** The folder of the file. */
  folder: string
}

/**
 * What `amphis.config.{js,mjs,ts}` of a folder says, and after it what the key `amphis` of the nearest `package.json`
 * says, in the folder or above it.
 *
 * @throws {UsageError} at the first mistake, in one line that names the file and the key
 */
export async function readConfigFiles(folder: string): Promise<GivenByFile[]> {
  return [await readModule(folder), readPackage(folder)].filter((given) => given !== undefined)
}

async function readModule(folder: string): Promise<GivenByFile | undefined> {
  const paths = NAMES.map((name) => join(folder, name)).filter((path) => existsSync(path))
  const [path] = paths
  if (path === undefined) return undefined
  if (paths.length > 1) {
    throw new UsageError(
      `There are ${paths.map((one) => basename(one)).join(' and ')} in ${folder}. Remove all but one.`,
    )
  }
  return read(path, await exported(path))
}

/** What a module of configuration exports, or the function that it exports returns. */
async function exported(path: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { default?: unknown }
    return await (typeof module.default === 'function' ? (module.default as () => unknown)() : module.default)
  } catch (error) {
    throw new UsageError(await failure(path, error), { cause: error })
  }
}

async function failure(path: string, error: unknown): Promise<string> {
  const isError = error instanceof Error
  if (isError && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION' && path.endsWith('.ts')) {
    return `The file ${path} is in TypeScript, which Node.js ${process.versions.node} does not run. Rename it to amphis.config.mjs and leave out the types, or use Node.js 22.18 or later.`
  }
  // A message of Node's may go on with hints.
  const [message = ''] = (isError ? error.message : String(error)).split('\n')
  const what = message.replace(/\.$/, '')
  if (error instanceof SyntaxError) {
    const line = await syntaxErrorLine(path)
    return line === undefined
      ? `The file ${path}, or one that it imports, has a syntax error: ${what}. Correct it.`
      : `The file ${path} has a syntax error in line ${line}: ${what}. Correct it.`
  }
  const line = isError ? lineOf(path, error.stack) : undefined
  return `The file ${path} failed${line === undefined ? '' : ` in line ${line}`}: ${what}. Correct it.`
}

/** Node keeps the place of a syntax error in a module to itself, and tells it only when it checks the file alone. */
async function syntaxErrorLine(path: string): Promise<string | undefined> {
  const { spawnSync } = await import('node:child_process')
  const { stderr } = spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', env: {} })
  return /^.*:(\d+)\n/.exec(stderr)?.[1]
}

/** The line of a file in which an error came up. */
function lineOf(path: string, stack = ''): string | undefined {
  for (const place of [pathToFileURL(path).href, path]) {
    const at = stack.indexOf(`${place}:`)
    if (at !== -1) return /^\d+/.exec(stack.slice(at + place.length + 1))?.[0]
  }
  return undefined
}

function nearestPackage(folder: string): string | undefined {
  return Array.from(upwards(folder), (one) => join(one, 'package.json')).find((one) => existsSync(one))
}

function readPackage(folder: string): GivenByFile | undefined {
  const path = nearestPackage(folder)
  if (path === undefined) return undefined
  let manifest: unknown
  try {
    manifest = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const problem =
      error instanceof SyntaxError ? `The file ${path} is not JSON (${error.message}).` : fileProblem(path, error)
    throw new UsageError(`${problem} Correct it.`, { cause: error })
  }
  const given = (manifest as { amphis?: unknown } | null)?.amphis
  return given === undefined ? undefined : read(path, given, 'The key amphis of ')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Checks what a file says, key by key. */
function read(path: string, given: unknown, within = ''): GivenByFile {
  if (!isObject(given)) {
    throw new UsageError(
      within === ''
        ? `The file ${path} does not export an object. Write: export default { app: 'main:app' }`
        : `${within}${path} is not an object. Write: "amphis": { "app": "main:app" }`,
    )
  }
  const folder = dirname(path)
  const specs = new Map(
    Object.entries(OPTIONS)
      .filter(([, spec]) => isSetting(spec))
      .map(([name, spec]) => [keyOf(name), { name, spec }]),
  )
  const values: Record<string, OptionValue> = {}
  for (const [key, value] of Object.entries(given)) {
    if (key === 'app') continue
    const option = specs.get(key)
    if (option === undefined) {
      const close = nearest(key, ['app', ...specs.keys()])
      const remedy = close === undefined ? 'Remove it; `amphis --help` shows the options.' : `Did you mean ${close}?`
      throw new UsageError(`The key ${key} of ${path} is no option. ${remedy}`)
    }
    if (value === undefined) continue
    const { name, spec } = option
    values[name] = located(folder, spec, readConfigured(`The key ${key} of ${path}`, spec, value))
  }
  const app = given.app === undefined ? undefined : String(readConfigured(`The key app of ${path}`, APP, given.app))
  // Every value was made as its spec says.
  return { folder, app, options: values }
}

/** A value of a file: its paths are relative to the file. */
function located(folder: string, { type }: OptionSpec, value: OptionValue): OptionValue {
  if (type !== 'path' && type !== 'program') return value
  const locate = (path: string): string => {
    const isProgram =
      type === 'program' && (path.startsWith('~') || !(path.includes('/') || existsSync(join(folder, path))))
    return isProgram ? path : resolve(folder, path)
  }
  return typeof value === 'string' ? locate(value) : (value as readonly string[]).map(locate)
}
