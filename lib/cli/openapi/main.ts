// `amphis openapi`: the OpenAPI document of an app, and TypeScript's types of it.
import { resolve } from 'node:path'
import { isAppTarget } from '../../base/app-target.js'
import { UsageError } from '../errors/usage-error.js'
import { readArguments } from '../options/arguments.js'
import { documentOf } from './document.js'
import { typesOf } from './types.js'
import { writeText } from '../files/write-text.js'

const USAGE = `\
Usage: amphis openapi APP [options]

Writes the OpenAPI document of an app, as the app itself makes it: FastAPI, Litestar, and what has a method openapi().
The app is imported for it, by the Python that would serve it; no server starts, and no lifespan.

  -o, --output FILE    write it into this file (default: to standard output)
      --types FILE     write TypeScript's types of it, by the package openapi-typescript of your project
      --factory        APP is a function that makes the app
      --app-dir DIR    folder that the app is imported from (default: the working directory)
      --python PATH    interpreter or virtual environment (default: the nearest)
  -h, --help           this help`

/**
 * `amphis openapi`.
 *
 * @param args what follows `openapi`
 * @returns the exit code
 * @throws {UsageError} when they are not understood
 * @throws {ServeError} when there is no document, or a file cannot be written
 * @throws {AmphisError} when there is no Python, or the app cannot be imported
 */
export async function openapi(args: string[]): Promise<number> {
  const { operands, values } = readArguments(
    'amphis openapi',
    args,
    {
      output: { short: 'o', placeholder: 'FILE' },
      types: { placeholder: 'FILE' },
      factory: {},
      'app-dir': { placeholder: 'DIR' },
      python: { placeholder: 'PATH' },
      help: { short: 'h' },
    },
    'files',
  )
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const [app, ...others] = operands
  if (app === undefined || others.length > 0 || !isAppTarget(app)) {
    const given = app === undefined ? '' : `, not ${operands.join(' ')}`
    throw new UsageError(`\`amphis openapi\` takes one app as module:attribute: amphis openapi main:app${given}.`)
  }
  const { output, types, python } = values as Partial<Record<'output' | 'types' | 'python', string>>
  const appDir = resolve((values['app-dir'] as string | undefined) ?? '')
  const text = await documentOf(app, { appDir, python, factory: values.factory === true })
  // Before anything is written: both are of one state, or neither is.
  const declarations = types === undefined ? undefined : await typesOf(text)
  if (output !== undefined) console.log(await writeText(output, `${text}\n`))
  if (types !== undefined && declarations !== undefined) console.log(await writeText(types, declarations))
  if (output === undefined && types === undefined) console.log(text)
  return 0
}
