import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { amphisIn } from './helpers/command-line.js'
import { amphisInTerminal } from './helpers/pseudo-terminal.js'
import {
  evaluate,
  fakeEnvironment,
  fakeInstallation,
  realEnvironment,
  realInterpreter,
  scriptedInterpreter,
  temporaryFolder,
} from './helpers/fake-python.js'

/** Nothing here may come from the machine's own environments, nor from the network. */
const BARE = {
  AMPHIS_PYTHON: undefined,
  VIRTUAL_ENV: undefined,
  UV_PROJECT_ENVIRONMENT: undefined,
  CONDA_PREFIX: undefined,
}

/** The last line: what there is now. */
const READY =
  /\.venv is ready after \d+\.\d s: Python 3\.\d+\.\d+, \d+ packages?, (?:uvloop \S+|without uvloop, .*-m pip install uvloop\))$/

/** Runs `amphis venv` in a folder with these requirements. */
async function project(t: ExecutionContext, requirements: string | undefined) {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'requirements.txt')
  if (requirements !== undefined) await writeFile(file, requirements)
  const venv = async (args: string[] = [], env: NodeJS.ProcessEnv = {}) =>
    amphisIn({ ...BARE, PIP_NO_INDEX: '1', ...env }, t, 'venv', folder, ...args).ends()
  return { folder, file, venv }
}

/** A package that pip installs without a network. */
async function localPackage(folder: string): Promise<string> {
  const path = join(folder, 'package')
  await mkdir(path)
  // A wheel is a zip file; pip takes an unpacked one no more than any other folder, so this one is written by Python.
  const script = `
import zipfile, sys
with zipfile.ZipFile(sys.argv[1] + "/amphis_teapot-1.0-py3-none-any.whl", "w") as wheel:
    info = "amphis_teapot-1.0.dist-info/"
    wheel.writestr("amphis_teapot.py", "short = True\\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: amphis-teapot\\nVersion: 1.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "")
`
  execFileSync(await realInterpreter(), ['-c', script, path])
  return join(path, 'amphis_teapot-1.0-py3-none-any.whl')
}

test('makes .venv, installs the requirements, and then has nothing to do until they change', async (t) => {
  const { folder, file, venv } = await project(t, '# nothing yet\n')
  const python = await realInterpreter()
  const first = await venv(['--python', python])
  t.is(first.code, 0, first.stderr)
  const lines = first.stdout.split('\n')
  t.regex(lines[0] ?? '', /^Making .*\.venv with Python 3\.\d+\.\d+ \(.+\)$/)
  t.is(lines[1], `Installing ${file} into ${join(folder, '.venv')}`)
  // pip may have its word between.
  t.regex(lines.at(-2) ?? '', READY)

  const second = await venv()
  t.like(second, { code: 0, signal: null, stderr: '' })
  t.regex(
    second.stdout,
    /^\S+\.venv: nothing to do, \S+requirements\.txt is installed; Python 3\.\d+\.\d+, \d+ packages?, .*\n$/,
  )

  await writeFile(file, `${await localPackage(folder)}\n`)
  const third = await venv()
  t.is(third.code, 0, third.stderr)
  const [begin, ...rest] = third.stdout.trimEnd().split('\n')
  t.is(begin, `Installing ${file} into ${join(folder, '.venv')}`)
  t.true(rest.includes('Successfully installed amphis-teapot-1.0'), third.stdout)
  t.regex(rest.at(-1) ?? '', READY)
  t.regex((await venv()).stdout, /: nothing to do, /)

  // The app is served with it.
  await writeFile(
    join(folder, 'main.py'),
    'import amphis_teapot\n\nasync def app(scope, receive, send):\n    raise SystemExit\n',
  )
  const served = amphisIn(BARE, t, 'main:app', '--app-dir', folder, '--port', '0')
  await served.prints('http://127.0.0.1:')
  served.child.kill('SIGTERM')
  t.is((await served.ends()).code, 0)

  await writeFile(file, 'a-package-that-nobody-has\n')
  const missing = await venv()
  t.is(missing.code, 1)
  t.regex(missing.stderr, /No matching distribution found for a-package-that-nobody-has/)
  t.regex(
    missing.stderr,
    /\nerror: .*requirements\.txt could not be installed for .*; why stands above\. Correct the file\.\n$/,
  )
  // What failed is tried again.
  t.is((await venv()).code, 1)
})

