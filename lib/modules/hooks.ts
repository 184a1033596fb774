// Node's module hooks for files of Python: asynchronous ones for Node 20, in a thread of Node's own, and synchronous ones.
import { readdirSync, readFileSync, writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { nearest } from '../base/nearest.js'
import { packageRoot } from '../package-root.js'
import { whyLeftOut } from './export-names.js'
import type { Name } from './name.js'
import { namesOf, namesOfSync } from './names.js'
import { moduleSource } from './source.js'

interface Loaded {
  format: 'module'
  source: string
  shortCircuit: true
}

interface Context {
  parentURL?: string | undefined
}

type Next<Result> = (specifier: string, context?: Context) => Result

const MODULES = new URL('dist/modules.js', packageRoot).href

/** For `module.register`. */
export async function resolve(specifier: string, context: Context, next: Next<Promise<Resolved>>): Promise<Resolved> {
  try {
    const found = await next(specifier, context)
    const file = pythonFile(found.url)
    if (file !== undefined) remarkMissing(specifier, context, file, await namesOf(file))
    return found
  } catch (error) {
    throw withNearest(specifier, error)
  }
}

export async function load(url: string, context: Context, next: Next<Promise<unknown>>): Promise<unknown> {
  const file = pythonFile(url)
  return file === undefined ? next(url, context) : standIn(url, await namesOf(file))
}

interface Resolved {
  url: string
}

/** For `module.registerHooks`. */
export const synchronous = {
  resolve(specifier: string, context: Context, next: Next<Resolved>): Resolved {
    try {
      const found = next(specifier, context)
      const file = pythonFile(found.url)
      if (file !== undefined) remarkMissing(specifier, context, file, namesOfSync(file))
      return found
    } catch (error) {
      throw withNearest(specifier, error)
    }
  },
  load(url: string, context: Context, next: Next<unknown>): unknown {
    const file = pythonFile(url)
    return file === undefined ? next(url, context) : standIn(url, namesOfSync(file))
  },
}

interface CommonJsModule {
  _compile(source: string, filename: string): unknown
}

/** For `require()` where the hooks are not asked: Node 20. */
export function requirePython(module: CommonJsModule, file: string): void {
  const located = JSON.stringify(pathToFileURL(file).href)
  module._compile(moduleSource(namesOfSync(file), fileURLToPath(MODULES), located, 'commonjs'), file)
}

function standIn(url: string, names: readonly Name[]): Loaded {
  const source = moduleSource(names, MODULES, JSON.stringify(url))
  return { format: 'module', source, shortCircuit: true }
}

function pythonFile(url: string): string | undefined {
  if (!url.startsWith('file:')) return undefined
  const { pathname } = new URL(url)
  return pathname.endsWith('.py') ? fileURLToPath(new URL(pathname, url)) : undefined
}

/** Of a file that is not there: which one was probably meant. */
function withNearest(specifier: string, error: unknown): unknown {
  if (!(error instanceof Error) || !specifier.endsWith('.py')) return error
  const { code, url } = error as NodeJS.ErrnoException & { url?: string }
  if (code !== 'ERR_MODULE_NOT_FOUND' || url?.startsWith('file:') !== true) return error
  const file = fileURLToPath(url)
  let names: string[]
  try {
    names = readdirSync(dirname(file)).filter((name) => name.endsWith('.py'))
  } catch {
    return error
  }
  const close = nearest(basename(file), names)
  if (close !== undefined) error.message += `. Did you mean ${specifier.slice(0, -basename(file).length)}${close}?`
  return error
}

const remarked = new Set<string>()

/**
 * Says which name was probably meant where one is imported that is not there: V8's own error, which comes next, cannot.
 * The importing source is only looked at, so it is not an error here.
 */
function remarkMissing(specifier: string, { parentURL }: Context, file: string, names: readonly Name[]): void {
  if (parentURL?.startsWith('file:') !== true) return
  for (const name of importedNames(parentURL, specifier)) {
    const found = names.find((each) => each.name === name)
    const key = `${parentURL} ${file} ${name}`
    const isThere = name === 'default' || (found !== undefined && found.kind !== 'constant' && found.kind !== 'type')
    if (isThere || remarked.has(key)) continue
    remarked.add(key)
    // At once: the process ends with that error before it would show a warning of its own.
    writeSync(2, `warning: ${basename(fileURLToPath(parentURL))}: ${explanation(name, found, file, names)}\n`)
  }
}

function explanation(name: string, found: Name | undefined, file: string, names: readonly Name[]): string {
  const begin = `${basename(file)} does not export ${name}`
  if (found !== undefined) {
    return `${begin}: it is no function and no literal. Its value is had by python.import() of a Python of 'amphis'.`
  }
  const known = names.map((each) => each.name).filter((each) => whyLeftOut(each) === undefined)
  const close = nearest(name, known)
  if (close !== undefined) return `${begin}. Did you mean ${close}?`
  return `${begin}. It exports ${known.length === 0 ? 'nothing' : known.join(', ')}.`
}

/** The names in `import { … } from 'specifier'`, at the beginning of a line. */
function importedNames(parentURL: string, specifier: string): string[] {
  let source: string
  try {
    source = readFileSync(new URL(parentURL), 'utf8')
  } catch {
    return []
  }
  const quoted = specifier.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
  const statement = new RegExp(String.raw`^\s*(?:import|export)\s[^'"{]*\{([^}]*)\}\s*from\s*['"]${quoted}['"]`, 'gm')
  return Array.from(source.matchAll(statement), ([, list = '']) => list)
    .flatMap((list) => list.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, '').split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '' && !entry.startsWith('type '))
    .map((entry) => entry.split(/\s/)[0] ?? '')
}
