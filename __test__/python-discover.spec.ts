import { chmod, mkdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { AmphisError, type AmphisErrorCode } from '../lib/base/errors.js'
import { discoverPython, type DiscoverOptions } from '../lib/python/discover.js'
import {
  answeringInterpreter,
  countRuns,
  elfHeader,
  evaluate,
  fakeEnvironment,
  fakeInstallation,
  fatHeader,
  foreignArchitecture,
  machHeader,
  realEnvironment,
  realInterpreter,
  scriptedInterpreter,
  temporaryFolder,
  writeDeep,
} from './helpers/fake-python.js'

/** Discovery that sees nothing of this machine but what the test gives it, and lays files out as Linux does. */
function discover(options: DiscoverOptions) {
  return discoverPython({ env: {}, platform: 'linux', ...options })
}

async function fails(
  t: ExecutionContext,
  options: DiscoverOptions,
  code: AmphisErrorCode,
  ...words: (string | RegExp)[]
): Promise<AmphisError> {
  const error = await t.throwsAsync<AmphisError>(discover(options), { instanceOf: AmphisError })
  t.is(error.code, code, error.message)
  for (const word of words) {
    t.true(typeof word === 'string' ? error.message.includes(word) : word.test(error.message), error.message)
  }
  return error
}

// Real interpreters

test('finds in a real virtual environment what its interpreter says of itself', async (t) => {
  const root = await realEnvironment(join(await temporaryFolder(t), 'venv'))
  const { platform } = process
  const found = await discover({ python: root, appDir: '/', platform })
  const [executable, prefix, version] = (await evaluate(
    found.executable,
    '[sys.executable, sys.prefix, sys.version_info[:3]]',
  )) as [string, string, [number, number, number]]
  t.is(found.executable, executable)
  t.is(found.prefix, prefix)
  t.deepEqual(found.version, version)
  t.is(found.source, 'option python')
  t.regex(await realpath(found.libpython), /libpython3\.\d+|Versions\/3\.\d+\/Python/)
})

test('reads a real virtual environment and asks its interpreter with the same result', async (t) => {
  const root = await realEnvironment(join(await temporaryFolder(t), 'venv'))
  const { platform } = process
  const read = await discover({ python: root, appDir: '/', platform })
  const config = await readFile(join(root, 'pyvenv.cfg'), 'utf8')
  await writeFile(join(root, 'pyvenv.cfg'), config.replace(/^version.*$/m, ''))
  const asked = await discover({ python: root, appDir: '/', platform })
  t.is(await realpath(asked.libpython), await realpath(read.libpython))
  t.deepEqual({ ...asked, libpython: '' }, { ...read, libpython: '' })
})

test('finds an installation that is no virtual environment', async (t) => {
  const base = (await evaluate(await realInterpreter(), 'os.path.realpath(sys.executable)')) as string
  const { platform } = process
  const found = await discover({ python: base, appDir: '/', platform })
  t.is(found.prefix, (await evaluate(base, 'sys.prefix')) as string)
  t.is(found.executable, (await evaluate(base, 'sys.executable')) as string)
})

test('finds the interpreter behind a shim, and its virtual environment', async (t) => {
  const folder = await temporaryFolder(t)
  const root = await realEnvironment(join(folder, 'environment'))
  const interpreter = join(root, 'bin', 'python')
  const shim = await scriptedInterpreter(join(folder, 'shims', 'python3'), `exec '${interpreter}' "$@"`)
  const { platform } = process
  const found = await discover({ appDir: folder, env: { PATH: dirname(shim) }, platform })
  t.is(found.executable, interpreter)
  t.is(found.prefix, root)
  t.is(found.source, 'PATH')
})

test('asks a shim in the folder of the app, where it chooses the version', async (t) => {
  const folder = await temporaryFolder(t)
  const here = await fakeInstallation(join(folder, 'here'))
  const there = await fakeInstallation(join(folder, 'there'), { minor: 13 })
  const shim = await scriptedInterpreter(join(folder, 'shims', 'python3'), 'exec "$(/bin/cat .chosen)" "$@"')
  await writeDeep(join(folder, 'app', '.chosen'), here.interpreter)
  await writeDeep(join(folder, 'other', '.chosen'), there.interpreter)
  const env = { PATH: dirname(shim) }
  t.is((await discover({ appDir: join(folder, 'app'), env })).executable, here.interpreter)
  t.is((await discover({ appDir: join(folder, 'other'), env })).executable, there.interpreter)
})

// Without a process

test('starts no process for a virtual environment', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const root = await fakeEnvironment(join(folder, '.venv'), base)
  t.deepEqual(await discover({ appDir: folder }), {
    executable: join(root, 'bin', 'python'),
    version: [3, 12, 1],
    libpython: base.libpython,
    prefix: root,
    source: '.venv',
  })
  t.is(await countRuns(base.interpreter), 0)
})

