// Files that this user may not read: what is said of them, and where.
import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { DiscoverOptions } from '../lib/python/discover.js'
import {
  answeringInterpreter,
  fakeEnvironment,
  fakeInstallation,
  temporaryFolder,
  writeDeep,
} from './helpers/fake-python.js'

// Root may read everything, so that the questions are asked by somebody else.
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const asNobody = isRoot ? { uid: NOBODY, gid: NOBODY } : {}

const repository = fileURLToPath(new URL('..', import.meta.url))
const CLOSED = 0o700

interface Answer {
  code?: string
  message?: string
  executable?: string
}

/** What a function of `lib/` says when this user is another. */
async function ask(module: string, call: string): Promise<Answer> {
  const script = `
    const module = await import(${JSON.stringify(new URL(`../lib/${module}`, import.meta.url).href)})
    try {
      console.log(JSON.stringify((await ${call}) ?? {}))
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }))
    }`
  return new Promise((resolve, reject) => {
    const args = ['--import=@oxc-node/core/register', '--input-type=module', '-e', script]
    execFile(process.execPath, args, { cwd: repository, env: {}, ...asNobody }, (error, stdout) => {
      if (error) reject(error)
      else resolve(JSON.parse(stdout) as Answer)
    })
  })
}

function discover(options: DiscoverOptions): Promise<Answer> {
  const given = JSON.stringify({ env: {}, platform: 'linux', ...options })
  return ask('python/discover.js', `module.discoverPython(${given})`)
}

/** A folder that everybody can reach. */
async function openFolder(t: ExecutionContext): Promise<string> {
  const folder = await temporaryFolder(t)
  await chmod(folder, 0o755)
  return folder
}

/** Takes a folder or file away from whoever is to ask. */
async function close(t: ExecutionContext, path: string): Promise<void> {
  await chmod(path, isRoot ? CLOSED : 0)
  if (!isRoot) t.teardown(() => chmod(path, CLOSED))
}

/** Whatever could not be read is named, with the user, the folder that is closed, and a remedy. */
function denied(t: ExecutionContext, { code, message = '' }: Answer, expected: string, ...words: string[]): void {
  t.is(code, expected, message)
  for (const word of ['EACCES', 'permission denied', `uid ${isRoot ? NOBODY : process.getuid?.()}`, ...words]) {
    t.true(message.includes(word), `${word} in ${message}`)
  }
  t.notRegex(message, /does not exist|removed or upgraded|There is no/)
}

test('an interpreter in a folder that is closed to this user is not taken for removed', async (t) => {
  const folder = await openFolder(t)
  const home = join(folder, 'home')
  const base = await fakeInstallation(join(home, '.local', 'python'))
  const root = await fakeEnvironment(join(folder, 'app', '.venv'), base)
  await close(t, home)
  const answer = await discover({ appDir: join(folder, 'app') })
  denied(t, answer, 'AMPHIS_ERR_PYTHON_NOT_FOUND', join(root, 'bin', 'python'), `the folder ${home},`)
  denied(t, answer, 'AMPHIS_ERR_PYTHON_NOT_FOUND', base.interpreter, 'UV_PYTHON_INSTALL_DIR', `chmod a+x ${home}`)
})

test('the folder that is closed is found behind relative links and links of folders', async (t) => {
  const folder = await openFolder(t)
  const home = join(folder, 'home')
  const base = await fakeInstallation(join(home, 'deep', 'python-1'))
  await symlink('home/deep', join(folder, 'short'))
  await symlink('../short/../deep/python-1', join(home, 'current'))
  const root = await fakeEnvironment(join(folder, 'app', '.venv'), base)
  await rm(join(root, 'bin', 'python'))
  await symlink('../../../short/python-1/bin/python3', join(root, 'bin', 'python'))
  await close(t, join(home, 'deep'))
  const answer = await discover({ appDir: join(folder, 'app') })
  denied(t, answer, 'AMPHIS_ERR_PYTHON_NOT_FOUND', `the folder ${join(home, 'deep')},`)
})

test('an interpreter that others may execute but not this user is told from one that nobody may', async (t) => {
  const folder = await openFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  await close(t, base.interpreter)
  if (isRoot) {
    const answer = await discover({ python: base.interpreter, appDir: folder })
    denied(t, answer, 'AMPHIS_ERR_PYTHON_NOT_FOUND', `the file ${base.interpreter},`)
  }
  await chmod(base.interpreter, 0o644)
  const { message = '' } = await discover({ python: base.interpreter, appDir: folder })
  t.regex(message, /not a program that can be executed/)
})

test('an environment that is closed to this user is not passed over for another Python', async (t) => {
  const folder = await openFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const env = { PATH: base.bin }
  const code = 'AMPHIS_ERR_PYTHON_NOT_FOUND'
  for (const [name, closed] of [
    ['whole', '.'],
    ['bin', 'bin'],
  ] as const) {
    const root = await fakeEnvironment(join(folder, name, '.venv'), base)
    await close(t, join(root, closed))
    denied(t, await discover({ appDir: join(folder, name), env }), code, root, `the folder ${join(root, closed)}`)
    denied(t, await discover({ appDir: folder, env: { ...env, VIRTUAL_ENV: root } }), code, 'VIRTUAL_ENV')
    denied(t, await discover({ appDir: folder, env: { ...env, CONDA_PREFIX: root } }), code, 'CONDA_PREFIX')
    denied(t, await discover({ appDir: folder, python: root, env }), code, 'option python')
  }
})

