import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Python, type PythonFunction } from '../index.js'
import { amphisIn, program } from './helpers/command-line.js'
import { realEnvironment, temporaryFolder } from './helpers/fake-python.js'
import { fixtures, interpreter, loop, python } from './helpers/python.js'

// The types of the package `amphis` for Python's editors and type checkers, and what its import says outside of amphis.

const run = promisify(execFile)
const stubs = fileURLToPath(new URL('../python', import.meta.url))
/** Kept between runs: what mypy has read of Python's own types takes half a minute on a slow machine. */
const cache = fileURLToPath(new URL('../.cache/mypy', import.meta.url))
const env = { ...process.env, MYPYPATH: stubs, PYTHONDONTWRITEBYTECODE: '1' }

/** What a program of Python's says, in amphis or by itself; its exit code is in the error where it is not 0. */
async function inAmphis(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [program, 'run', '--python', python, ...args], { env, cwd: fixtures })
  return stdout
}

test.serial('a program that uses all of it has no error for mypy --strict, but those that it says', async (t) => {
  const args = ['-m', 'mypy', '--strict', '--no-error-summary', '--cache-dir', cache, `${fixtures}/stubs/uses.py`]
  const { stdout } = await run(interpreter, args, { env })
  t.is(stdout, '')
})

test('that program runs', async (t) => {
  t.is(await inAmphis(`${fixtures}/stubs/uses.py`), 'all of it\n')
})

test.serial('stubtest finds the types to be those of the real modules', async (t) => {
  const allowed = ['--allowlist', `${fixtures}/stubs/allowed.txt`, '--ignore-unused-allowlist']
  t.regex(await inAmphis('-m', 'mypy.stubtest', 'amphis', ...allowed), /^Success/)
})

test('the docstrings are those of the real modules', async (t) => {
  t.is(await inAmphis(`${fixtures}/stubs/docstrings.py`, `${stubs}/amphis`), '')
})

test('outside of amphis the import says where it can be had', async (t) => {
  const code = 'try: import amphis\nexcept ImportError as error: print(error.name, error)'
  const { stdout } = await run(interpreter, ['-c', code], { env: { ...env, PYTHONPATH: stubs } })
  t.regex(stdout, /^amphis amphis is built into .*`npx amphis run script\.py`.*a PythonHandler\.\n$/)
})

test('in amphis the package that is built in comes before those of the environment and of the folder', async (t) => {
  const folder = await temporaryFolder(t)
  await cp(`${stubs}/amphis`, join(folder, 'amphis'), { recursive: true })
  await writeFile(join(folder, 'asks.py'), 'import amphis\n\n\ndef where():\n    return amphis.__spec__.origin\n')
  const { stdout } = await run(
    process.execPath,
    [program, 'run', '--python', python, '-c', 'import amphis; print(amphis.__spec__.origin)'],
    { env: { ...env, PYTHONPATH: folder }, cwd: folder },
  )
  t.is(stdout, 'built-in\n')
  const own = new Python({ appDir: folder, python, loop })
  t.teardown(() => own.close())
  t.is(await (await own.import<Record<string, PythonFunction>>('asks'))['where']!(), 'built-in')
})

/** A folder with an environment, and `amphis venv` for it. */
async function project(t: ExecutionContext) {
  const folder = await temporaryFolder(t)
  const root = await realEnvironment(join(folder, '.venv'))
  const { stdout } = await run(join(root, 'bin/python'), [
    '-c',
    'import sysconfig; print(sysconfig.get_path("purelib"))',
  ])
  const bare = { AMPHIS_PYTHON: undefined, VIRTUAL_ENV: undefined, UV_PROJECT_ENVIRONMENT: undefined }
  const venv = async () => amphisIn(bare, t, 'venv', folder).ends()
  return { root, installed: join(stdout.trim(), 'amphis'), venv }
}

const files = ['__init__.py', '__init__.pyi', 'node.pyi', 'py.typed']

test.serial('amphis venv puts them into the environment, and renews them', async (t) => {
  const { root, installed, venv } = await project(t)
  t.like(await venv(), { code: 0, stderr: '' })
  const expectAll = async () => {
    for (const name of files) {
      t.is(await readFile(join(installed, name), 'utf8'), await readFile(join(stubs, 'amphis', name), 'utf8'), name)
    }
  }
  await expectAll()
  // As one of another version has left it.
  await writeFile(join(installed, 'node.pyi'), 'def import_module() -> None: ...\n')
  await rm(join(installed, 'py.typed'))
  const second = await venv()
  t.regex(second.stdout, /nothing to do, .* 0 packages/)
  await expectAll()

  // Type checkers find them there.
  const checks = ['-m', 'mypy', '--strict', '--cache-dir', cache, '--python-executable', join(root, 'bin/python')]
  const { stdout } = await run(interpreter, [...checks, `${fixtures}/stubs/uses.py`], {
    env: { ...env, MYPYPATH: undefined },
  })
  t.regex(stdout, /^Success/)
})

test('a package of that name which is somebody else’s is left alone', async (t) => {
  const { installed, venv } = await project(t)
  await mkdir(installed)
  await writeFile(join(installed, '__init__.py'), 'mine = True\n')
  t.like(await venv(), { code: 0, stderr: '' })
  t.is(await readFile(join(installed, '__init__.py'), 'utf8'), 'mine = True\n')
  await t.throwsAsync(readFile(join(installed, 'node.pyi')), { code: 'ENOENT' })
})

test('where they cannot be written that is said, and the environment is ready all the same', async (t) => {
  const { installed, venv } = await project(t)
  await writeFile(installed, 'a file in their place')
  const { code, stdout } = await venv()
  t.is(code, 0)
  t.regex(stdout, /The types of amphis could not be put into .*site-packages, which keeps nothing from running: /)
})
