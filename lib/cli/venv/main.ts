import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ServeError } from '../errors/serve-error.js'
import { readArguments } from '../options/arguments.js'
import { prepareEnvironment } from './environment.js'
import { shown } from '../text/shown.js'
import { installRequirements } from './requirements.js'
import { installStubs } from './stubs.js'
import { contentsOf } from './summary.js'

const USAGE = `\
Usage: amphis venv [FOLDER] [options]

Makes the virtual environment .venv in FOLDER (the current one) and installs requirements.txt into it. What is there
already is left as it is, so it can stand before each start: "dev": "amphis venv && amphis main:app --reload".
An environment that AMPHIS_PYTHON or VIRTUAL_ENV names takes the place of .venv, as it does when the app is served.
Editors and type checkers find the types of the Python package amphis in it.

  -r, --requirements FILE   what to install [requirements.txt]
      --python PATH         interpreter to make .venv from, such as python3.12 (default: the nearest)
  -h, --help                this help`

/**
 * `amphis venv`: an environment with all that an app needs, as quick as nothing where it is there.
 *
 * @param args what follows `venv`
 * @returns the exit code
 * @throws {UsageError} when they are not understood
 * @throws {ServeError | AmphisError} what kept it from being made, with the remedy
 */
export async function venv(args: string[]): Promise<number> {
  const { operand, values } = readArguments('amphis venv', args, {
    requirements: { short: 'r', placeholder: 'FILE' },
    python: { placeholder: 'PATH' },
    help: { short: 'h' },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  const folder = resolve(operand ?? '.')
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new ServeError(`There is no folder ${operand}. Name the folder of the app.`)
  }
  const asked = values.requirements as string | undefined
  const begin = performance.now()
  const environment = await prepareEnvironment(folder, values.python as string | undefined)
  await installStubs(environment)
  const file = resolve(folder, asked ?? 'requirements.txt')
  const installation = await installRequirements(environment, file, asked !== undefined)
  if (installation === 'manual') return 0
  const contents = await contentsOf(environment)
  if (environment.isNew || installation === 'installed') {
    const seconds = ((performance.now() - begin) / 1000).toFixed(1)
    console.log(`${environment.called} is ready after ${seconds} s: ${contents}`)
  } else {
    const requirements = installation === 'absent' ? `there is no ${shown(file)}` : `${shown(file)} is installed`
    console.log(`${environment.called}: nothing to do, ${requirements}; ${contents}`)
  }
  return 0
}
