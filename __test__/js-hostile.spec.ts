import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { amphisRun, start } from './helpers/plain-python.js'
import { fixtures } from './helpers/python.js'
import { snapshots, testWithEngine } from './helpers/engine.js'

// Each hostile program runs in a process of its own, which must live, and ends in a typed error or a value.

const folder = join(fixtures, 'js')
const programs = JSON.parse(readFileSync(join(folder, 'hostile.json'), 'utf8')) as [string, string, string][]

for (const snapshot of snapshots) {
  testWithEngine(`no hostile program ends the process, or lasts (${snapshot}'s snapshot)`, async (t) => {
    for (const [number, [name, , expected]] of programs.entries()) {
      const { code, signal, stdout, stderr } = await start(
        t,
        [...amphisRun, join(folder, 'hostile.py'), String(number)],
        { stdin: '', cwd: folder, env: { AMPHIS_JS_SNAPSHOT: snapshot } },
      ).ends()
      t.is(code, 0, `${name}: ${signal ?? ''} ${stderr}`)
      const [outcome, state] = JSON.parse(stdout || '[]') as [string, number | string]
      t.true(expected.split('|').includes(outcome), `${name}: ${outcome}`)
      // What has met its deadline may have filled the heap as well.
      const states = { RuntimeTerminated: ['ended'], JavaScriptTimeout: ['ended', 3] }[outcome] ?? [3]
      t.true(states.includes(state), `${name}: ${state}`)
    }
  })
}

test('every hostile program has a name of its own', (t) => {
  t.is(new Set(programs.map(([name]) => name)).size, programs.length)
})
