import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { testWithEngine } from './helpers/engine.js'
import { amphisRun, start } from './helpers/plain-python.js'
import { fixtures } from './helpers/python.js'

// Runtimes in processes of their own: they do what others do, and nothing that they do hurts this process.

const folder = join(fixtures, 'js')

for (const file of ['test_calls.py', 'test_limits.py', 'test_values.py']) {
  testWithEngine(`pytest passes with runtimes in processes of their own: ${file}`, async (t) => {
    const args = [...amphisRun, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', join(folder, file)] as const
    const env = { RUNTIMES: 'processes' }
    const { code, signal, stdout, stderr } = await start(t, args, { stdin: '', cwd: folder, env }).ends()
    t.is(code, 0, `${signal ?? ''}${stdout}${stderr}`)
  })
}

testWithEngine('a busy runtime’s process ends with its parent, also where a fork holds its sockets', async (t) => {
  const parent = start(t, [...amphisRun, join(folder, 'orphan.py')], { stdin: '', cwd: folder })
  await parent.prints('running')
  const [process_ = 0, fork = 0] = parent.stdout.split(' ').map(Number)
  t.true(existsSync(`/proc/${process_}`))
  parent.child.kill('SIGKILL')
  try {
    const end = Date.now() + 20_000
    while (existsSync(`/proc/${process_}`) && Date.now() < end) await pause(20)
    t.false(existsSync(`/proc/${process_}`))
  } finally {
    process.kill(fork, 'SIGKILL')
  }
})
