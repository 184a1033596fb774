import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import test from 'ava'
import { AmphisError } from '../index.js'
import { createHandler, fixtures, shareHandler } from './helpers/python.js'

const main = shareHandler('main:app')

const text = async (handler: ReturnType<typeof createHandler>) => (await handler.handle({ url: '/' })).text()

for (const app of [
  'shapes:instance',
  'shapes:methods.method',
  'shapes:methods.class_method',
  'shapes:Methods.static_method',
  'shapes:partial',
  'shapes:wrapped',
  'shapes:awaitable',
]) {
  test(`takes ${app} for an app`, async (t) => {
    t.is(await text(createHandler(t, app)), 'Hello, world!')
  })
}

test('imports a dotted module with an attribute of an attribute', async (t) => {
  t.is(await text(createHandler(t, 'package.module:holder.app')), '"package.sibling"')
})

test('imports by the import system: name and file are what they should be', async (t) => {
  const [name, file] = JSON.parse(await text(createHandler(t, 'shapes:origin'))) as [string, string]
  t.is(name, 'shapes')
  t.is(file, join(fixtures, 'shapes.py'))
})

test('takes a folder relative to the working directory', async (t) => {
  const appDir = relative(process.cwd(), fixtures)
  t.is(await text(createHandler(t, { app: 'main:app', appDir })), 'Hello, world!')
})

test('calls a factory', async (t) => {
  t.is(await text(createHandler(t, { app: 'factories:create_app', factory: true })), 'Hello, world!')
  t.is(await text(createHandler(t, { app: 'factories:Factory.create', factory: true })), 'Hello, world!')
})

