import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { request } from './helpers/client.js'
import { program, serveByCommand, suite } from './helpers/command-line.js'
import { NodeProcess } from './helpers/node-process.js'
import { fixtures, interpreter } from './helpers/python.js'

for (const [what, processes, args] of [
  ['one process', 1, []],
  ['workers', 2, ['--workers', '2']],
] as const) {
  test(`shuts the app down when the terminal of ${what} is closed`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const marks = join(folder, 'marks')
    const command = [process.execPath, program, 'production:app', '--port', '0', ...suite, ...args]
    const child = spawn(interpreter, [join(fixtures, 'hang_up.py'), ...command], {
      cwd: fixtures,
      env: { ...process.env, NODE_OPTIONS: undefined, SHUTDOWN_MARKS: marks },
    })
    t.teardown(() => child.kill('SIGKILL'))
    const { stdout } = await new NodeProcess(child, 'now').ends()
    // As if nobody had heard of it, but in good order.
    t.is(stdout, 'SIGHUP\n')
    t.is(new Set((await readFile(marks, 'utf8')).trim().split('\n')).size, processes)
  })
}

test('SIGHUP without a terminal leaves one process serving, and says what it is for', async (t) => {
  const { process: served, url } = await serveByCommand(t, 'production:app')
  served.child.kill('SIGHUP')
  await served.prints('SIGHUP has workers replaced, and there are none. Start with --workers 2')
  t.is((await request(`${url}/pid`)).text, String(served.child.pid))
  served.child.kill('SIGTERM')
  t.is((await served.ends()).code, 0)
})
