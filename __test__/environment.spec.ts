import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { runNode } from './helpers/node-process.js'
import { fixtures, shareHandler, versionsOf } from './helpers/python.js'

const environment = shareHandler('environment:app')
const ask = async (path: string): Promise<unknown> => (await environment.handle({ url: path })).json()

/** What the venv's own interpreter prints. */
async function alone(code: string): Promise<unknown> {
  const { executable } = await versionsOf(environment)
  const source = `import environment, json; print(json.dumps(environment.${code}))`
  const { stdout } = await promisify(execFile)(executable, ['-c', source], { cwd: fixtures })
  return JSON.parse(stdout)
}

test('executable, prefixes, flags and site are those of the venv’s own python', async (t) => {
  t.deepEqual(await ask('/facts'), await alone('facts()'))
})

test('sys.path is the app’s folder and then that of the venv’s own python', async (t) => {
  const [first, ...rest] = (await ask('/path')) as string[]
  t.is(first, fixtures)
  // `python -c` puts the working directory first, as an empty string.
  const [empty, ...expected] = (await alone('path()')) as string[]
  t.is(empty, '')
  t.deepEqual(rest, expected)
})

test('apps run on Python’s main thread', async (t) => {
  const [, , isMain] = (await ask('/loop')) as [string, string, boolean]
  t.true(isMain)
})

test('Python holds no signal of Node’s', async (t) => {
  const handlers = (await ask('/signals')) as string[]
  t.notRegex(handlers.join(' '), /default_int_handler/)
})

test('argv names the interpreter’s own business only', async (t) => {
  const [argv] = (await ask('/argv')) as [string[]]
  t.false(
    argv.some((argument) => /ava|node/.test(argument)),
    argv.join(' '),
  )
})

test('.pth files of the venv are honoured, as editable installs need them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { executable } = await versionsOf(environment)
  const venv = join(folder, 'venv')
  const library = join(folder, 'library')
  await promisify(execFile)(executable, ['-m', 'venv', '--without-pip', venv])
  const python = join(venv, 'bin/python')
  const { stdout } = await promisify(execFile)(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'])
  await mkdir(library)
  await writeFile(join(library, 'editable.py'), 'value = "installed in editable mode"\n')
  await writeFile(join(stdout.trim(), 'editable.pth'), `${library}\nimport sys; sys.from_pth = True\n`)
  await writeFile(
    join(folder, 'app_of_pth.py'),
    [
      'import editable, sys',
      'async def app(scope, receive, send):',
      '    await send({"type": "http.response.start", "status": 200})',
      '    body = f"{editable.value} {sys.from_pth} {sys.prefix}".encode()',
      '    await send({"type": "http.response.body", "body": body})',
      '',
    ].join('\n'),
  )
  const child = runNode(
    t,
    { app: 'app_of_pth:app', appDir: folder, python: venv, loop: 'asyncio', lifespan: 'off' },
    `console.log(await (await new PythonHandler(options).handle({ url: '/' })).text())`,
  )
  const { stdout: printed, stderr } = await child.ends()
  t.is(printed.trim(), `installed in editable mode True ${venv}`, stderr)
})

test('an uncommon locale or PYTHON* variable is honoured as python honours it', async (t) => {
  const child = runNode(
    t,
    { app: 'environment:app', lifespan: 'off' },
    `console.log(JSON.stringify((await (await new PythonHandler(options).handle({ url: '/facts' })).json()).flags))`,
    { env: { PYTHONOPTIMIZE: '1', PYTHONDEVMODE: '1' } },
  )
  const { stdout, stderr } = await child.ends()
  const [, , devMode, , optimize] = JSON.parse(stdout || 'null') as [number, number, boolean, number, number]
  t.is(devMode, true, stderr)
  t.is(optimize, 1, stderr)
})

for (const loop of ['asyncio', 'uvloop'] as const) {
  test(`the option loop: '${loop}' is followed`, async (t) => {
    const child = runNode(
      t,
      { app: 'environment:app', lifespan: 'off', loop },
      `const handler = new PythonHandler(options)
       const [module] = await (await handler.handle({ url: '/loop' })).json()
       console.log(handler.versions.loop, module.split('.')[0])`,
    )
    const { stdout, stderr } = await child.ends()
    t.is(stdout.trim(), `${loop} ${loop}`, stderr)
  })
}

test('loop: auto takes uvloop when it can be imported and asyncio otherwise', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  // A uvloop that cannot be imported stands for one that is not installed.
  await writeFile(join(folder, 'uvloop.py'), 'raise ImportError("not on this machine")\n')
  const source = `const handler = new PythonHandler(options)
     await handler.ready()
     console.log(handler.versions.loop)`
  const [present, absent] = await Promise.all([
    runNode(t, { app: 'main:app', lifespan: 'off', loop: 'auto' }, source).ends(),
    runNode(t, { app: 'main:app', lifespan: 'off', loop: 'auto' }, source, { env: { PYTHONPATH: folder } }).ends(),
  ])
  t.is(present.stdout.trim(), 'uvloop', present.stderr)
  t.is(absent.stdout.trim(), 'asyncio', absent.stderr)
})

test('loop: uvloop without uvloop is an error that says so', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'uvloop.py'), 'raise ImportError("not on this machine")\n')
  const child = runNode(
    t,
    { app: 'main:app', lifespan: 'off', loop: 'uvloop' },
    `await new PythonHandler(options).ready().catch((error) => console.log(error.code, error.message))`,
    { env: { PYTHONPATH: folder } },
  )
  t.regex((await child.ends()).stdout, /^AMPHIS_ERR_\w+ .*uvloop/)
})
