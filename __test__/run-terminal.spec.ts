import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { amphisRun, plainEnvironment, pythonMinor, scripts } from './helpers/plain-python.js'
import { runInTerminal, type Terminal } from './helpers/pseudo-terminal.js'
import { interpreter } from './helpers/python.js'

/** What a person does: waits for a text, or types one. */
type Step = { sees: string } | { types: string }

const sees = (text: string): Step => ({ sees: text })
const types = (text: string): Step => ({ types: text })

const home = await mkdtemp(join(tmpdir(), 'amphis-'))
test.after.always(() => rm(home, { recursive: true }))

const env = {
  ...plainEnvironment(),
  PYTHON_BASIC_REPL: '1',
  PYTHON_COLORS: '0',
  // Its own, so that nobody's history is read or written.
  HOME: home,
  PYTHON_HISTORY: '/dev/null',
}

function inTerminal(t: ExecutionContext, command: readonly [string, ...string[]]): Terminal {
  return runInTerminal(t, command, { cwd: scripts, env })
}

/** Waits for texts that come one after the other. */
class Watcher {
  #seen = ''
  #over = false
  #wake: () => void = () => {}

  constructor(terminal: Terminal) {
    terminal.child.stdout.on('data', (text: string) => {
      this.#seen += text
      this.#wake()
    })
    terminal.child.stdout.on('end', () => {
      this.#over = true
      this.#wake()
    })
  }

