import type { ExecFileException } from 'node:child_process'
import { AmphisError } from '../base/errors.js'

/** What an interpreter tells about itself. */
export interface InterpreterFacts {
  /** `sys.implementation.name`: `cpython`, `pypy`, … */
  implementation: string
  version: readonly [number, number, number]
  /** `sys.executable`: the real one when a shim or wrapper was asked. */
  executable: string
  /** Folder of the installation itself, never of a virtual environment. */
  basePrefix: string
  /** Built without a GIL. */
  freeThreaded: boolean
  /** Configured with `--enable-shared`. */
  enableShared: boolean
  /** Folder where the build put its library. */
  libdir: string
  /** Debian's name of the architecture's folder: `x86_64-linux-gnu`. */
  multiarch: string
  /** File name of the shared library as programs ask for it: `libpython3.11.so.1.0`. */
  instsoname: string
  /** File that programs are linked with: `libpython3.11.so`, `Python.framework/Versions/3.11/Python`, or a `.a`. */
  ldlibrary: string
  /** Folder of `Python.framework` in framework builds of macOS. */
  frameworkPrefix: string
}

const MARKER = 'amphis-python-facts:'
const DEFAULT_TIMEOUT = 10_000
const WORDS_SHOWN = 300

// Runs on every Python 3, and on PyPy: what is too old or not CPython has to be able to say so.
const SCRIPT = `
import json, sys, sysconfig
var = sysconfig.get_config_var
text = lambda name: var(name) if isinstance(var(name), str) else ''
print(${JSON.stringify(MARKER)} + json.dumps({
    'implementation': sys.implementation.name,
    'version': list(sys.version_info[:3]),
    'executable': sys.executable or '',
    'basePrefix': sys.base_prefix,
    'freeThreaded': bool(var('Py_GIL_DISABLED')),
    'enableShared': bool(var('Py_ENABLE_SHARED') or text('PYTHONFRAMEWORK')),
    'libdir': text('LIBDIR'),
    'multiarch': text('MULTIARCH'),
    'instsoname': text('INSTSONAME'),
    'ldlibrary': text('LDLIBRARY'),
    'frameworkPrefix': text('PYTHONFRAMEWORKPREFIX'),
}))
`

const STRINGS = [
  'implementation',
  'executable',
  'basePrefix',
  'libdir',
  'multiarch',
  'instsoname',
  'ldlibrary',
  'frameworkPrefix',
] as const

function isFacts(value: unknown): value is InterpreterFacts {
  if (typeof value !== 'object' || value === null) {
    return false
  }
  const facts = value as Record<string, unknown>
  return (
    STRINGS.every((name) => typeof facts[name] === 'string') &&
    typeof facts.freeThreaded === 'boolean' &&
    typeof facts.enableShared === 'boolean' &&
    Array.isArray(facts.version) &&
    facts.version.length === 3 &&
    facts.version.every((part) => Number.isInteger(part))
  )
}

/** The answer among whatever else a wrapper script printed. */
function parseFacts(stdout: string): InterpreterFacts | undefined {
  const line = stdout.split('\n').findLast((candidate) => candidate.startsWith(MARKER))
  if (line === undefined) {
    return undefined
  }
  try {
    const facts: unknown = JSON.parse(line.slice(MARKER.length))
    return isFacts(facts) ? facts : undefined
  } catch {
    return undefined
  }
}

/** The one line of an interpreter's or a shim's complaint that says what is the matter. */
function essence(stderr: string): string {
  const lines = stderr.split('\n').flatMap((line) => line.trim() || [])
  const line =
    lines.find((candidate) => candidate.startsWith('Fatal Python error')) ??
    // Python ends with the error, everyone else begins with it.
    (lines.some((candidate) => candidate.startsWith('Traceback (')) ? lines.at(-1) : lines[0]) ??
    ''
  return line.length > WORDS_SHOWN ? `${line.slice(0, WORDS_SHOWN)}…` : line.replace(/[.:]+$/, '')
}

interface ProbeOptions {
  /** The interpreter in messages: its path and where that came from. */
  subject: string
  env: NodeJS.ProcessEnv
  cwd: string | undefined
  /** @default 10_000 */
  timeout?: number | undefined
}

function failure(error: ExecFileException, stderr: string, { subject, timeout = DEFAULT_TIMEOUT }: ProbeOptions) {
  const remedy = 'Check that it runs in a terminal, or choose another Python with option python or AMPHIS_PYTHON.'
  const start = (what: string) =>
    new AmphisError('AMPHIS_ERR_PYTHON_START', `${subject} ${what}. ${remedy}`, {
      cause: stderr.trim() === '' ? error : new Error(stderr.trim()),
    })
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return start('does not answer as a Python interpreter does')
  }
  if (typeof error.code === 'string') {
    return start(`cannot be run (${error.code})`)
  }
  if (error.killed) {
    return start(`did not answer within ${timeout} ms`)
  }
  // Python 2 has no -I, and the newest Python that lacks it is 3.3.
  if (stderr.includes('Unknown option: -I')) {
    return new AmphisError(
      'AMPHIS_ERR_PYTHON_VERSION',
      `${subject} is far older than Python 3.10, the oldest that amphis runs. ` +
        'Choose a newer one with option python or AMPHIS_PYTHON.',
      { cause: error },
    )
  }
  const said = essence(stderr)
  const how = error.signal ? `was killed by ${error.signal}` : `ended with exit code ${error.code}`
  return start(said === '' ? how : `${how} and said: ${said}`)
}

/**
 * Asks an interpreter what it is, in a process of its own.
 *
 * `-I -S` keeps the user's packages, `.pth` files and `PYTHON*` variables out of it: they cost time and may print.
 *
 * @throws {AmphisError} `AMPHIS_ERR_PYTHON_START` when it does not run, hangs, crashes or answers something else;
 *   `AMPHIS_ERR_PYTHON_VERSION` when it is too old to understand the question.
 */
export async function probeInterpreter(executable: string, options: ProbeOptions): Promise<InterpreterFacts> {
  const { subject, cwd, timeout = DEFAULT_TIMEOUT } = options
  const env = { ...options.env }
  // Set by the launcher of macOS's framework builds for its own child; here it would name another interpreter.
  delete env.__PYVENV_LAUNCHER__
  // Most environments are known from their files.
  const { execFile } = await import('node:child_process')
  return new Promise((resolve, reject) => {
    const child = execFile(
      executable,
      ['-I', '-S', '-c', SCRIPT],
      { cwd, env, timeout, killSignal: 'SIGKILL', encoding: 'utf8', maxBuffer: 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error !== null) {
          reject(failure(error, stderr, options))
          return
        }
        const facts = parseFacts(stdout)
        if (facts === undefined) {
          reject(
            new AmphisError(
              'AMPHIS_ERR_PYTHON_START',
              `${subject} does not answer as a Python interpreter does. ` +
                'Check what it is, or choose another Python with option python or AMPHIS_PYTHON.',
              { cause: new Error(`It printed: ${JSON.stringify(stdout.slice(0, WORDS_SHOWN))}`) },
            ),
          )
          return
        }
        resolve(facts)
      },
    )
    // A wrapper that reads its standard input must not wait for ours.
    child.stdin?.on('error', () => {})
    child.stdin?.end()
  })
}