test('starts no process for the environments of virtualenv and uv', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const virtualenv = 'implementation = CPython\nversion_info = 3.12.1.final.0\n'
  const uv = 'implementation = CPython\nuv = 0.5.1\nversion_info = 3.12\n'
  const first = await fakeEnvironment(join(folder, 'first'), base, { config: virtualenv })
  const second = await fakeEnvironment(join(folder, 'second'), base, { config: uv })
  t.deepEqual((await discover({ python: first, appDir: folder })).version, [3, 12, 1])
  t.deepEqual((await discover({ python: second, appDir: folder })).version, [3, 12])
  t.is(await countRuns(base.interpreter), 0)
})

test('starts no process where the distribution keeps libraries in lib64 or in a multiarch folder', async (t) => {
  const names: Partial<Record<NodeJS.Architecture, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }
  for (const place of ['lib64', join('lib', names[process.arch]!)]) {
    const folder = await temporaryFolder(t)
    const base = await fakeInstallation(join(folder, 'usr'))
    await rm(base.libpython)
    const libpython = join(base.prefix, place, 'libpython3.12.so.1.0')
    await writeDeep(libpython, elfHeader(process.arch))
    await fakeEnvironment(join(folder, '.venv'), base)
    t.is((await discover({ appDir: folder })).libpython, libpython)
    t.is(await countRuns(base.interpreter), 0)
  }
})

test('starts one process where pyvenv.cfg does not tell enough', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [name, config] of [
    ['without-version', 'include-system-site-packages = false\n'],
    ['with-junk', 'version = latest\n'],
  ] as const) {
    const base = await fakeInstallation(join(folder, name, 'base'))
    const root = await fakeEnvironment(join(folder, name, 'venv'), base, { config })
    const found = await discover({ python: root, appDir: folder })
    t.is(found.libpython, base.libpython)
    t.deepEqual(found.version, [3, 12, 1])
    t.is(await countRuns(base.interpreter), 1)
  }
})

// Order

test('lets each step decide before the next', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const environment = (name: string) => fakeEnvironment(join(folder, name), base)
  const app = join(folder, 'project', 'src')
  await mkdir(app, { recursive: true })
  const env: NodeJS.ProcessEnv = {
    AMPHIS_PYTHON: await environment('named'),
    VIRTUAL_ENV: await environment('activated'),
    UV_PROJECT_ENVIRONMENT: await environment('uv'),
    CONDA_PREFIX: (await fakeInstallation(join(folder, 'conda'))).prefix,
    PATH: [join(folder, 'missing'), join(folder, 'old'), base.bin].join(delimiter),
  }
  await answeringInterpreter(join(folder, 'old', 'python'), { version: [2, 7, 18] })
  const beside = await environment('project/.venv')
  const lesser = await environment('project/venv')
  const python = await environment('option')

  t.is((await discover({ python, appDir: app, env })).prefix, python)
  t.is((await discover({ appDir: app, env })).prefix, env.AMPHIS_PYTHON!)
  delete env.AMPHIS_PYTHON
  t.is((await discover({ appDir: app, env })).prefix, env.VIRTUAL_ENV!)
  delete env.VIRTUAL_ENV
  t.is((await discover({ appDir: app, env })).prefix, beside)
  await rm(beside, { recursive: true })
  t.is((await discover({ appDir: app, env })).prefix, lesser)
  await rm(lesser, { recursive: true })
  t.is((await discover({ appDir: app, env })).prefix, env.UV_PROJECT_ENVIRONMENT!)
  delete env.UV_PROJECT_ENVIRONMENT
  t.is((await discover({ appDir: app, env })).prefix, env.CONDA_PREFIX!)
  delete env.CONDA_PREFIX
  t.deepEqual(await discover({ appDir: app, env }), {
    executable: join(base.bin, 'python3'),
    version: [3, 12, 1],
    libpython: base.libpython,
    prefix: base.prefix,
    source: 'PATH',
  })
})

