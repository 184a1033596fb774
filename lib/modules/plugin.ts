// What the plugins of bundlers have in common.
import { relative, resolve, sep } from 'node:path'
import { LocationError, locateModule } from './location.js'
import { namesOf } from './names.js'
import { moduleSource } from './source.js'

/** Options of the plugins. */
export interface PythonModulesOptions {
  /**
   * Folder that the modules are imported from: it stands on `sys.path`.
   *
   * @default of each module the first folder, going up, that is no package (has no `__init__.py`)
   */
  appDir?: string | undefined
  /**
   * The interpreter or virtual environment whose Python reads the files, while it is built.
   *
   * @default the Python that would run them
   */
  python?: string | undefined
}

/** Files of Python, by their names. */
export const PYTHON_FILE = /\.py$/

/** What stays out of each bundle: it finds its addon beside its own files. */
export const AMPHIS = /^amphis(?:\/|$)/

/** The name of the file that is running, in a module of either kind. */
export type Here = 'import.meta.url' | '__filename'

/**
 * The source that stands for a file of Python in a bundle.
 *
 * @param root of the project: what is built finds the file by its path from there
 * @throws {AmphisError} when the file cannot be read by Python, or is no module
 */
export async function bundledSource(
  file: string,
  root: string,
  { appDir, python }: PythonModulesOptions,
  here: Here,
): Promise<string> {
  const folder = appDir === undefined ? undefined : resolve(root, appDir)
  // Now, where somebody reads what is wrong with it.
  locateModule(file, folder)
  const bundled = { path: fromRoot(root, file), ...(folder !== undefined && { appDir: fromRoot(root, folder) || '.' }) }
  return moduleSource(await namesOf(file, python), 'amphis/modules', `${here}, ${JSON.stringify(bundled)}`)
}

function fromRoot(root: string, path: string): string {
  const way = relative(root, path)
  if (way.startsWith('..')) throw new LocationError(`${path} is outside of the project ${root}.`)
  return way.split(sep).join('/')
}