test('an environment that is named takes the place of .venv', async (t) => {
  const { folder, file, venv } = await project(t, '')
  const named = await realEnvironment(join(folder, 'named'))
  const { code, stderr } = await venv([], { VIRTUAL_ENV: named, PATH: folder })
  t.is(code, 1)
  t.regex(
    stderr,
    /^error: .*named \(from VIRTUAL_ENV\) has no pip, and there is no uv on PATH\. Install uv, or remove .*named and let amphis make it\.\n$/,
  )
  // uv is asked to do what there is no pip for.
  await scriptedInterpreter(join(folder, 'uv/uv'), `echo "$@" > ${folder}/asked`)
  const byUv = await venv([], { VIRTUAL_ENV: named, PATH: join(folder, 'uv') })
  t.is(byUv.code, 0, byUv.stderr)
  const asked = await readFile(join(folder, 'asked'), 'utf8')
  t.is(asked, `pip install --python ${named}/bin/python -r ${file}\n`)
  t.false(existsSync(join(folder, '.venv')))
  const plain = await venv([], { AMPHIS_PYTHON: await plainInterpreter() })
  t.is(plain.code, 0, plain.stderr)
  t.regex(plain.stdout, new RegExp(`is no virtual environment: installing ${file} is left to you\\.\n$`))
  t.false(existsSync(join(folder, '.venv')))
})

/** The interpreter that the suite's environment was made from. */
async function plainInterpreter(): Promise<string> {
  const path = "f'{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}'"
  return String(await evaluate(await realInterpreter(), path))
}

test('a folder without requirements gets an environment alone', async (t) => {
  const { folder, venv } = await project(t, undefined)
  await realEnvironment(join(folder, '.venv'))
  const { stdout, ...ended } = await venv()
  t.deepEqual(ended, { code: 0, signal: null, stderr: '' })
  t.regex(
    stdout,
    /^\S+\.venv: nothing to do, there is no \S+requirements\.txt; Python 3\.\S+, 0 packages, without uvloop.*\n$/,
  )
  const asked = await venv(['--requirements', 'dev.txt'])
  t.is(asked.code, 1)
  t.is(
    asked.stderr,
    `error: The file ${join(folder, 'dev.txt')} does not exist. Name the app's requirements with --requirements.\n`,
  )
})

test('says what is missing on the machine, and how to get it', async (t) => {
  const { folder, venv } = await project(t, '')
  const empty = join(folder, 'bin')
  await mkdir(empty)
  const none = await venv([], { PATH: empty })
  t.is(none.code, 1)
  t.regex(none.stderr, /^error: No Python was found: .*\n$/)

  // Debian's python3 without python3-venv.
  const debian = join(folder, 'debian/bin/python3.12')
  const { interpreter } = await fakeInstallation(join(folder, 'debian'), { facts: { executable: debian } })
  await rename(interpreter, `${interpreter}.answers`)
  const says = 'The virtual environment was not created successfully because ensurepip is not available.'
  const venvFails = `/bin/mkdir -p "$3"; echo "${says}"; exit 1`
  await scriptedInterpreter(debian, `case "$*" in "-m venv "*) ${venvFails};; esac; . "${debian}.answers"`)
  const lacking = await venv([], { PATH: join(folder, 'debian/bin') })
  t.is(lacking.code, 1)
  t.regex(
    lacking.stderr,
    /^error: .* cannot make a virtual environment without the module ensurepip\. On Debian and Ubuntu: apt install python3\.\d+-venv\n$/,
  )
  t.false(existsSync(join(folder, '.venv')), 'half an environment is left')

  await writeFile(join(folder, '.venv'), '')
  const taken = await venv(['--python', await realInterpreter()])
  t.is(taken.code, 1)
  t.regex(taken.stderr, /^error: .*\.venv is there and is no virtual environment\. Remove it, or move it away\.\n$/)
})