test('takes python from PATH where there is no python3', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  await rm(join(base.bin, 'python3'))
  t.is((await discover({ appDir: folder, env: { PATH: base.bin } })).prefix, base.prefix)
})

test('passes over folders, broken links and relative folders on PATH as a shell does', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  await mkdir(join(folder, 'a', 'python3'), { recursive: true })
  await mkdir(join(folder, 'b'))
  await symlink('/nowhere', join(folder, 'b', 'python3'))
  const PATH = ['', '.', join(folder, 'a'), join(folder, 'b'), base.bin].join(delimiter)
  t.is((await discover({ appDir: folder, env: { PATH } })).prefix, base.prefix)
})

test('takes empty variables for none', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const env = { AMPHIS_PYTHON: '', VIRTUAL_ENV: '', UV_PROJECT_ENVIRONMENT: '', CONDA_PREFIX: '', PATH: base.bin }
  t.is((await discover({ appDir: folder, env })).source, 'PATH')
})

test('takes the nearest environment above the app', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  await mkdir(join(folder, 'outer', 'inner', 'app'), { recursive: true })
  await fakeEnvironment(join(folder, 'outer', '.venv'), base)
  const near = await fakeEnvironment(join(folder, 'outer', 'inner', 'venv'), base)
  const found = await discover({ appDir: join(folder, 'outer', 'inner', 'app') })
  t.is(found.prefix, near)
  t.is(found.source, 'venv')
})

test('takes a conda environment that lies beside the app', async (t) => {
  const folder = await temporaryFolder(t)
  const { prefix } = await fakeInstallation(join(folder, '.venv'))
  t.is((await discover({ appDir: folder })).prefix, prefix)
})

test('does not take a package that is called venv for an environment', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  await writeDeep(join(folder, 'venv', '__init__.py'), '')
  await writeDeep(join(folder, '.venv'), 'name-of-a-pipenv-environment\n')
  t.is((await discover({ appDir: folder, env: { PATH: base.bin } })).source, 'PATH')
})

test('goes on after a conda environment that has no Python', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  await writeDeep(join(folder, 'conda', 'bin', 'node'), '')
  const env = { CONDA_PREFIX: join(folder, 'conda'), PATH: base.bin }
  t.is((await discover({ appDir: folder, env })).source, 'PATH')
})

test("takes uv's relative environment from the project, above the app's folder", async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const root = await fakeEnvironment(join(folder, 'project', 'environment'), base)
  await mkdir(join(folder, 'project', 'src', 'app'), { recursive: true })
  const env = { UV_PROJECT_ENVIRONMENT: 'environment' }
  t.is((await discover({ appDir: join(folder, 'project', 'src', 'app'), env })).prefix, root)
})

// Ways to name one

