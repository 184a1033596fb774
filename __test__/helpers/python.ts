import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { PythonHandler, type Versions } from '../../index.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** The folder of the fixture apps. */
export const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url))

/** The Python the suite runs on; the matrix sets it to every one there is. */
export const python = resolve(repository, process.env.AMPHIS_TEST_PYTHON ?? '.venv')

/** Its interpreter, to run scripts with. */
export const interpreter = statSync(python).isDirectory() ? join(python, 'bin', 'python') : python

export type HandlerOptions = Exclude<ConstructorParameters<typeof PythonHandler>[0], string>
export type Loop = NonNullable<HandlerOptions['loop']>
export type Logger = NonNullable<HandlerOptions['logger']>

/** The event loop the suite runs on; the matrix sets it to each. */
export const loop = (process.env.AMPHIS_TEST_LOOP ?? 'auto') as Loop

/** A target of the fixtures folder with what every test handler has in common. */
export function testOptions(options: string | HandlerOptions): HandlerOptions {
  const own = typeof options === 'string' ? { app: options } : options
  return { appDir: fixtures, python, loop, lifespan: 'off', ...own }
}

/** Apps that do not start, for hosts to answer in their own way: what it is, options, the code of the error. */
export const DO_NOT_START: readonly (readonly [string, HandlerOptions, string])[] = [
  ['an app that is not there', { app: 'nowhere_to_be_found:app' }, 'AMPHIS_ERR_APP_NOT_FOUND'],
  ['an app that cannot be imported', { app: 'raises_on_import:app' }, 'AMPHIS_ERR_APP_IMPORT'],
  ['a startup that fails', { app: 'lifespans:raises_in_startup', lifespan: 'on' }, 'AMPHIS_ERR_LIFESPAN_FAILED'],
]

/** A handler that is closed when its test ends. */
export function createHandler(t: ExecutionContext, options: string | HandlerOptions): PythonHandler {
  const handler = new PythonHandler(testOptions(options))
  t.teardown(() => close(handler))
  return handler
}

/** A handler that all tests of a file share and that is closed when they are done. */
export function shareHandler(options: string | HandlerOptions): PythonHandler {
  const handler = new PythonHandler(testOptions(options))
  test.after.always(() => close(handler))
  return handler
}

/** What a handler runs on. */
export async function versionsOf(handler: PythonHandler): Promise<Versions> {
  const { versions } = await handler.ready()
  if (!versions) throw new Error('a handler that is ready knows no versions')
  return versions
}

/** Whether closing succeeds is for the tests of closing to say. */
async function close(handler: PythonHandler): Promise<void> {
  await handler.close().catch(() => {})
}
