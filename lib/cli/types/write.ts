// One module: described by Python, written down for TypeScript.
import { readFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { PythonError } from '../../base/errors.js'
import { runDescriber } from '../../modules/describer.js'
import { LocationError, locateModule, type ModuleLocation } from '../../modules/location.js'
import { discoverPython } from '../../python/discover.js'
import { fileProblem } from '../errors/file-problem.js'
import { ServeError } from '../errors/serve-error.js'
import { writeText } from '../files/write-text.js'
import { shown } from '../text/shown.js'
import { declarationsOf } from './declarations.js'
import type { Failure, ModuleDescription } from './description.js'
import type { IntType } from './types.js'

export interface TypesSettings {
  int: IntType
  /** The folder of the declarations; undefined: each beside its module. */
  out: string | undefined
  appDir: string | undefined
  python: string | undefined
}

/**
 * Writes the declarations of a module, unless they are there already.
 *
 * @returns what was done, for the user
 * @throws {ServeError} when the file cannot be read or written, or is no module
 * @throws {PythonError} when the module cannot be imported
 * @throws {AmphisError} when there is no Python
 */
export async function writeDeclarations(file: string, settings: TypesSettings): Promise<string> {
  await readFile(file).catch((error: unknown) => {
    throw new ServeError(fileProblem(shown(resolve(file)), error))
  })
  const location = locate(file, settings.appDir)
  const text = declarationsOf(await describe(location, settings.python), basename(file), settings.int)
  return writeText(targetOf(location, settings.out), text)
}

function locate(file: string, appDir: string | undefined): ModuleLocation {
  try {
    return locateModule(file, appDir)
  } catch (error) {
    if (!(error instanceof LocationError)) throw error
    throw new ServeError(`${error.message} Rename it, or name the folder to import it from with --app-dir.`)
  }
}

function targetOf({ file, appDir }: ModuleLocation, out: string | undefined): string {
  const beside = file.replace(/\.py$/, '.d.py.ts')
  return out === undefined ? beside : join(resolve(out), relative(appDir, beside))
}

async function describe(
  { file, appDir, name }: ModuleLocation,
  python: string | undefined,
): Promise<ModuleDescription> {
  const { executable } = await discoverPython({ appDir, python })
  const answer = await runDescriber<ModuleDescription | Failure>({ executable, cwd: process.cwd() }, [
    'types',
    file,
    appDir,
    name,
  ])
  if ('ended' in answer) {
    throw new ServeError(`${shown(file)} has ended Python (${answer.ended}) while it was imported.`)
  }
  const { description } = answer
  if ('importError' in description) {
    const { type, traceback } = description.importError
    throw new PythonError({
      code: 'AMPHIS_ERR_APP_IMPORT',
      type,
      message: `${shown(file)} cannot be imported, so it has no types.`,
      traceback,
    })
  }
  if ('otherModule' in description) {
    throw new ServeError(
      `${shown(file)} is not what \`import ${name}\` gives in ${shown(appDir)}, but ${description.otherModule}. ` +
        'Rename the file, or name the folder to import it from with --app-dir.',
    )
  }
  return description
}