test('takes an environment, an interpreter or the name of a program on PATH', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const root = await fakeEnvironment(join(folder, 'venv'), base)
  const env = { PATH: base.bin }
  const interpreter = join(root, 'bin', 'python3')
  t.is((await discover({ python: root, appDir: '/' })).executable, join(root, 'bin', 'python'))
  t.is((await discover({ python: `${root}/`, appDir: '/' })).executable, join(root, 'bin', 'python'))
  t.is((await discover({ python: interpreter, appDir: '/' })).executable, interpreter)
  t.is((await discover({ python: base.prefix, appDir: '/' })).prefix, base.prefix)
  t.is((await discover({ python: 'python3.12', appDir: '/', env })).executable, base.interpreter)
  t.is((await discover({ appDir: '/', env: { ...env, AMPHIS_PYTHON: 'python3.12' } })).source, 'AMPHIS_PYTHON')
})

test('takes paths relative to the current folder, and ~ for the home folder', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const root = await fakeEnvironment(join(folder, 'venv'), base)
  t.is((await discover({ python: relative('.', root), appDir: '/' })).prefix, root)
  t.is((await discover({ python: '~/venv', appDir: '/', env: { HOME: folder } })).prefix, root)
  t.is((await discover({ python: '~', appDir: '/', env: { HOME: root } })).prefix, root)
  await fails(t, { python: '~/no-such-python', appDir: '/' }, 'AMPHIS_ERR_PYTHON_NOT_FOUND', homedir())
})

// Not there

test('says where it looked when there is no Python at all', async (t) => {
  const folder = await temporaryFolder(t)
  const words = ['AMPHIS_PYTHON', '.venv', folder, 'PATH', 'Install Python 3.10 or later']
  await fails(t, { appDir: folder }, 'AMPHIS_ERR_PYTHON_NOT_FOUND', ...words)
})

test('never passes over a choice that is wrong', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  await fakeEnvironment(join(folder, '.venv'), base)
  const missing = join(folder, 'missing')
  const empty = join(folder, 'empty')
  await mkdir(empty)
  const text = await writeDeep(join(folder, 'notes.txt'), 'no program')
  const code = 'AMPHIS_ERR_PYTHON_NOT_FOUND'
  const env = (variable: string, value: string) => ({ PATH: base.bin, [variable]: value })

  await fails(t, { python: missing, appDir: folder }, code, missing, 'option python', 'does not exist')
  await fails(t, { python: empty, appDir: folder }, code, empty, 'has no bin/python')
  await fails(t, { python: text, appDir: folder }, code, text, 'not a program that can be executed')
  await fails(t, { python: 'python3.99', appDir: folder }, code, 'python3.99', 'nor a program on PATH')
  await fails(t, { appDir: folder, env: env('AMPHIS_PYTHON', missing) }, code, missing, 'AMPHIS_PYTHON')
  await fails(t, { appDir: folder, env: env('VIRTUAL_ENV', missing) }, code, missing, 'VIRTUAL_ENV', 'deactivate')
  const app = join(folder, 'elsewhere')
  await rm(join(folder, '.venv'), { recursive: true })
  await fails(t, { appDir: app, env: env('UV_PROJECT_ENVIRONMENT', missing) }, code, missing, 'uv sync')
  await fails(t, { appDir: app, env: env('CONDA_PREFIX', missing) }, code, missing, 'CONDA_PREFIX')
})

test('names the target of a broken link in an environment', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const root = await fakeEnvironment(join(folder, '.venv'), base)
  await rm(base.prefix, { recursive: true })
  const words = [join(root, 'bin', 'python'), base.interpreter, 'removed or upgraded', 'Create it again']
  await fails(t, { appDir: folder }, 'AMPHIS_ERR_PYTHON_NOT_FOUND', ...words)
})

test('names the end of a chain of links, and ends at a loop', async (t) => {
  const folder = await temporaryFolder(t)
  await symlink('second', join(folder, 'first'))
  await symlink('third', join(folder, 'second'))
  await symlink('loop', join(folder, 'loop'))
  const code = 'AMPHIS_ERR_PYTHON_NOT_FOUND'
  await fails(t, { python: join(folder, 'first'), appDir: '/' }, code, `link to ${join(folder, 'third')}, which`)
  await fails(t, { python: join(folder, 'loop'), appDir: '/' }, code, join(folder, 'loop'))
})

