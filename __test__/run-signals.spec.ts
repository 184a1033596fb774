import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { amphisRun, start } from './helpers/plain-python.js'
import { interpreter } from './helpers/python.js'

/** Waits until a thread sleeps in the kernel: Python sleeps on when a signal comes right before that. */
async function untilAsleep(pid: number, thread: string): Promise<void> {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8')
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('S')) return
  }
}

/** Sends `signals.py` the signals that it asks for; gives what it said, and how it ended. */
async function converse(t: ExecutionContext, command: readonly [string, ...string[]], args: readonly string[]) {
  const script = start(t, [...command, 'signals.py', ...args], { stdin: '' })
  const pid = script.child.pid!
  const said: string[] = []
  let thread = ''
  for await (const line of createInterface(script.child.stdout)) {
    const [first = '', second = '', third] = line.split(' ')
    if (first === 'thread') {
      thread = second
      continue
    }
    said.push(line)
    if (third === 'now') {
      if (second === 'sleeps') await untilAsleep(pid, thread)
      process.kill(pid, first)
    }
  }
  const { code, signal, stderr } = await script.ends()
  return { code, signal, stderr, said }
}

for (const [title, args] of [
  ['alone', []],
  ['beside another thread', ['beside']],
] as const) {
  test.serial(`Python's own handlers run at once in its main thread, ${title}`, async (t) => {
    const expected = await converse(t, [interpreter], args)
    t.deepEqual(await converse(t, amphisRun, args), expected)
    const usr1 = ['SIGUSR1 sleeps now', "SIGUSR1 Called('SIGUSR1', 'MainThread')"]
    t.deepEqual(expected.said.slice(5, 7), usr1, expected.stderr)
    t.is(expected.said.at(-1), 'raised KeyboardInterrupt()')
    t.regex(expected.stderr, /^Traceback[^]*\nKeyboardInterrupt\n$/)
    // By the signal, so that a shell knows.
    t.is(expected.signal, 'SIGINT')
  })
}
