import { copyFile, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { AmphisError, fromDescription, PythonError } from '../lib/base/errors.js'
import { temporaryFolder } from './helpers/fake-python.js'

const traceback = `Traceback (most recent call last):
  File "/srv/app/main.py", line 7, in app
    raise ValueError("no such item")
ValueError: no such item
`

function raised(): PythonError {
  return new PythonError({ type: 'ValueError', message: 'no such item', traceback })
}

test('an AmphisError has a code, a name, a message and a cause', (t) => {
  const cause = new Error('below')
  const error = new AmphisError('AMPHIS_ERR_CLOSED', 'The handler is closed.', { cause })
  t.true(error instanceof Error)
  t.is(error.code, 'AMPHIS_ERR_CLOSED')
  t.is(error.name, 'AmphisError')
  t.is(error.message, 'The handler is closed.')
  t.is(error.cause, cause)
  t.regex(error.stack ?? '', /^AmphisError: The handler is closed\.\n {4}at /)
  t.false('cause' in new AmphisError('AMPHIS_ERR_CLOSED', 'The handler is closed.'))
})

test('a PythonError is an AmphisError with the type, message and traceback of the exception', (t) => {
  const error = raised()
  t.true(error instanceof AmphisError)
  t.is(error.code, 'AMPHIS_ERR_PYTHON')
  t.is(error.name, 'PythonError')
  t.is(error.type, 'ValueError')
  t.is(error.message, 'no such item')
  t.is(error.traceback, traceback)
})

test("shows Python's traceback in the stack, once", (t) => {
  const error = raised()
  t.true(error.stack?.startsWith(`PythonError: no such item\n\n${traceback.trimEnd()}\n    at `))
  const printed = inspect(error)
  t.is(printed.split('line 7, in app').length, 2, printed)
})

test('shows the type where there is no traceback', (t) => {
  const bare = new PythonError({ type: 'pkg.MyError', message: 'gone', traceback: '' })
  t.true(bare.stack?.startsWith('PythonError: gone\n\npkg.MyError: gone\n    at '))
  const silent = new PythonError({ type: 'KeyboardInterrupt', message: '', traceback: '' })
  t.true(silent.stack?.startsWith('PythonError\n\nKeyboardInterrupt\n    at '))
})

test('tells the two classes apart, and both from every other error', (t) => {
  const error = new AmphisError('AMPHIS_ERR_CLOSED', 'The handler is closed.')
  t.false(error instanceof PythonError)
  t.false(new Error('other') instanceof AmphisError)
  for (const value of [null, undefined, 'AmphisError', { code: 'AMPHIS_ERR_CLOSED' }]) {
    t.false((value as unknown) instanceof AmphisError)
  }
  class Derived extends AmphisError {}
  t.false(error instanceof Derived)
  t.true(new Derived('AMPHIS_ERR_CLOSED', 'closed') instanceof Derived)
  t.true(new Derived('AMPHIS_ERR_CLOSED', 'closed') instanceof AmphisError)
})

test('knows the errors of another copy of this package', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'errors.mts')
  // The TypeScript loader adds imports of its own.
  await symlink(fileURLToPath(new URL('../node_modules', import.meta.url)), join(folder, 'node_modules'))
  await copyFile(new URL('../lib/base/errors.ts', import.meta.url), path)
  const copy = (await import(pathToFileURL(path).href)) as {
    AmphisError: typeof AmphisError
    PythonError: typeof PythonError
  }
  t.not(copy.AmphisError, AmphisError)
  t.true(new copy.AmphisError('AMPHIS_ERR_CLOSED', 'closed') instanceof AmphisError)
  t.true(raised() instanceof copy.PythonError)
  t.false(new copy.AmphisError('AMPHIS_ERR_CLOSED', 'closed') instanceof PythonError)
})

test('is not taken in by a class of another realm', (t) => {
  t.false((runInNewContext('new Error("other")') as unknown) instanceof AmphisError)
})

test('builds the right class from what the native side describes', (t) => {
  const python = fromDescription({ type: 'ValueError', message: 'no such item', traceback })
  t.true(python instanceof PythonError)
  t.is(python.code, 'AMPHIS_ERR_PYTHON')

  const startup = fromDescription({ code: 'AMPHIS_ERR_APP_IMPORT', type: 'ImportError', message: 'no x', traceback })
  t.true(startup instanceof PythonError)
  t.is(startup.code, 'AMPHIS_ERR_APP_IMPORT')

  const own = fromDescription({ code: 'AMPHIS_ERR_CLOSED', type: null, message: 'closed', traceback: null })
  t.false(own instanceof PythonError)
  t.is(own.code, 'AMPHIS_ERR_CLOSED')

  const least = fromDescription({ message: 'something' })
  t.true(least instanceof PythonError)
  t.is((least as PythonError).type, 'BaseException')
})

test('documents every code once', async (t) => {
  const source = await readFile(new URL('../lib/base/errors.ts', import.meta.url), 'utf8')
  const union = source.slice(source.indexOf('export type AmphisErrorCode'), source.indexOf('// Registered symbols'))
  const codes = union.match(/'AMPHIS_ERR_[A-Z_]+'/g) ?? []
  t.true(codes.length > 20)
  t.is(new Set(codes).size, codes.length)
  t.is(union.match(/\/\*\* .*\. \*\/\n {2}\| 'AMPHIS_ERR_[A-Z_]+'/g)?.length, codes.length)
})