test('does not pass over an environment beside the app that is broken', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'))
  const env = { PATH: base.bin }
  const code = 'AMPHIS_ERR_PYTHON_NOT_FOUND'
  await writeDeep(join(folder, 'a', '.venv', 'pyvenv.cfg'), `home = ${base.bin}\n`)
  await fails(t, { appDir: join(folder, 'a'), env }, code, join(folder, 'a', '.venv'), 'has no bin/python')
  await mkdir(join(folder, 'b'))
  await symlink('/nowhere', join(folder, 'b', '.venv'))
  await fails(t, { appDir: join(folder, 'b'), env }, code, '/nowhere')
  await writeDeep(join(folder, 'c', '.venv', 'pyvenv.cfg'), 'home = C:\\Python312\nversion = 3.12.1\n')
  await writeDeep(join(folder, 'c', '.venv', 'Scripts', 'python.exe'), '')
  await fails(t, { appDir: join(folder, 'c'), env }, code, 'made on Windows')
})

// Not usable

test('refuses Python older than 3.10', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'), { minor: 9 })
  const words = [join(base.bin, 'python3'), '3.9.1', '3.10 or later', 'AMPHIS_PYTHON']
  await fails(t, { python: base.prefix, appDir: '/' }, 'AMPHIS_ERR_PYTHON_VERSION', ...words)
  const root = await fakeEnvironment(join(folder, 'venv'), base, { config: 'version = 3.9.1\n', packages: 'python3.9' })
  await fails(t, { python: root, appDir: '/' }, 'AMPHIS_ERR_PYTHON_VERSION', '3.9.1')
})

test('refuses Python 2, which does not even understand the question', async (t) => {
  const folder = await temporaryFolder(t)
  const python = await scriptedInterpreter(join(folder, 'python'), 'echo "Unknown option: -I" >&2; exit 2')
  await fails(t, { python, appDir: '/' }, 'AMPHIS_ERR_PYTHON_VERSION', python, '3.10')
})

test('refuses PyPy and every other implementation by name', async (t) => {
  const folder = await temporaryFolder(t)
  for (const implementation of ['pypy', 'graalpy']) {
    const facts = { implementation, instsoname: '', ldlibrary: '' }
    const python = await answeringInterpreter(join(folder, implementation, 'bin', 'python3'), facts)
    await fails(t, { python, appDir: '/' }, 'AMPHIS_ERR_PYTHON_IMPLEMENTATION', python, implementation, 'CPython')
  }
})

test('does not take an environment of PyPy for one of a CPython in the same folder', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'usr'))
  const pypy = { ...base, interpreter: join(base.bin, 'pypy3.12') }
  await answeringInterpreter(pypy.interpreter, { implementation: 'pypy' })
  const root = await fakeEnvironment(join(folder, 'venv'), pypy, { packages: 'pypy3.12' })
  await fails(t, { python: root, appDir: '/' }, 'AMPHIS_ERR_PYTHON_IMPLEMENTATION', 'pypy')
  const config = 'implementation = PyPy\nversion_info = 3.12.1\n'
  const other = await fakeEnvironment(join(folder, 'other'), pypy, { config })
  await fails(t, { python: other, appDir: '/' }, 'AMPHIS_ERR_PYTHON_IMPLEMENTATION', 'pypy')
})

test('refuses a free-threaded build, also beside an ordinary one', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'usr'), { minor: 13 })
  const interpreter = join(base.bin, 'python3.13t')
  await answeringInterpreter(interpreter, { version: [3, 13, 0], freeThreaded: true })
  await fails(t, { python: interpreter, appDir: '/' }, 'AMPHIS_ERR_PYTHON_IMPLEMENTATION', 'free-threaded')
  const root = await fakeEnvironment(
    join(folder, 'venv'),
    { ...base, interpreter },
    { config: 'version = 3.13.0\n', packages: 'python3.13t' },
  )
  await fails(t, { python: root, appDir: '/' }, 'AMPHIS_ERR_PYTHON_IMPLEMENTATION', 'free-threaded')
})

