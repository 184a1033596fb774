// Imports modules of JavaScript for Python.
import { isAbsolute, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { types } from 'node:util'
import { constants, Script } from 'node:vm'
import { isClass } from './objects.js'

type Import = (specifier: string, options?: ImportCallOptions) => Promise<object>

// Of each folder that was imported from.
const imports = new Map<string, Import>()

/** `import()` as a module in that folder would see it: what its packages are, and which conditions they are asked by. */
function importOf(folder: string): Import {
  let known = imports.get(folder)
  if (known === undefined) {
    const script = new Script('(specifier, options) => import(specifier, options)', {
      filename: pathToFileURL(join(folder, 'amphis-import.mjs')).href,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    })
    const imported = script.runInThisContext() as Import
    known = (specifier) => unwarned(() => imported(specifier, attributesOf(specifier)))
    imports.set(folder, known)
  }
  return known
}

/** What Node.js wants to be told of data, so that nobody gets code for it. */
function attributesOf(specifier: string): ImportCallOptions | undefined {
  return /\.json(?:[?#]|$)/.test(specifier) ? { with: { type: 'json' } } : undefined
}

/** Up to Node.js 24 that constant is experimental, which is no news to whoever calls JavaScript from Python. */
function unwarned<T>(run: () => T): T {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return run()
  } finally {
    process.emitWarning = emitWarning
  }
}

/**
 * Imports a module.
 *
 * @param base the folder of the file that asks; empty where it has none
 * @param appDir where packages are seen from
 */
export async function importModule(specifier: string, base: string, appDir: string): Promise<object> {
  if (specifier.startsWith('./') || specifier.startsWith('../')) {
    return importOf(base || appDir)(specifier)
  }
  return importOf(appDir)(isAbsolute(specifier) ? pathToFileURL(specifier).href : specifier)
}

/**
 * What a namespace has by a name. What a CommonJS module exports is its `default`, of which Node.js finds the names only
 * where the source shows them.
 */
export function exportOf(namespace: object, name: string): unknown {
  const names = namespace as Record<string, unknown>
  const found = names[name]
  if (found !== undefined || Object.hasOwn(names, name)) {
    return found
  }
  const { default: whole } = names
  return isHolder(whole) ? (whole as Record<string, unknown>)[name] : undefined
}

/** All names of a namespace, and whether what they stand for can be called. */
export function namesOf(namespace: object): Record<string, boolean> {
  const { default: whole } = namespace as { default?: unknown }
  const names: Record<string, boolean> = {}
  for (const each of isHolder(whole) ? [...Object.keys(whole), ...Object.keys(namespace)] : Object.keys(namespace)) {
    Object.defineProperty(names, each, {
      value: isCallable(namespace, each),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return names
}

function isHolder(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function isCallable(namespace: object, name: string): boolean {
  try {
    return typeof exportOf(namespace, name) === 'function'
  } catch {
    // Not initialised yet, in a circle of imports.
    return false
  }
}

/** A member of an object, to stand alone: a method is bound to it. */
export function memberOf(object: object, name: string): unknown {
  if (types.isModuleNamespaceObject(object)) {
    return exportOf(object, name)
  }
  const member = (object as Record<string, unknown>)[name]
  return typeof member === 'function' && !isClass(member) ? (member.bind(object) as unknown) : member
}
