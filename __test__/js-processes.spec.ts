import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { isThorough, testWithEngine } from './helpers/engine.js'
import { amphisRun, start } from './helpers/plain-python.js'
import { fixtures } from './helpers/python.js'

// Runtimes in processes of their own: they do what others do, and nothing that they do hurts this process.

const folder = join(fixtures, 'js')

for (const file of ['test_calls.py', 'test_limits.py', ...(isThorough ? ['test_values.py'] : [])]) {
  testWithEngine(`pytest passes with runtimes in processes of their own: ${file}`, async (t) => {
    const args = [...amphisRun, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', join(folder, file)] as const
    const env = { RUNTIMES: 'processes' }
    const { code, signal, stdout, stderr } = await start(t, args, { stdin: '', cwd: folder, env }).ends()
    t.is(code, 0, `${signal ?? ''}${stdout}${stderr}`)
  })
}

type Ended = [name: string, outcome: string, state: number | string, seconds: number]

for (const [file, what] of [
  ['slow.json', 'what V8 does not interrupt'],
  ...(isThorough ? [['hostile.json', 'what is hostile']] : []),
] as [string, string][]) {
  testWithEngine(`in a process of its own, ${what} ends in time, and in a typed error`, async (t) => {
    const args = [...amphisRun, join(folder, 'hostile.py'), 'processes', file] as const
    const { code, stdout, stderr } = await start(t, args, { stdin: '', cwd: folder }).ends()
    t.is(code, 0, stderr)
    const outcomes = JSON.parse(stdout) as Ended[]
    t.true(outcomes.length > 10)
    for (const [name, outcome, state, seconds] of outcomes) {
      const states = { RuntimeTerminated: ['ended'], JavaScriptTimeout: ['ended', 3] }[outcome] ?? [3]
      t.true(states.includes(state), `${name}: ${outcome}, ${state}`)
      if (file === 'slow.json') t.not(outcome, 'value', name)
      // Half a second is its timeout, and as much its time of grace; the rest is the machine's.
      t.true(seconds < 5, `${name}: ${seconds} s`)
    }
  })
}

testWithEngine('a busy runtime’s process ends with its parent, also where a fork holds its sockets', async (t) => {
  const parent = start(t, [...amphisRun, join(folder, 'orphan.py')], { stdin: '', cwd: folder })
  const [own = 0, fork = 0] = (await parent.printsLine(/\d+ \d+ running/)).split(' ').map(Number)
  t.true(existsSync(`/proc/${own}`))
  parent.child.kill('SIGKILL')
  try {
    const end = Date.now() + 20_000
    while (existsSync(`/proc/${own}`) && Date.now() < end) await pause(20)
    t.false(existsSync(`/proc/${own}`))
  } finally {
    process.kill(fork, 'SIGKILL')
  }
})
