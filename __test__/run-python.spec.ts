import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { pythonMinor, sameAsPython, scripts } from './helpers/plain-python.js'

/** How it has to end, where that is not only for python to say. */
type Expected = number | NodeJS.Signals

test('a script finds all that python gives it: arguments, paths, streams, flags, signals, environment', async (t) => {
  const { stdout } = await sameAsPython(t, { args: ['facts.py', 'a', '-b', '--python=c', '--env-file'] })
  const facts = JSON.parse(stdout) as { argv: string[]; path: string[] }
  t.deepEqual(facts.argv, ['facts.py', 'a', '-b', '--python=c', '--env-file'])
  t.is(facts.path[0], scripts)
})

for (const [title, args, env] of [
  ['-X dev', ['-X', 'dev', 'facts.py']],
  ['-u', ['-u', 'facts.py']],
  ['-OO -B', ['-OOB', 'facts.py']],
  ['-I', ['-I', 'facts.py']],
  ['-W', ['-W', 'error', '-Wignore::UserWarning', 'facts.py']],
  ['-X faulthandler', ['-Xfaulthandler', 'facts.py']],
  ['-S', ['-S', '-c', 'import sys; print(sys.path, [m for m in sys.modules if "amphis" not in m])']],
  ['PYTHON* variables', ['facts.py'], { PYTHONPATH: '/a:/b', PYTHONUNBUFFERED: '1', PYTHONWARNINGS: 'once' }],
  ['the C locale', ['facts.py'], { LC_ALL: 'C' }],
  ['the C locale, left as it is', ['facts.py'], { LC_ALL: 'C', PYTHONCOERCECLOCALE: '0', PYTHONUTF8: '0' }],
] as [string, string[], NodeJS.ProcessEnv?][]) {
  test(`${title} does to a script what it does under python`, async (t) => {
    await sameAsPython(t, { args, ...(env && { env }) })
  })
}

for (const [title, args, expected] of [
  ['without an error', ['falls_off'], 0],
  ['by sys.exit(3)', ['exit_number', '3'], 3],
  ['by a number above 255', ['exit_number', '263'], 7],
  ['by sys.exit of a text', ['exit_text'], 1],
  ['by sys.exit of an object', ['exit_object'], 1],
  ['by SystemExit', ['exit_none'], 0],
  ['by a subclass of SystemExit', ['exit_subclass'], 7],
  ['by quit()', ['quits'], 6],
  ['by os._exit', ['exit_os'], 5],
  ['by os.abort', ['aborts'], 'SIGABRT'],
  ['by an exception', ['uncaught'], 1],
  ['by KeyboardInterrupt', ['keyboard_interrupt'], 'SIGINT'],
  ['after a KeyboardInterrupt that it catches', ['interrupt_caught'], 9],
  ['by a SIGINT of its own', ['own_interrupt'], 'SIGINT'],
  ['by SIGTERM', ['killed', 'SIGTERM'], 'SIGTERM'],
  ['by SIGHUP', ['killed', 'SIGHUP'], 'SIGHUP'],
  ['by SIGUSR1, which is not for the inspector', ['killed', 'SIGUSR1'], 'SIGUSR1'],
  ['by SIGALRM raised in itself', ['raised', 'SIGALRM'], 'SIGALRM'],
  ['by SIGSEGV', ['killed', 'SIGSEGV'], 'SIGSEGV'],
  ['after SystemExit in a thread', ['thread_exits'], 0],
  ['after an exception in a thread', ['thread_raises'], 0],
  ['by sys.exit with a thread to be joined', ['exit_with_threads'], 4],
  ['by sys.exit beside busy daemon threads', ['exit_with_daemon'], 8],
  ['with SystemExit in atexit', ['exit_in_atexit'], 0],
  ['with an error in atexit', ['error_in_atexit'], 0],
  ['with a SIGINT in atexit', ['interrupt_in_atexit'], 0],
  ['with finalizers', ['finalizers'], 0],
  ['with an error in a finalizer', ['error_in_del'], 0],
  ['having closed stdout', ['closed_stdout'], 0],
  ['by its excepthook', ['hook'], 1],
  ['by sys.exit in its excepthook', ['hook_exits'], 11],
] as [string, string[], Expected][]) {
  test(`a script ends ${title}`, async (t) => {
    const { code, signal, stderr } = await sameAsPython(t, { args: ['exits.py', ...args] })
    t.is(signal ?? code, expected, stderr)
  })
}

for (const way of [
  'nested',
  'cause',
  'notes',
  'group',
  'syntax',
  'missing_module',
  'failing_module',
  'broken_extension',
  'bad_signal',
  'handler_raises',
  'unicode',
]) {
  test(`the traceback of ${way} has no frame that python’s has not`, async (t) => {
    const { code, stderr } = await sameAsPython(t, { args: ['tracebacks.py', way] })
    t.is(code, 1)
    t.true(stderr.includes('Traceback (most recent call last):\n'))
  })
}

test('a recursion without end is a RecursionError', async (t) => {
  const { stderr } = await sameAsPython(t, { args: ['tracebacks.py', 'recursion'] })
  t.true(stderr.includes('RecursionError'))
})