test('a pyvenv.cfg that may not be read is no environment without packages', async (t) => {
  const folder = await openFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const root = await fakeEnvironment(join(folder, '.venv'), base)
  const file = join(root, 'pyvenv.cfg')
  await chmod(file, isRoot ? 0o600 : 0)
  denied(t, await discover({ appDir: folder }), 'AMPHIS_ERR_PYTHON_NOT_FOUND', `the file ${file},`, `chmod a+r ${file}`)
})

test('packages that may not be read are not reported as missing modules later', async (t) => {
  const folder = await openFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const code = 'AMPHIS_ERR_PYTHON_NOT_FOUND'
  for (const closed of ['lib', 'lib/python3.12', 'lib/python3.12/site-packages']) {
    const root = await fakeEnvironment(join(folder, closed.replaceAll('/', '-'), '.venv'), base)
    await close(t, join(root, closed))
    denied(t, await discover({ appDir: join(root, '..') }), code, `the folder ${join(root, closed)},`, 'packages')
  }
})

test('a library that may not be read is not said to be missing', async (t) => {
  const folder = await openFolder(t)
  const code = 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND'
  for (const closed of ['lib', 'lib/libpython3.12.so.1.0']) {
    const name = closed.replaceAll('/', '-')
    const base = await fakeInstallation(join(folder, name, 'base'))
    await fakeEnvironment(join(folder, name, '.venv'), base)
    await close(t, join(base.prefix, closed))
    const path = `${closed === 'lib' ? 'the folder' : 'the file'} ${join(base.prefix, closed)},`
    denied(t, await discover({ appDir: join(folder, name) }), code, path, 'shared library', 'UV_PYTHON_INSTALL_DIR')
    denied(t, await discover({ python: base.interpreter, appDir: '/' }), code, path)
  }
  const library = join(folder, 'lib-libpython3.12.so.1.0', 'base', 'lib', 'libpython3.12.so.1.0')
  const call = `module.loadLibpython({ libpython: ${JSON.stringify(library)} })`
  denied(t, await ask('python/load.js', call), code, library)
})

test('a link that leads nowhere and one that leads in a circle are told apart', async (t) => {
  const folder = await openFolder(t)
  await symlink('two', join(folder, 'one'))
  await symlink('one', join(folder, 'two'))
  await symlink('gone', join(folder, 'dangling'))
  await writeFile(join(folder, 'file'), '')
  const of = async (name: string) => (await discover({ python: join(folder, name), appDir: folder })).message ?? ''
  t.regex(await of('one'), /in a loop \(ELOOP\)/)
  t.regex(await of('dangling'), /gone, which does not exist: that Python was removed or upgraded/)
  t.regex(await of('file/bin/python'), /does not exist: .*file is no folder/)
})

test('where no Python is found, a folder of PATH that is closed is named', async (t) => {
  const folder = await openFolder(t)
  await answeringInterpreter(join(folder, 'home', 'bin', 'python3'))
  await close(t, join(folder, 'home'))
  const { message = '' } = await discover({ appDir: folder, env: { PATH: join(folder, 'home', 'bin') } })
  t.regex(message, /No Python was found/)
  t.true(message.includes(`the folder ${join(folder, 'home')},`), message)
})

test('an app that may not be read is not said to be missing', async (t) => {
  const folder = await openFolder(t)
  await writeDeep(join(folder, 'app', 'shop', 'main.py'), 'app = None\n')
  await copyFile(join(folder, 'app', 'shop', 'main.py'), join(folder, 'app', 'single.py'))
  await mkdir(join(folder, 'empty'))
  const code = 'AMPHIS_ERR_APP_NOT_FOUND'
  const check = (appDir: string, app: string) =>
    ask('python/app-files.js', `module.assertAppReadable(${JSON.stringify(appDir)}, ${JSON.stringify(app)})`)
  t.deepEqual(await check(join(folder, 'app'), 'shop.main:app'), {})
  t.deepEqual(await check(join(folder, 'app'), 'nonsense'), {})
  t.deepEqual(await check(join(folder, 'nowhere'), 'main:app'), {})
  await chmod(join(folder, 'app', 'single.py'), isRoot ? 0o600 : 0)
  denied(t, await check(join(folder, 'app'), 'single:app'), code, join(folder, 'app', 'single.py'))
  await close(t, join(folder, 'app', 'shop'))
  denied(t, await check(join(folder, 'app'), 'shop.main:app'), code, 'package', join(folder, 'app', 'shop'))
  await close(t, join(folder, 'app'))
  denied(t, await check(join(folder, 'app'), 'shop.main:app'), code, `folder ${join(folder, 'app')}`)
})

test('a handler tells it', async (t) => {
  const folder = await openFolder(t)
  const home = join(folder, 'home')
  const base = await fakeInstallation(join(home, 'python'))
  await fakeEnvironment(join(folder, 'app', '.venv'), base)
  await writeDeep(join(folder, 'app', 'main.py'), 'app = None\n')
  await close(t, home)
  const options = JSON.stringify({ app: 'main:app', appDir: join(folder, 'app') })
  const answer = await ask('index.js', `new module.PythonHandler(${options}).ready()`)
  denied(t, answer, 'AMPHIS_ERR_PYTHON_NOT_FOUND', `the folder ${home},`)
})
