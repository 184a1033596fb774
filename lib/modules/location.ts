// Where a file of Python stands: the folder that its module is imported from, and the name that it has there.
import { existsSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'

/** A file as a Python module. */
export interface ModuleLocation {
  /** The file, absolute. */
  file: string
  /** The folder that stands on `sys.path`. */
  appDir: string
  /** The dotted name below that folder. */
  name: string
}

/** Why a file is no module of a folder. */
export class LocationError extends Error {}

/**
 * Finds what a file is called as a module.
 *
 * @param asked the folder to import it from; by default the first one, going up, that is no package (has no
 *   `__init__.py`)
 * @throws {LocationError} where no module of that folder can have this file
 */
export function locateModule(path: string, asked?: string): ModuleLocation {
  const file = resolve(path)
  const appDir = asked === undefined ? folderAbovePackages(dirname(file)) : resolve(asked)
  const parts = relative(appDir, file).split(sep)
  if (parts[0] === '..') throw new LocationError(`${file} is not below the folder ${appDir}.`)
  const last = basename(parts.pop() ?? '', '.py')
  // A package is called as its folder.
  const names = last === '__init__' ? parts : [...parts, last]
  const odd = names.find((name) => !/^[\p{ID_Start}_][\p{ID_Continue}_]*$/u.test(name))
  if (odd !== undefined) throw new LocationError(`${file} cannot be imported: ${odd} is no name of Python's.`)
  if (names.length === 0) throw new LocationError(`${file} is the package ${appDir} itself.`)
  return { file, appDir, name: names.join('.') }
}

function folderAbovePackages(folder: string): string {
  let at = folder
  while (existsSync(join(at, '__init__.py')) && dirname(at) !== at) at = dirname(at)
  return at
}