  async sees(text: string): Promise<void> {
    while (!this.#seen.includes(text)) {
      if (this.#over) throw new Error(`it ended before it showed "${text}": ${this.#seen}`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    this.#seen = this.#seen.slice(this.#seen.indexOf(text) + text.length)
  }
}

async function converse(t: ExecutionContext, command: readonly [string, ...string[]], steps: readonly Step[]) {
  const terminal = inTerminal(t, command)
  const watcher = new Watcher(terminal)
  for (const step of steps) {
    if ('types' in step) terminal.type(step.types)
    else await watcher.sees(step.sees)
  }
  return terminal.ends()
}

/** Has the same conversation with both, and asserts that they look the same. */
async function sameInTerminal(t: ExecutionContext, args: readonly string[], steps: readonly Step[]) {
  const [expected, actual] = await Promise.all(
    [[interpreter] as const, amphisRun].map((command) => converse(t, [...command, ...args], steps)),
  )
  const { code, signal, stdout } = expected!
  t.deepEqual({ code: actual!.code, signal: actual!.signal, stdout: actual!.stdout }, { code, signal, stdout })
  return expected!
}

// Side by side they would wait for each other's turn at the processors.
test.serial('a script in a terminal knows it, and its size', async (t) => {
  const { stdout } = await sameInTerminal(t, ['terminal.py', 'facts'], [])
  t.true(stdout.includes('columns=200, lines=50'), stdout)
})

test.serial('input() takes a line, with and without readline, with its keys and its history', async (t) => {
  await sameInTerminal(t, ['terminal.py', 'asks'], [sees('name? '), types('Adx\x7fa\r'), sees("'Ada'")])
  const { stdout } = await sameInTerminal(
    t,
    ['terminal.py', 'asks', 'twice'],
    [sees('name? '), types('da\x01A\r'), sees("'Ada'"), sees('name? '), types('\x1b[A!\r'), sees("'Ada!'")],
  )
  t.true(stdout.includes("'Ada!'"))
})

test.serial('Ctrl+C in input() is a KeyboardInterrupt, Ctrl+D an EOFError', async (t) => {
  const ask = ['terminal.py', 'asks', 'waits']
  const interrupted = await sameInTerminal(t, ask, [sees('now\r\n'), types('ab\x03')])
  t.is(interrupted.signal, 'SIGINT')
  const steps = [sees('now\r\n'), types('ab\x03'), sees('again? '), types('Ada\r')]
  t.is((await sameInTerminal(t, [...ask, 'again'], steps)).code, 0)
  const ended = await sameInTerminal(t, ['terminal.py', 'asks'], [sees('name? '), types('\x04')])
  t.true(ended.stdout.includes('EOFError'))
})

test.serial('sys.stdin is read to its end, which is Ctrl+D', async (t) => {
  const { stdout } = await sameInTerminal(t, ['terminal.py', 'reads'], [sees('reads\r\n'), types('a\rb\r\x04')])
  t.true(stdout.includes(String.raw`'a\nb\n'`))
})

for (const [title, way] of [
  ['sleeps', 'sleeps'],
  ['computes', 'computes'],
  ['waits for another thread', 'waits'],
  ['runs asyncio', 'asyncio'],
  ['runs uvloop', 'uvloop'],
  ['waits for a child process', 'child'],
  ['has forked', 'fork'],
] as const) {
  test.serial(`Ctrl+C ends a script that ${title}, as a shell expects it`, async (t) => {
    const ends = [[interpreter] as const, amphisRun].map(async (command) => {
      const steps = [sees('now\r\n'), types('\x03')]
      return converse(t, [...command, 'terminal.py', way], steps)
    })
    for (const { signal, stdout } of await Promise.all(ends)) {
      t.is(signal, 'SIGINT', stdout)
      t.true(stdout.includes('KeyboardInterrupt'), stdout)
    }
  })
}

test.serial('Ctrl+\\ ends a script by SIGQUIT', async (t) => {
  const { signal } = await sameInTerminal(t, ['terminal.py', 'sleeps'], [sees('now\r\n'), types('\x1c')])
  t.is(signal, 'SIGQUIT')
})

test.serial('SIGWINCH tells of another size of the terminal', async (t) => {
  const { stdout } = await sameInTerminal(t, ['terminal.py', 'resizes'], [])
  t.true(stdout.includes('columns=60, lines=20'), stdout)
})

test.serial('Python asks for code without a script, and after one with -i', async (t) => {
  const steps = [
    sees('>>> '),
    types('1 + 1\r'),
    sees('2\r\n>>> '),
    types('1 / 0\r'),
    sees('by zero\r\n>>> '),
    types('raise KeyboardInterrupt\r'),
    sees('KeyboardInterrupt\r\n>>> '),
    types('exit(3)\r'),
  ]
  const { code, signal } = await sameInTerminal(t, ['-q'], steps)
  // From Python 3.14 on a KeyboardInterrupt at the prompt decides the end, whatever exit() is given.
  t.is(code ?? signal, pythonMinor() < 14 ? 3 : 'SIGINT')
  const inspecting = [sees('>>> '), types('x + 1\r'), sees('8\r\n>>> '), types('\x04')]
  t.is((await sameInTerminal(t, ['-i', '-c', 'x = 7'], inspecting)).code, 0)
})

test.serial('pdb debugs a script', async (t) => {
  const steps = [sees('(Pdb) '), types('p 5 + 5\r'), sees('10\r\n(Pdb) '), types('c\r')]
  const { stdout } = await sameInTerminal(t, ['terminal.py', 'breaks'], steps)
  t.true(stdout.includes('goes on'), stdout)
})

test.serial('a password is asked for without an echo, and what a script sets up in the terminal stays', async (t) => {
  const steps = [sees('Password: '), types('secret\r')]
  const { stdout } = await sameInTerminal(t, ['terminal.py', 'password'], steps)
  t.false(stdout.replace("'secret'", '').includes('secret'), stdout)

  const shell = (command: readonly string[]): [string, string, string] => {
    const words = [...command, 'terminal.py', 'silences'].map((word) => `'${word}'`)
    return ['sh', '-c', `${words.join(' ')}; stty -a | tr ' ' '\\n' | grep '^-*echo$'`]
  }
  for (const command of [[interpreter], amphisRun]) {
    t.is((await converse(t, shell(command), [])).stdout, '-echo\r\n')
  }
})

test.serial('a shell stops it with Ctrl+Z and goes on with fg, and is told its exit code', async (t) => {
  const { code, stdout } = await converse(
    t,
    ['bash', '--norc', '--noprofile', '-i'],
    [
      types(`PS1='$ '; run() { ${amphisRun.map((word) => `'${word}'`).join(' ')} terminal.py "$@"; }\r`),
      types('run stops\r'),
      sees('now\r\n'),
      types('\x1a'),
      sees('Stopped'),
      types('echo "status $?"; fg\r'),
      sees('status 148'),
      sees('goes on\r\n'),
      types('echo "status $?"; run sleeps\r'),
      sees('status 5'),
      sees('now\r\n'),
      types('\x03'),
      sees('KeyboardInterrupt'),
      types('echo "status $?"\r'),
      sees('status 130'),
      types('exit 0\r'),
    ],
  )
  t.is(code, 0, stdout)
})