test('shows what pip says while it says it, plainly where nobody looks', async (t) => {
  const { folder } = await project(t, 'a-package\n')
  const installation = await fakeInstallation(join(folder, 'python'))
  await fakeEnvironment(join(folder, '.venv'), installation)
  const gate = join(folder, 'gate')
  // Says whether its output is a terminal, and waits.
  const installs = `echo "Collecting a-package $*"; if [ -t 1 ]; then echo "to a terminal"; fi; /bin/cat ${gate}; exit 0`
  await scriptedInterpreter(installation.interpreter, `case "$*" in *"import pip"*) exit 0;; esac; ${installs}`)
  const open = () => execFileSync('/bin/sh', ['-c', `echo opened > ${gate}`])
  execFileSync('mkfifo', [gate])

  const piped = amphisIn(BARE, t, 'venv', folder)
  await piped.prints('--progress-bar=off')
  open()
  const { code, stdout } = await piped.ends()
  t.is(code, 0, stdout)
  t.notRegex(stdout, /to a terminal/)
  t.regex(stdout, /opened\n.*\.venv is ready after \d+\.\d s: Python 3\.12\.1, 0 packages, without uvloop/)

  await writeFile(join(folder, 'requirements.txt'), 'another\n')
  const terminal = amphisInTerminal(t, ['venv', folder], { env: BARE })
  await terminal.prints('to a terminal')
  open()
  const seen = await terminal.ends()
  t.is(seen.code, 0)
  t.notRegex(seen.stdout, /--progress-bar/)
})

test('names uvloop where it is there', async (t) => {
  const { folder, venv } = await project(t, undefined)
  const installation = await fakeInstallation(join(folder, 'python'))
  const root = await fakeEnvironment(join(folder, '.venv'), installation)
  for (const name of ['uvloop-0.21.0', 'typing_extensions-4.15.0', 'pip-25.3', 'a-not-one']) {
    await mkdir(join(root, 'lib/python3.12/site-packages', name === 'a-not-one' ? name : `${name}.dist-info`))
  }
  t.regex((await venv()).stdout, /; Python 3\.12\.1, 3 packages, uvloop 0\.21\.0\n$/)
})

test('says so when no package index can be reached', async (t) => {
  const { folder, venv } = await project(t, 'a-package-that-nobody-has\n')
  const installation = await fakeInstallation(join(folder, 'python'))
  await fakeEnvironment(join(folder, '.venv'), installation)
  const says = "WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/"
  await scriptedInterpreter(
    installation.interpreter,
    `case "$*" in *import*) exit 0;; esac; echo "${says}" >&2; exit 1`,
  )
  const { code, stderr } = await venv()
  t.is(code, 1)
  t.regex(
    stderr,
    /\nerror: No package index can be reached, so .* is not installed\. Check the network, or the proxy in HTTPS_PROXY\.\n$/,
  )
})

test('arguments that are not understood are told, with exit code 2', async (t) => {
  for (const [args, says] of [
    [['--require'], '`amphis venv` has no option --require. `amphis venv --help` shows all there are.'],
    [['-r'], '-r needs a value: -r FILE.'],
  ] as const) {
    const { code, stderr } = await amphisIn(BARE, t, 'venv', ...args).ends()
    t.deepEqual({ code, stderr }, { code: 2, stderr: `error: ${says}\n` })
  }
  const nowhere = await amphisIn(BARE, t, 'venv', '/nowhere/at/all').ends()
  t.deepEqual(
    [nowhere.code, nowhere.stderr],
    [1, 'error: There is no folder /nowhere/at/all. Name the folder of the app.\n'],
  )
  t.regex((await amphisIn(BARE, t, 'venv', '--help').ends()).stdout, /^Usage: amphis venv /)
})
