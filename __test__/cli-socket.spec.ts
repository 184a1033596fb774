import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ServeError } from '../lib/cli/errors/serve-error.js'
import { inheritedSocket } from '../lib/cli/listen/socket-activation.js'
import { request } from './helpers/client.js'
import { amphisEnds, announced, program, suite } from './helpers/command-line.js'
import { NodeProcess } from './helpers/node-process.js'
import { fixtures, interpreter } from './helpers/python.js'
import { pids } from './helpers/worker-pids.js'

/** A command that inherits a listening socket: see `fixtures/socket_parent.py`. */
function amphisInherits(t: ExecutionContext, address: string, descriptor: number | 'activate', ...args: string[]) {
  const script = [join(fixtures, 'socket_parent.py'), address, String(descriptor)]
  const child = spawn(interpreter, [...script, process.execPath, program, 'production:app', ...suite, ...args], {
    cwd: fixtures,
    env: { ...process.env, NODE_OPTIONS: undefined, FORCE_COLOR: undefined, NO_COLOR: '1' },
  })
  t.teardown(() => child.kill('SIGKILL'))
  return announced(new NodeProcess(child, 'now'), 'production:app')
}

test('--fd serves on an inherited TCP socket, which the children of the app do not inherit', async (t) => {
  const { url, process } = await amphisInherits(t, 'tcp', 7, '--fd', '7')
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.is((await request(`${url}/inheritable/7`)).text, 'False')
  process.child.kill('SIGTERM')
  t.is((await process.ends()).code, 0)
})

test('--fd serves on an inherited Unix socket, and leaves its path to whom it belongs', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const socketPath = join(folder, 'app.sock')
  const { url, process } = await amphisInherits(t, socketPath, 3, '--fd', '3')
  t.is(url, 'unix:fd/3')
  t.regex((await request('http://localhost/pid', { socketPath })).text, /^\d+$/)
  process.child.kill('SIGTERM')
  t.is((await process.ends()).code, 0)
  // Nobody listens there now, but the path is there for the next.
  await t.throwsAsync(request('http://localhost/pid', { socketPath }), { code: 'ECONNREFUSED' })
})

test('--fd serves on an inherited socket from several processes, and from those that take their place', async (t) => {
  const { url, process } = await amphisInherits(t, 'tcp', 7, '--fd', '7', '--workers', '2')
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  const old = await pids(url, 2)
  t.false(old.includes(String(process.child.pid)))
  // Where a worker has the socket.
  t.is((await request(`${url}/inheritable/3`)).text, 'False')
  process.child.kill('SIGHUP')
  await process.prints('Reloaded.')
  t.deepEqual(
    (await pids(url, 2)).filter((pid) => old.includes(pid)),
    [],
  )
  process.child.kill('SIGTERM')
  t.is((await process.ends()).code, 0)
  await t.throwsAsync(request(url), { code: 'ECONNREFUSED' })
})

test('--fd serves on an inherited Unix socket from several processes, and leaves its path', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const socketPath = join(folder, 'app.sock')
  const { url, process } = await amphisInherits(t, socketPath, 3, '--fd', '3', '--workers', '2')
  t.is(url, 'unix:fd/3')
  await pids('http://localhost', 2, socketPath)
  process.child.kill('SIGTERM')
  t.is((await process.ends()).code, 0)
  await t.throwsAsync(request('http://localhost/pid', { socketPath }), { code: 'ECONNREFUSED' })
})

test('serves on the socket that systemd passes on, and tells the app nothing of it', async (t) => {
  const { url } = await amphisInherits(t, 'tcp', 'activate')
  t.is((await request(`${url}/environ/LISTEN_FDS`)).text, 'None')
  t.is((await request(`${url}/environ/LISTEN_PID`)).text, 'None')
})

test('tells what is wrong with a descriptor', async (t) => {
  const missing = await amphisEnds(t, 'main:app', ...suite, '--fd', '77')
  t.is(missing.code, 1)
  t.regex(missing.stderr, /^error: This process has inherited no file descriptor 77\. .*--fd.*\n$/)
  // What the tests give it as its input is a pipe or a socket, and in neither case one that listens.
  const wrong = await amphisEnds(t, 'main:app', ...suite, '--fd', '0')
  t.is(wrong.code, 1)
  t.regex(wrong.stderr, /^error: The file descriptor 0 is no socket that takes connections\. .*--fd.*\n$/)
})

test('takes the one socket that systemd has passed on to this very process', (t) => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'web', HOME: '/' }
  t.is(inheritedSocket(undefined, env, 7), 3)
  t.deepEqual(env as NodeJS.ProcessEnv, { HOME: '/' })
  t.is(inheritedSocket(undefined, {}, 7), undefined)
  t.is(inheritedSocket(undefined, { LISTEN_PID: '8', LISTEN_FDS: '1' }, 7), undefined)
  t.is(inheritedSocket(undefined, { LISTEN_PID: '7', LISTEN_FDS: '0' }, 7), undefined)
})

test('wants to be told which of several sockets it is', (t) => {
  const several = () => ({ LISTEN_PID: '7', LISTEN_FDS: '3' })
  t.throws(() => inheritedSocket(undefined, several(), 7), {
    instanceOf: ServeError,
    message: 'systemd passes on 3 sockets, 3 to 5. Choose one with --fd.',
  })
  t.is(inheritedSocket(4, several(), 7), 4)
})