test('refuses a library for another architecture, in an installation and in an environment', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'base'), { architecture: foreignArchitecture })
  const words = [base.libpython, `built for ${foreignArchitecture}`, `built for ${process.arch}`]
  await fails(t, { python: base.interpreter, appDir: '/' }, 'AMPHIS_ERR_PYTHON_ARCH', ...words)
  const root = await fakeEnvironment(join(folder, 'venv'), base)
  await fails(t, { python: root, appDir: '/' }, 'AMPHIS_ERR_PYTHON_ARCH', ...words)
})

test('refuses an interpreter for another architecture before it is run', async (t) => {
  const folder = await temporaryFolder(t)
  const python = await writeDeep(join(folder, 'bin', 'python3'), elfHeader(foreignArchitecture))
  await chmod(python, 0o755)
  await fails(t, { python, appDir: '/' }, 'AMPHIS_ERR_PYTHON_ARCH', python, foreignArchitecture)
})

test('refuses an environment whose interpreter was replaced by another version', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'usr'), { minor: 13 })
  // The older library is often still there.
  await writeDeep(join(base.prefix, 'lib', 'libpython3.12.so.1.0'), elfHeader(process.arch))
  const root = await fakeEnvironment(join(folder, '.venv'), base)
  const words = [root, 'made for Python 3.12', 'is Python 3.13', 'Create it again']
  await fails(t, { appDir: folder }, 'AMPHIS_ERR_VENV_MISMATCH', ...words)
})

test('refuses an environment whose packages are for another version', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(join(folder, 'usr'))
  const words = ['made for Python 3.11', 'is Python 3.12']
  const upgraded = await fakeEnvironment(join(folder, 'upgraded'), base, { packages: 'python3.11' })
  await fails(t, { python: upgraded, appDir: '/' }, 'AMPHIS_ERR_VENV_MISMATCH', ...words)
  const options = { packages: 'python3.11', config: 'prompt = app\n' }
  const untold = await fakeEnvironment(join(folder, 'untold'), base, options)
  await fails(t, { python: untold, appDir: '/' }, 'AMPHIS_ERR_VENV_MISMATCH', ...words)
})

test('refuses a real environment that says it was made for another version', async (t) => {
  const root = await realEnvironment(join(await temporaryFolder(t), 'venv'))
  const config = await readFile(join(root, 'pyvenv.cfg'), 'utf8')
  await writeFile(join(root, 'pyvenv.cfg'), config.replace(/^version.*$/m, 'version = 3.99.0'))
  const { platform } = process
  await fails(t, { python: root, appDir: '/', platform }, 'AMPHIS_ERR_VENV_MISMATCH', 'made for Python 3.99')
})

// Libraries

test('says which library is missing and where, and how Debian, pyenv and others get it', async (t) => {
  const folder = await temporaryFolder(t)
  const code = 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND'
  const facts = { version: [3, 99, 0] as const, instsoname: 'libpython3.99.so.1.0', ldlibrary: 'libpython3.99.so' }
  const debian = await answeringInterpreter(join(folder, 'debian', 'python3'), {
    ...facts,
    basePrefix: '/usr',
    libdir: '/usr/lib/x86_64-linux-gnu',
    multiarch: 'x86_64-linux-gnu',
  })
  const place = '/usr/lib/x86_64-linux-gnu'
  await fails(
    t,
    { python: debian, appDir: '/' },
    code,
    debian,
    'libpython3.99.so.1.0',
    place,
    'apt install libpython3.99',
  )

  const version = join(folder, '.pyenv', 'versions', '3.99.0')
  const pyenv = await answeringInterpreter(join(version, 'bin', 'python3'), {
    ...facts,
    enableShared: false,
    instsoname: 'libpython3.99.a',
    ldlibrary: 'libpython3.99.a',
  })
  const remedy = 'PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force 3.99.0'
  await fails(t, { python: pyenv, appDir: '/' }, code, pyenv, join(version, 'lib'), remedy)

  const other = await answeringInterpreter(join(folder, 'other', 'bin', 'python3'), facts)
  await fails(t, { python: other, appDir: '/' }, code, other, 'uv python install 3.99', '--enable-shared')
})

