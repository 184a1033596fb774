import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import test from 'ava'
import { AmphisError } from '../index.js'
import { inFlags } from '../lib/cli/options/in-flags.js'
import manifest from '../package.json' with { type: 'json' }
import { request } from './helpers/client.js'
import { amphis, amphisEnds, serveByCommand, suite } from './helpers/command-line.js'
import { python } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'

test('serves an app and says what runs where', async (t) => {
  const { process, url } = await serveByCommand(t, 'main:app')
  const answer = await request(url)
  t.is(answer.text, 'Hello, world!')
  process.child.kill('SIGINT')
  const { stdout, stderr } = await process.ends()
  t.regex(
    stdout,
    / amphis \d+\.\d+\.\d+ serves main:app at http:\/\/127\.0\.0\.1:\d+ · Python 3\.\d+\.\d+ \(.+\) · (?:uvloop|asyncio) · ready in \d+ ms\n/,
  )
  t.is(stderr, '')
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`ends cleanly at ${signal}, after the app's shutdown`, async (t) => {
    const { process, url } = await serveByCommand(t, 'command_line:app')
    await request(url)
    process.child.kill(signal)
    const { code, signal: killedBy, stdout } = await process.ends()
    t.deepEqual([code, killedBy], [0, null])
    t.regex(stdout, /^startup\n(?:.*\n)*shutdown\n/)
  })
}

test('answers a request in flight before it ends, and accepts no other', async (t) => {
  const { process, port } = await serveByCommand(t, 'command_line:app')
  const connection = await RawConnection.open(t, port)
  connection.write('POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab')
  await process.prints('reading')
  process.child.kill('SIGINT')
  await process.prints('Stopping')

  const late = connect(port, '127.0.0.1')
  const [refusal] = (await once(late, 'error')) as [NodeJS.ErrnoException]
  t.is(refusal.code, 'ECONNREFUSED')

  connection.write('cd')
  t.is((await connection.response()).body, ' /upload')
  const { code, stdout } = await process.ends()
  t.is(code, 0)
  t.regex(stdout, /^shutdown$/m)
})

test('leaves at once at a second signal', async (t) => {
  const { process, port } = await serveByCommand(t, 'command_line:app')
  const connection = await RawConnection.open(t, port)
  connection.write('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
  await process.prints('waiting')
  process.child.kill('SIGTERM')
  await process.prints('Stopping')
  process.child.kill('SIGINT')
  t.is((await process.ends()).signal, 'SIGINT')
})

test('can be interrupted while the app starts', async (t) => {
  const process = amphis(t, 'command_line:slow_startup', '--port', '0', ...suite)
  await process.prints('starting')
  process.child.kill('SIGINT')
  const { code, stdout, stderr } = await process.ends()
  t.deepEqual([code, stdout, stderr], [0, 'starting\n', ''])
})

test('hands the options on to the app', async (t) => {
  const options = ['--factory', '--root-path', '/api', '--lifespan', 'off', '--app-dir', '../fixtures']
  const { process, url } = await serveByCommand(t, 'command_line:create_app', ...options)
  const answer = await request(`${url}/api/tea`)
  t.is(answer.text, '/api /api/tea')
  process.child.kill('SIGINT')
  t.notRegex((await process.ends()).stdout, /startup|shutdown/)
})

test('runs the event loop that it is told to', async (t) => {
  const { process } = await serveByCommand(t, 'main:app', '--loop', 'asyncio')
  process.child.kill('SIGINT')
  t.regex((await process.ends()).stdout, / · asyncio · /)
})

test('tells which port is in use and by whom, and lets the app shut down', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo

  const { code, stdout, stderr } = await amphisEnds(t, 'command_line:app', '--port', String(port), ...suite)
  t.is(code, 1)
  t.is(stdout, 'startup\nshutdown\n')
  const owner =
    process.platform === 'linux' ? ` by \\S+ \\(process ${process.pid}\\)\\. Stop it, c` : `; .*lsof -i :${port}.*\\. C`
  t.regex(
    stderr,
    new RegExp(`^error: Port ${port} of 127\\.0\\.0\\.1 is in use${owner}hoose another with --port, .*\n$`),
  )
})

