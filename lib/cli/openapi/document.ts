// The document, made by the app in a Python of its own.
import { PythonError } from '../../base/errors.js'
import { runDescriber } from '../../modules/describer.js'
import { discoverPython } from '../../python/discover.js'
import { ServeError } from '../errors/serve-error.js'

type Described =
  | { text: string }
  /** The kind of an app that has none. */
  | { without: string }
  | { raised: { type: string; message: string; traceback: string } }

export interface DocumentSettings {
  appDir: string
  python: string | undefined
  factory: boolean
}

/**
 * @throws {ServeError} when the app has no document
 * @throws {PythonError} when it cannot be imported, or raises
 * @throws {AmphisError} when there is no Python
 */
export async function documentOf(app: string, { appDir, python, factory }: DocumentSettings): Promise<string> {
  const { executable } = await discoverPython({ appDir, python })
  const settings = { executable, cwd: process.cwd() }
  const answer = await runDescriber<Described>(settings, ['openapi', appDir, app, factory ? 'factory' : ''])
  if ('ended' in answer) throw new ServeError(`${app} has ended Python (${answer.ended}) while it was imported.`)
  const { description } = answer
  if ('text' in description) return description.text
  if ('without' in description) {
    throw new ServeError(
      `${app} has no OpenAPI document: it is ${description.without}, without a method openapi(). ` +
        'Name the app itself and not what is around it; where a function makes the app, give --factory.',
    )
  }
  const { type, message, traceback } = description.raised
  throw new PythonError({
    code: 'AMPHIS_ERR_APP_IMPORT',
    type,
    message: `${app} has raised ${type}: ${message}`,
    traceback,
  })
}