for (const [what, options, code, says] of [
  ['a missing module', 'nowhere:app', 'AMPHIS_ERR_APP_NOT_FOUND', /nowhere/],
  ['a missing package', 'nowhere.module:app', 'AMPHIS_ERR_APP_NOT_FOUND', /nowhere/],
  ['a module missing from its package', 'package.nowhere:app', 'AMPHIS_ERR_APP_NOT_FOUND', /package\.nowhere/],
  ['a module below one that is no package', 'main.below:app', 'AMPHIS_ERR_APP_NOT_FOUND', /main\.below/],
  ['a module that raises', 'raises_on_import:app', 'AMPHIS_ERR_APP_IMPORT', /raises_on_import/],
  ['a module whose own import is missing', 'needs_missing:app', 'AMPHIS_ERR_APP_IMPORT', /a_package_that_nobody_has/],
  ['a module that exits', 'exits_on_import:app', 'AMPHIS_ERR_APP_IMPORT', /exits_on_import/],
  ['a missing attribute', 'main:nothing', 'AMPHIS_ERR_APP_ATTRIBUTE', /nothing/],
  ['a missing attribute of an attribute', 'package.module:holder.nothing', 'AMPHIS_ERR_APP_ATTRIBUTE', /nothing/],
  ['an attribute that cannot be called', 'not_callable:app', 'AMPHIS_ERR_APP_NOT_CALLABLE', /dict/],
  ['an attribute that is None', 'not_callable:nothing', 'AMPHIS_ERR_APP_NOT_CALLABLE', /None/],
  ['a factory that is missing', { app: 'factories:none', factory: true }, 'AMPHIS_ERR_APP_ATTRIBUTE', /none/],
  [
    'a factory that cannot be called',
    { app: 'not_callable:app', factory: true },
    'AMPHIS_ERR_APP_NOT_CALLABLE',
    /dict/,
  ],
  ['a factory that raises', { app: 'factories:raises', factory: true }, 'AMPHIS_ERR_APP_FACTORY', /factories:raises/],
  ['a factory that exits', { app: 'factories:exits', factory: true }, 'AMPHIS_ERR_APP_FACTORY', /factories:exits/],
  [
    'a factory that needs arguments',
    { app: 'factories:needs_arguments', factory: true },
    'AMPHIS_ERR_APP_FACTORY',
    /needs_arguments/,
  ],
  [
    'a factory that makes nothing',
    { app: 'factories:returns_nothing', factory: true },
    'AMPHIS_ERR_APP_NOT_CALLABLE|AMPHIS_ERR_APP_FACTORY',
    /None/,
  ],
  [
    'a folder that does not exist',
    { app: 'other:app', appDir: '/nowhere/at/all' },
    'AMPHIS_ERR_APP_NOT_FOUND',
    /\/nowhere\/at\/all/,
  ],
] as const) {
  test(`${what} is an error that says so`, async (t) => {
    const handler = createHandler(t, options)
    const failure = await t.throwsAsync(handler.ready(), { instanceOf: AmphisError })
    t.regex(failure.code, new RegExp(`^(${code})$`))
    t.regex(failure.message, says)
    t.notRegex(failure.message, /undefined|\[object|panicked/)
    // Whoever asks again gets the same answer, and nobody else is harmed.
    const again = await t.throwsAsync(handler.handle({ url: '/' }), { instanceOf: AmphisError })
    t.is(again.code, failure.code)
    t.is(await text(main), 'Hello, world!')
  })
}

test('a missing module names the folder that was searched', async (t) => {
  const failure = await t.throwsAsync(createHandler(t, 'nowhere:app').ready())
  t.true(failure.message.includes(fixtures), failure.message)
})

for (const [app, says] of [
  ['raises_on_import:app', /raises_on_import\.py.*\n[\s\S]*ValueError: this module never loads/],
  ['needs_missing:app', /needs_missing\.py.*\n[\s\S]*ModuleNotFoundError/],
  ['exits_on_import:app', /exits_on_import\.py.*\n[\s\S]*SystemExit: this module wants to leave/],
] as const) {
  test(`${app} keeps the traceback`, async (t) => {
    const failure = await t.throwsAsync(createHandler(t, app).ready())
    t.regex(String(failure.stack), says)
  })
}

test('a failing factory keeps the traceback', async (t) => {
  const failure = await t.throwsAsync(createHandler(t, { app: 'factories:raises', factory: true }).ready())
  t.regex(String(failure.stack), /factories\.py.*\n[\s\S]*the factory has no parts/)
})

test('a file that is not Python is an error with the line', async (t) => {
  const appDir = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(appDir, { recursive: true }))
  await writeFile(join(appDir, 'not_python.py'), 'def app(:\n')
  const failure = await t.throwsAsync(createHandler(t, { app: 'not_python:app', appDir }).ready(), {
    code: 'AMPHIS_ERR_APP_IMPORT',
  })
  t.regex(String(failure.stack), /not_python\.py", line 1[\s\S]*SyntaxError/)
})

test('folders and modules may have names beyond ASCII', async (t) => {
  const appDir = await mkdtemp(join(tmpdir(), 'amphis naïve ☃ '))
  t.teardown(() => rm(appDir, { recursive: true }))
  await writeFile(join(appDir, 'naïve.py'), 'from main import app\n')
  t.is(await text(createHandler(t, { app: 'naïve:app', appDir })), 'Hello, world!')
})

test.serial('modules of one name in two folders: the second is refused, the first works on', async (t) => {
  const first = createHandler(t, { app: 'twin:app', appDir: join(fixtures, 'twins/one') })
  t.is(await text(first), 'twin one')
  const second = createHandler(t, { app: 'twin:app', appDir: join(fixtures, 'twins/two') })
  const failure = await t.throwsAsync(second.ready(), { code: 'AMPHIS_ERR_APP_COLLISION' })
  t.regex(failure.message, /twin/)
  t.true(failure.message.includes(join(fixtures, 'twins/one')), failure.message)
  t.true(failure.message.includes(join(fixtures, 'twins/two')), failure.message)
  t.is(await text(first), 'twin one')
})

test.serial('two handlers of one module in one folder are no collision', async (t) => {
  const appDir = join(fixtures, 'twins/one')
  t.is(await text(createHandler(t, { app: 'twin:app', appDir })), 'twin one')
  t.is(await text(createHandler(t, { app: 'twin:app', appDir: `${appDir}/../one/` })), 'twin one')
})

test('a module of the standard library is no app of the folder', async (t) => {
  // `json` is long imported: taking it for the app's own module would serve something else.
  const appDir = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(appDir, { recursive: true }))
  await writeFile(join(appDir, 'json.py'), 'from main import app\n')
  await t.throwsAsync(createHandler(t, { app: 'json:app', appDir }).ready(), { code: 'AMPHIS_ERR_APP_COLLISION' })
})

test('several failing handlers at once each get their own error', async (t) => {
  const codes = await Promise.all(
    ['nowhere:app', 'raises_on_import:app', 'main:nothing', 'not_callable:app'].map(async (app) => {
      const failure = await t.throwsAsync(createHandler(t, app).ready(), { instanceOf: AmphisError })
      return failure.code
    }),
  )
  t.deepEqual(codes, [
    'AMPHIS_ERR_APP_NOT_FOUND',
    'AMPHIS_ERR_APP_IMPORT',
    'AMPHIS_ERR_APP_ATTRIBUTE',
    'AMPHIS_ERR_APP_NOT_CALLABLE',
  ])
})