const lines = 'Ada\nLovelace\n\u00e4'
for (const [title, way, stdin] of [
  ['input()', 'input', lines],
  ['input() at the end', 'eof', lines],
  ['sys.stdin.read()', 'read', lines],
  ['lines', 'lines', lines],
  ['bytes that are no text', 'bytes', Buffer.from([0, 255, 10, 13, 128])],
  ['buffer, raw file and text in turn', 'some', lines],
  ['megabytes', 'size', 'x'.repeat(3_000_000)],
] as [string, string, string | Buffer][]) {
  test(`a pipe is read: ${title}`, async (t) => {
    await sameAsPython(t, { args: ['reads.py', way], stdin })
  })
}

for (const [title, way, env] of [
  ['text beyond ASCII', 'text'],
  ['text that has no encoding', 'surrogate'],
  ['another encoding', 'text', { PYTHONIOENCODING: 'latin-1:backslashreplace' }],
  ['stdout and stderr', 'both'],
  ['text and raw bytes', 'raw'],
  ['what the C library has buffered', 'printf'],
] as [string, string, NodeJS.ProcessEnv?][]) {
  test(`output arrives as python writes it: ${title}`, async (t) => {
    await sameAsPython(t, { args: ['prints.py', way], ...(env && { env }) })
  })
}

for (const method of ['spawn', 'fork', 'forkserver']) {
  test(`multiprocessing works by ${method}, with functions and classes of __main__`, async (t) => {
    const { code, stdout } = await sameAsPython(t, { args: ['processes.py', method] })
    t.is(code, 0)
    t.true(stdout.includes('__main__.Point(10, 12)'), stdout)
  })
}

test('os.fork, pty.fork: both sides go on and end as they should, without a warning of threads', async (t) => {
  const { code, stdout } = await sameAsPython(t, { args: ['forks.py'] })
  t.is(code, 0, stdout)
})

test('subprocess: children get the streams, signals and folders that python gives them', async (t) => {
  const { code } = await sameAsPython(t, { args: ['children.py'] })
  t.is(code, 17)
})

for (const loop of ['asyncio', 'uvloop']) {
  test(`asyncio.run on ${loop}: children, signals, threads, sockets`, async (t) => {
    const { code, stdout, stderr } = await sameAsPython(t, { args: ['loops.py', loop] })
    t.is(code, 0, stderr)
    t.true(stdout.endsWith('done\n'))
  })

  test(`SIGINT cancels the main task on ${loop}, and ends the process`, async (t) => {
    // Python 3.10 raises KeyboardInterrupt wherever its loop is when the signal is seen, which the operating system decides.
    const step = / {2}File "[^"]*", line \d+, in (?:_run_once|_run|select)\n[^\n]*\n/g
    const args = ['loops.py', loop, 'interrupt']
    const { signal, stderr } = await sameAsPython(t, pythonMinor() < 11 ? { args, less: step } : { args })
    t.is(signal, 'SIGINT', stderr)
  })
}

test('a crash is reported by faulthandler, and is the process’ end', async (t) => {
  const args = ['-X', 'faulthandler', '-c', 'import ctypes; ctypes.string_at(0)']
  const { signal } = await sameAsPython(t, { args })
  t.is(signal, 'SIGSEGV')
})

for (const [title, args, expected, stdin] of [
  ['a module', ['-m', 'package', 'a', '-m'], 3],
  ['a module of the standard library', ['-m', 'json.tool'], 0, '{"a": [1]}'],
  ['a module that is missing', ['-m', 'package.missing'], 1],
  ['a package’s folder', ['package', 'x'], 1],
  ['a folder', ['folder', 'y'], 1],
  ['a command', ['-c', 'import sys; print(sys.argv, sys.path[0])', 'a', '-c'], 0],
  ['a command behind other options', ['-Bcimport sys; print(sys.argv)', 'a'], 0],
  ['a script on standard input', ['-', 'a'], 1, 'import sys\nprint(sys.argv, __name__)\n1/0'],
  ['a script on standard input without a name', [], 5, 'print(__name__)\nraise SystemExit(5)'],
  ['a script and then what is on standard input', ['-i', 'exits.py', 'uncaught'], 4, 'import sys\nsys.exit(4)\n'],
  ['a script that is missing', ['missing.py'], 2],
  ['a folder without __main__', ['.'], 1],
  ['an option that there is not', ['--pyton', 'facts.py'], 2],
  ['an option without its value', ['-c'], 2],
  ['the version', ['-VV'], 0],
] as [string, string[], number, string?][]) {
  test(`it runs ${title}`, async (t) => {
    const { code, stdout, stderr } = await sameAsPython(t, { args, ...(stdin !== undefined && { stdin }) })
    t.is(code, expected, stdout + stderr)
  })
}

test('a script is found through a symbolic link, and its own folder is the first of sys.path', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await symlink(join(scripts, 'facts.py'), join(folder, 'link.py'))
  const { stdout } = await sameAsPython(t, { args: ['link.py'], cwd: folder })
  t.is((JSON.parse(stdout) as { path: string[] }).path[0], scripts)
})

test('extension modules have their own libraries: ssl, sqlite3, zlib, numpy', async (t) => {
  const code = `
import bz2, ctypes, decimal, hashlib, lzma, sqlite3, ssl, zlib
import numpy
print(ssl.OPENSSL_VERSION, sqlite3.sqlite_version, zlib.ZLIB_RUNTIME_VERSION)
print(zlib.decompress(zlib.compress(b"x" * 1000)) == b"x" * 1000, hashlib.new("sha3_256", b"").hexdigest())
print(numpy.linalg.inv(numpy.eye(3) * 2), numpy.fft.fft([1, 2, 3]))
`
  const { stderr } = await sameAsPython(t, { args: ['-c', code] })
  t.is(stderr, '')
})