test('never takes a static library', async (t) => {
  const folder = await temporaryFolder(t)
  const facts = { instsoname: 'libpython3.12.a', ldlibrary: 'libpython3.12.a' }
  const base = await fakeInstallation(folder, { facts })
  await rm(base.libpython)
  await writeDeep(join(folder, 'lib', 'libpython3.12.a'), '!<arch>\n')
  await fails(t, { python: base.interpreter, appDir: '/' }, 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND')
})

test('finds the library of an installation that was moved after it was built', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(folder, { facts: { libdir: '/install/lib' } })
  t.is((await discover({ python: base.interpreter, appDir: '/' })).libpython, base.libpython)
})

test('finds a library that the build put elsewhere', async (t) => {
  const folder = await temporaryFolder(t)
  const libdir = join(folder, 'libraries')
  const base = await fakeInstallation(join(folder, 'base'), { facts: { libdir, instsoname: 'libpython3.12d.so.1.0' } })
  await rm(base.libpython)
  const libpython = await writeDeep(join(libdir, 'libpython3.12d.so.1.0'), elfHeader(process.arch))
  t.is((await discover({ python: base.interpreter, appDir: '/' })).libpython, libpython)
})

// macOS

test('finds the libraries of python.org, Homebrew, and of ordinary builds on macOS, without a process', async (t) => {
  const folder = await temporaryFolder(t)
  const layouts: Record<string, { prefix: string; library: string }> = {
    'python.org': { prefix: 'Python.framework/Versions/3.12', library: 'Python' },
    homebrew: { prefix: 'opt/python@3.12', library: 'Frameworks/Python.framework/Versions/3.12/Python' },
    ordinary: { prefix: 'usr/local', library: 'lib/libpython3.12.dylib' },
  }
  for (const [name, { prefix, library }] of Object.entries(layouts)) {
    const base = await fakeInstallation(join(folder, name, prefix))
    await rm(base.libpython)
    const libpython = await writeDeep(join(base.prefix, library), fatHeader(['x64', 'arm64']))
    const root = await fakeEnvironment(join(folder, name, 'venv'), base)
    t.is((await discover({ python: root, appDir: '/', platform: 'darwin' })).libpython, libpython)
    t.is(await countRuns(base.interpreter), 0)
  }
})

test('finds the library of a framework build by what it says of itself', async (t) => {
  const folder = await temporaryFolder(t)
  const ldlibrary = 'Python.framework/Versions/3.12/Python'
  const python = await answeringInterpreter(join(folder, 'usr', 'local', 'bin', 'python3'), {
    frameworkPrefix: join(folder, 'Library', 'Frameworks'),
    ldlibrary,
    instsoname: ldlibrary,
  })
  const libpython = await writeDeep(join(folder, 'Library', 'Frameworks', ldlibrary), machHeader(process.arch))
  t.is((await discover({ python, appDir: '/', platform: 'darwin' })).libpython, libpython)
})

test('refuses a universal library that lacks this architecture', async (t) => {
  const folder = await temporaryFolder(t)
  const base = await fakeInstallation(folder)
  await writeDeep(join(folder, 'lib', 'libpython3.12.dylib'), fatHeader([foreignArchitecture, 'ppc']))
  const options = { python: base.interpreter, appDir: '/', platform: 'darwin' as const }
  await fails(t, options, 'AMPHIS_ERR_PYTHON_ARCH', foreignArchitecture, process.arch)
})

test('says that Windows is not supported, before it looks for anything', async (t) => {
  await fails(t, { appDir: '/', platform: 'win32' }, 'AMPHIS_ERR_BINDING', 'win32', 'WSL')
})