test('tells that a host is not this machine', async (t) => {
  // An address reserved for documentation: no machine has it.
  const { code, stderr } = await amphisEnds(t, 'main:app', '--host', '192.0.2.1', '--port', '0', ...suite)
  t.is(code, 1)
  const words = 'error: 192.0.2.1 is not an address of this machine. Choose one with --host, such as 127.0.0.1.'
  t.is(stderr, `${words} (EADDRNOTAVAIL: address not available)\n`)
})

test('tells in one line that a module is missing', async (t) => {
  const { code, stdout, stderr } = await amphisEnds(t, 'no_such_module:app', ...suite)
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /^error: .*no_such_module.*\n$/)
})

test('names the flag to give where the handler would name its option', async (t) => {
  const noFolder = await amphisEnds(t, 'main:app', '--app-dir', 'nowhere', ...suite)
  t.is(noFolder.code, 1)
  t.regex(noFolder.stderr, /^error: .* does not exist\. Set --app-dir to the folder .*\n$/)
  const said = (message: string) => inFlags(new AmphisError('AMPHIS_ERR_APP_NOT_CALLABLE', message)).message
  t.is(said('It looks like a factory. Set `factory` to true.'), 'It looks like a factory. Give --factory.')
  t.is(said("Set `interface` to 'asgi' or 'wsgi'."), "Set --interface to 'asgi' or 'wsgi'.")
  t.is(said('another with the option `python`, `app` or `pip`'), 'another with --python, `app` or `pip`')
})

test('shows the whole traceback of a module that raises', async (t) => {
  const { code, stderr } = await amphisEnds(t, 'raises_on_import:app', ...suite)
  t.is(code, 1)
  t.regex(
    stderr,
    /^Traceback \(most recent call last\):\n(?:.*\n)*.*raises_on_import\.py(?:.*\n)*error: .*raises_on_import/,
  )
})

test('tells what is wrong with a Python that is not there', async (t) => {
  const { code, stderr } = await amphisEnds(t, 'main:app', '--python', '/no/such/python')
  t.is(code, 1)
  t.regex(stderr, /^error: .*\/no\/such\/python.*\n$/)
})

test('exits with 2 and the nearest option at a misspelt one', async (t) => {
  const { code, stdout, stderr } = await amphisEnds(t, 'main:app', '--hots', '0.0.0.0')
  t.is(code, 2)
  t.is(stdout, '')
  t.is(stderr, 'error: There is no option --hots. Did you mean --host?\n')
})

test('exits with 2 when the app is not named as module:attribute', async (t) => {
  const { code, stderr } = await amphisEnds(t, 'main.py', ...suite)
  t.is(code, 2)
  t.regex(stderr, /^error: .*main\.py.*\n$/)
})

test('prints its help', async (t) => {
  const { code, stdout } = await amphisEnds(t, '--help')
  t.is(code, 0)
  t.regex(stdout, /^Usage: amphis APP \[options\] /)
})

test('prints the versions of all that takes part', async (t) => {
  const { code, stdout } = await amphisEnds(t, '--version', '--python', python)
  t.is(code, 0)
  const lines = stdout.split('\n')
  t.is(lines[0], `amphis ${manifest.version}`)
  t.true(lines[1]?.startsWith(`Node.js ${process.versions.node} `))
  t.regex(lines[2] ?? '', /^Python 3\.\d+(?:\.\d+)? .*python/)
  t.regex(lines[3] ?? '', /^libpython .*python3/i)
})

test('prints its own version where Python is missing', async (t) => {
  const { code, stdout } = await amphisEnds(t, '--version', '--python', '/no/such/python')
  t.is(code, 0)
  t.regex(stdout, /^amphis .*\nNode\.js .*\nPython not usable: .*\/no\/such\/python/)
})
