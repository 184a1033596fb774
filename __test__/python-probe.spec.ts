import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { AmphisError } from '../lib/base/errors.js'
import { probeInterpreter } from '../lib/python/probe.js'
import {
  answeringInterpreter,
  evaluate,
  realInterpreter,
  scriptedInterpreter,
  temporaryFolder,
} from './helpers/fake-python.js'

const run = promisify(execFile)

/** Asks an interpreter that is a script. */
async function ask(t: ExecutionContext, script: string, timeout?: number) {
  const folder = await temporaryFolder(t)
  const path = await scriptedInterpreter(join(folder, 'python'), script)
  return probeInterpreter(path, { subject: 'Python (from PATH)', env: {}, cwd: folder, timeout })
}

async function startFails(t: ExecutionContext, script: string, words: RegExp, timeout?: number): Promise<AmphisError> {
  const error = await t.throwsAsync<AmphisError>(ask(t, script, timeout), { instanceOf: AmphisError })
  t.is(error.code, 'AMPHIS_ERR_PYTHON_START')
  t.regex(error.message, /^Python \(from PATH\) /)
  t.regex(error.message, words)
  t.regex(error.message, /AMPHIS_PYTHON\.$/)
  return error
}

test('learns from a real interpreter what its own sysconfig says', async (t) => {
  const executable = (await evaluate(await realInterpreter(), 'sys.executable')) as string
  const facts = await probeInterpreter(executable, { subject: 'Python', env: process.env, cwd: undefined })
  const expression = `{
    'implementation': sys.implementation.name,
    'version': sys.version_info[:3],
    'executable': sys.executable,
    'basePrefix': sys.base_prefix,
    'libdir': sysconfig.get_config_var('LIBDIR'),
    'instsoname': sysconfig.get_config_var('INSTSONAME'),
    'ldlibrary': sysconfig.get_config_var('LDLIBRARY')
  }`
  t.like(facts, (await evaluate(executable, expression)) as object)
  t.false(facts.freeThreaded)
})

test('is not disturbed by PYTHON variables, by modules of the same names, or by site customisation', async (t) => {
  const folder = await temporaryFolder(t)
  const executable = (await evaluate(await realInterpreter(), 'sys.executable')) as string
  for (const module of ['json', 'sysconfig', 'sitecustomize']) {
    await scriptedInterpreter(join(folder, `${module}.py`), 'raise SystemExit(3)')
  }
  const env = { ...process.env, PYTHONPATH: folder, PYTHONHOME: '/nowhere', PYTHONVERBOSE: '1', PYTHONINSPECT: '1' }
  const facts = await probeInterpreter(executable, { subject: 'Python', env, cwd: folder })
  t.is(facts.executable, executable)
})

test('finds the answer among what a wrapper prints', async (t) => {
  const folder = await temporaryFolder(t)
  const real = await answeringInterpreter(join(folder, 'bin', 'python'))
  const facts = await ask(t, `echo Welcome!; echo warning >&2; '${real}'; echo Bye.`)
  t.is(basename(facts.executable), 'python')
})

test('does not wait for a wrapper that reads its standard input', async (t) => {
  const folder = await temporaryFolder(t)
  const real = await answeringInterpreter(join(folder, 'bin', 'python'))
  const facts = await ask(t, `read line; exec '${real}'`)
  t.is(facts.executable, real)
})

test('gives up an interpreter that hangs, kills it, and lets Node.js go on meanwhile', async (t) => {
  const folder = await temporaryFolder(t)
  const notes = join(folder, 'pid')
  let ticks = 0
  const ticking = setInterval(() => (ticks += 1), 1)
  const error = await startFails(t, `echo $$ > '${notes}'; exec /bin/sleep 60`, /did not answer within 500 ms/, 500)
  clearInterval(ticking)
  t.true(error.cause instanceof Error)
  t.true(ticks > 10, `${ticks} ticks in 500 ms`)
  const pid = Number(await readFile(notes, 'utf8'))
  const isAlive = () => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  // Reaped within a few turns of the event loop; the test's own time limit ends this otherwise.
  while (isAlive()) {
    await setImmediate()
  }
  t.pass()
})

test('gives an exit code with the words that say why', async (t) => {
  const missing = 'echo "pyenv: python3: command not found" >&2; echo \'The command exists in:\' >&2; exit 127'
  const error = await startFails(t, missing, /exit code 127 and said: pyenv: python3: command not found\. Check/)
  t.regex((error.cause as Error).message, /The command exists in:/)

  const traceback = "echo 'Traceback (most recent call last):' >&2; echo 'ImportError: no json' >&2; exit 1"
  await startFails(t, traceback, /exit code 1 and said: ImportError: no json\. Check/)

  const fatal = "echo 'Python path configuration:' >&2; echo 'Fatal Python error: init_fs_encoding: failed' >&2; exit 1"
  await startFails(t, fatal, /said: Fatal Python error: init_fs_encoding: failed\. Check/)

  await startFails(t, 'exit 9', /ended with exit code 9\. Check/)
})

test('shows at most some hundred characters of what a crash said', async (t) => {
  const flood = 'i=0; while [ $i -lt 200 ]; do printf 0123456789 >&2; i=$((i+1)); done; exit 1'
  const error = await startFails(t, flood, /0123456789…/)
  t.true(error.message.length < 600)
})

test('tells a crash by its signal', async (t) => {
  await startFails(t, 'kill -SEGV $$', /was killed by SIGSEGV\. Check/)
})

test('refuses junk, half an answer, and answers of the wrong shape', async (t) => {
  const words = /does not answer as a Python interpreter does/
  await startFails(t, 'exit 0', words)
  const error = await startFails(t, 'echo I am a teapot', words)
  t.regex((error.cause as Error).message, /I am a teapot/)
  await startFails(t, `echo 'amphis-python-facts:{"implementation": "cpy'`, words)
  await startFails(t, "echo 'amphis-python-facts:null'", words)
  await startFails(t, `echo 'amphis-python-facts:{"implementation": "cpython", "version": "3.12"}'`, words)
})

test('stops an interpreter that prints without end', async (t) => {
  await startFails(t, 'while :; do echo 0123456789012345678901234567890123456789; done', /does not answer as a Python/)
})

test('says so when the file cannot be run', async (t) => {
  const folder = await temporaryFolder(t)
  const options = { subject: 'Python (from PATH)', env: {}, cwd: folder }
  const error = await t.throwsAsync<AmphisError>(probeInterpreter(join(folder, 'missing'), options))
  t.is(error.code, 'AMPHIS_ERR_PYTHON_START')
  t.regex(error.message, /cannot be run \(ENOENT\)/)
})

test('prints nothing of what an interpreter complains about', async (t) => {
  const folder = await temporaryFolder(t)
  const real = await answeringInterpreter(join(folder, 'bin', 'python'))
  const noisy = await scriptedInterpreter(join(folder, 'noisy'), `echo noise >&2; echo noise; exec '${real}'`)
  const module = new URL('../lib/python/probe.ts', import.meta.url).href
  const options = JSON.stringify({ subject: 'Python', env: {} })
  const script = `await (await import('${module}')).probeInterpreter(${JSON.stringify(noisy)}, ${options})`
  const args = [...process.execArgv, '--input-type=module', '--eval', script]
  const { stdout, stderr } = await run(process.execPath, args)
  t.is(stdout, '')
  t.is(stderr, '')
})
