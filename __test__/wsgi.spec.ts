import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { AmphisError, PythonError } from '../index.js'
import { readAnswer, request, requestHead, type RequestOptions } from './helpers/client.js'
import { amphis, serveByCommand } from './helpers/command-line.js'
import { openSession, request as requestHttp2 } from './helpers/http2-client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions, python, shareHandler, versionsOf } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder, textOf } from './helpers/recorder.js'
import { serve, serveH2c, serveSecurely } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'

const probe = shareProbe()
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

/** An app of `fixtures/wsgi.py` behind a server. */
async function start(t: ExecutionContext, name: string, options: Partial<HandlerOptions> = {}) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: `wsgi:${name}`, lifespan: 'auto', logger, ...options })
  const { url, port } = await serve(t, handler.listener)
  const ask = (target = '/', settings?: RequestOptions) => request(`${url}${target}`, settings)
  return { url, port, handler, logger, ask }
}

type Environ = Record<string, unknown>

const environs = shareHandler({ app: 'wsgi:environ', lifespan: 'auto' })
const environ = async (...of: Parameters<typeof request>) => (await request(...of)).json() as Environ

// The environ

test('the environ has what PEP 3333 asks for', async (t) => {
  const { url, port } = await serve(t, environs.listener)
  const headers = ['Host', 'shop.example', 'Content-Type', 'text/x', 'X-Two', 'a', 'X-Two', 'b', 'X_Two', 'forged']
  const { 'wsgi.version': version, ...rest } = await environ(`${url}/caf%C3%A9/x?q=%2B&r`, {
    method: 'PUT',
    headers: [...headers, 'Content-Length', '3', 'Connection', 'close'],
    body: 'abc',
  })
  t.deepEqual(version, [1, 0])
  t.regex(String(rest.REMOTE_PORT), /^\d+$/)
  t.like(rest, {
    REQUEST_METHOD: 'PUT',
    SCRIPT_NAME: '',
    // Bytes of UTF-8, each a character.
    PATH_INFO: '/cafÃ©/x',
    QUERY_STRING: 'q=%2B&r',
    CONTENT_TYPE: 'text/x',
    CONTENT_LENGTH: '3',
    SERVER_NAME: '127.0.0.1',
    SERVER_PORT: String(port),
    SERVER_PROTOCOL: 'HTTP/1.1',
    REMOTE_ADDR: '127.0.0.1',
    HTTP_HOST: 'shop.example',
    HTTP_X_TWO: 'a,b',
    HTTP_CONNECTION: 'close',
    'wsgi.url_scheme': 'http',
    'wsgi.multithread': true,
    'wsgi.run_once': false,
    'wsgi.input_terminated': true,
    errors: true,
    scope: ['', '/café/x'],
    'main thread': false,
  })
})

test('a mount of Express is SCRIPT_NAME, and PATH_INFO the rest', async (t) => {
  const app = express().use('/api', express.Router().use('/v1', environs.middleware))
  const { url } = await serve(t, app)
  t.like(await environ(`${url}/api/v1/items/1?a=b`), {
    SCRIPT_NAME: '/api/v1',
    PATH_INFO: '/items/1',
    QUERY_STRING: 'a=b',
    scope: ['/api/v1', '/api/v1/items/1'],
  })
  t.like(await environ(`${url}/api/v1`), { SCRIPT_NAME: '/api/v1', PATH_INFO: '/' })
})

test('the option rootPath is SCRIPT_NAME, and cut from a path that begins with it', async (t) => {
  const handler = createHandler(t, { app: 'wsgi:environ', rootPath: '/api' })
  const { url } = await serve(t, handler.listener)
  t.like(await environ(`${url}/api/items`), { SCRIPT_NAME: '/api', PATH_INFO: '/items' })
  t.like(await environ(`${url}/items`), { SCRIPT_NAME: '/api', PATH_INFO: '/items' })
  t.like(await environ(`${url}/apiary`), { SCRIPT_NAME: '/api', PATH_INFO: '/apiary' })
})

test('the scheme, the client and bytes that were not escaped reach the environ', async (t) => {
  const secure = await serveSecurely(t, environs.listener)
  const outgoing = get(`https://127.0.0.1:${secure.port}/`, { ca: secure.certificate })
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.like((await readAnswer(response)).json(), { 'wsgi.url_scheme': 'https' })

  const proxied = createHandler(t, { app: 'wsgi:environ', proxyHeaders: true })
  const { url } = await serve(t, proxied.listener)
  const headers = { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https' }
  t.like(await environ(url, { headers }), { REMOTE_ADDR: '192.0.2.7', 'wsgi.url_scheme': 'https' })

  // Node's own parser refuses them, a rewritten url or handle() may hold them.
  const rewritten = await environs.handle({ url: '/\xc3\xa9?\xe9' })
  t.like(await rewritten.json(), { PATH_INFO: '/\xc3\xa9', QUERY_STRING: '\xe9' })
})

test('cookies that HTTP/2 has taken apart are one header again', async (t) => {
  const { url } = await serveH2c(t, environs.listener)
  const session = await openSession(t, url)
  const { json } = await requestHttp2(session, { ':path': '/', cookie: ['a=1', 'b=2'] })
  t.like(json(), { HTTP_COOKIE: 'a=1; b=2', SERVER_PROTOCOL: 'HTTP/2' })
})

// Bodies

test('a body of 10 MB is read in pieces, with and without a content-length', async (t) => {
  const { ask, url } = await start(t, 'body')
  const body = randomBytes(10_000_000)
  t.deepEqual((await ask('/', { method: 'POST', body })).json(), [body.length, sha256(body)])
  const chunked = await fetch(url, { method: 'POST', body: new Blob([body]).stream(), duplex: 'half' })
  t.deepEqual(await chunked.json(), [body.length, sha256(body)])
  t.deepEqual((await ask()).json(), [0, sha256(Buffer.alloc(0))])
})

test('a body is read by lines as from a file', async (t) => {
  const { ask } = await start(t, 'body')
  const body = 'one\ntwo and a half\n\nend'
  const read = async (how: string) => (await ask(`/?${how}`, { method: 'POST', body })).json()
  t.deepEqual(await read('lines'), ['one\n', 'two and a half\n', '\n', 'end'])
  t.deepEqual(await read('readlines'), ['one\n', 'two and a half\n', '\n', 'end'])
  t.deepEqual(await read('readline'), ['one\n', 'two ', 'and ', 'a ha', 'lf\n', '\n', 'end'])
  t.is(await read('none'), body)
})

test('a response is streamed as the app yields it', async (t) => {
  const { url } = await start(t, 'steps')
  const name = unique()
  const response = await requestHead(`${url}/?${name}`)
  const [first] = (await once(response, 'data')) as [Buffer]
  t.is(first.toString(), 'one')
  await probe.tell(`${name}:go`)
  const [second] = (await once(response, 'data')) as [Buffer]
  t.is(second.toString(), 'two')
})

test('a response of 10 MB arrives whole, and HEAD gets its head alone', async (t) => {
  const { ask } = await start(t, 'stream')
  const { body, headers } = await ask('/?160')
  t.is(body.length, 160 * 65_536)
  const expected = Buffer.concat(Array.from({ length: 160 }, (_, index) => Buffer.alloc(65_536, 97 + (index % 26))))
  t.is(sha256(body), sha256(expected))
  t.is(headers['content-type'], 'application/octet-stream')
  t.is((await ask('/?1', { method: 'HEAD' })).body.length, 0)
})

test('handle() has no socket, and needs none', async (t) => {
  const response = await environs.handle({ url: '/in?process', rootPath: '/mount' })
  t.like(await response.json(), { SCRIPT_NAME: '/mount', PATH_INFO: '/in', QUERY_STRING: 'process' })
})

// Threads

test('as many requests run at a time as wsgiThreads allows', async (t) => {
  const { ask } = await start(t, 'gate', { wsgiThreads: 2 })
  const name = unique()
  const answers = [1, 2, 3, 4].map((number) => ask(`/?${name}:${number}`))
  await Promise.all([probe.wait(`${name}:1`), probe.wait(`${name}:2`)])
  await probe.tell(`${name}:go`)
  const most = (await Promise.all(answers)).map(({ json }) => json())
  t.deepEqual(most, [2, 2, 2, 2])
})

// Clients that leave

test('a client that leaves ends the stream, closes it and gives its thread back', async (t) => {
  const { url, logger } = await start(t, 'endless', { wsgiThreads: 1 })
  // Each would keep the only thread.
  for (let round = 0; round < 3; round++) {
    const name = unique()
    const response = await requestHead(`${url}/?${name}`)
    await once(response, 'readable')
    response.destroy()
    await probe.wait(`${name}:closed`)
  }
  t.deepEqual(logger.at('error').map(textOf), [])
  await logger.waitFor('debug', /ClientDisconnected/)
})

test('an upload that breaks off is an OSError for whoever reads it, not the end of the body', async (t) => {
  const { port, logger } = await start(t, 'upload')
  for (const framing of ['Content-Length: 100\r\n\r\nfirst', 'Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n']) {
    const name = unique()
    const connection = await RawConnection.open(t, port)
    connection.write(`POST /?${name} HTTP/1.1\r\nHost: x\r\n${framing}`)
    t.is(await probe.wait(`${name}:began`), 5)
    connection.reset()
    t.is(await probe.wait(`${name}:broke`), 'ClientDisconnected')
  }
  t.deepEqual(logger.at('error').map(textOf), [])
})

test('a request that times out gets its 504, and its thread ends when the app does', async (t) => {
  const { ask } = await start(t, 'gate', { wsgiThreads: 1, timeoutRequest: 50 })
  const name = unique()
  t.is((await ask(`/?${name}:1`)).status, 504)
  await probe.tell(`${name}:go`)
  await probe.wait(`${name}:left`)
  const again = unique()
  await probe.tell(`${again}:go`)
  let status
  // The machine may be too busy for 50 ms.
  do ({ status } = await ask(`/?${again}:1`))
  while (status === 504)
  t.is(status, 200)
})

test('closing waits for the requests under way, and gives up those that do not end', async (t) => {
  const { ask, handler } = await start(t, 'gate', { timeoutGracefulShutdown: 20_000 })
  const name = unique()
  const answer = ask(`/?${name}:1`)
  await probe.wait(`${name}:1`)
  const closing = handler.close()
  await probe.tell(`${name}:go`)
  t.is((await answer).status, 200)
  await closing

  const { handler: uploads, port: other } = await start(t, 'upload', { timeoutGracefulShutdown: 1 })
  const upload = unique()
  const connection = await RawConnection.open(t, other)
  connection.write(`POST /?${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nfirst`)
  await probe.wait(`${upload}:began`)
  await uploads.close()
  // The thread that waited for the rest is told.
  t.is(await probe.wait(`${upload}:broke`), 'ClientDisconnected')
})

// Errors

const failing = new Recorder()
const raising = shareHandler({ app: 'wsgi:raises', logger: failing })

test('what the app raises is the error of the request, with its traceback alone', async (t) => {
  const failure = await t.throwsAsync(raising.handle({ url: '/?before' }), { instanceOf: PythonError })
  t.like(failure, { type: 'LookupError', message: 'before anything was sent', code: 'AMPHIS_ERR_PYTHON' })
  t.regex(failure.traceback, /^Traceback.*\n {2}File "[^"]*fixtures\/wsgi\.py", line \d+, in raises\n/)
  t.notRegex(failure.traceback, /a2wsgi|concurrent|<amphis>/)
  const exit = await t.throwsAsync(raising.handle({ url: '/?exit' }), { instanceOf: PythonError })
  t.is(exit.type, 'SystemExit')
})

for (const [how, type, says] of [
  ['silent', 'AssertionError', /did not call start_response/],
  ['text', 'TypeError', /str/],
  ['header', 'ValueError', /x-bad/i],
  ['twice', 'AssertionError', /second time without exc_info/],
] as const) {
  test(`an app that breaks the rules (${how}) is told so, and holds no thread`, async (t) => {
    const { handler } = await start(t, 'raises', { wsgiThreads: 1 })
    for (let round = 0; round < 2; round++) {
      const failure = await t.throwsAsync(handler.handle({ url: `/?${how}` }), { instanceOf: PythonError })
      t.is(failure.type, type)
      t.regex(failure.message, says)
    }
  })
}

test('start_response may replace what was not sent yet', async (t) => {
  const { url } = await serve(t, raising.listener)
  const { status, reason, headers, text } = await request(`${url}/?replaced`)
  t.like({ status, text }, { status: 503, text: 'come again' })
  t.is(typeof reason, 'string')
  t.is(headers['x-first'], undefined)
  t.is(headers['x-second'], '1')
})

test('an error after the first piece cuts the response off and is logged', async (t) => {
  const { url } = await serve(t, raising.listener)
  const response = await requestHead(`${url}/?after`)
  t.is(response.statusCode, 200)
  await t.throwsAsync(readAnswer(response))
  await failing.waitFor('error', /LookupError: too late for a page/)
})

test('write() of start_response sends, and close() of the result is called', async (t) => {
  const { url } = await serve(t, raising.listener)
  t.is((await request(`${url}/?written`)).text, 'written, and')
  const name = unique()
  const { ask } = await start(t, 'Closing')
  t.is((await ask(`/?${name}`)).text, 'class')
  await probe.wait(`${name}:closed`)
})

test('a WebSocket is refused', async (t) => {
  const { server, port } = await serve(t, environs.listener)
  environs.attach(server)
  t.is((await WebSocketClient.refused(t, `ws://127.0.0.1:${port}/`)).status, 403)
})

// The options

test('a factory may return a WSGI app', async (t) => {
  const { ask } = await start(t, 'create', { factory: true })
  t.like((await ask('/x')).json(), { PATH_INFO: '/x' })
})

test('WSGI has no lifespan to require', async (t) => {
  const failure = await t.throwsAsync(createHandler(t, { app: 'wsgi:environ', lifespan: 'on' }).ready(), {
    instanceOf: AmphisError,
    code: 'AMPHIS_ERR_INVALID_OPTIONS',
  })
  t.is(failure.message, "The app \"wsgi:environ\" is WSGI, which has no lifespan. Set `lifespan` to 'auto' or 'off'.")
  await createHandler(t, { app: 'wsgi:environ', lifespan: 'off' }).ready()
})

test('interface says what arguments do not tell', async (t) => {
  const ready = (options: HandlerOptions) => createHandler(t, options).ready()
  const refused = { instanceOf: AmphisError, code: 'AMPHIS_ERR_APP_NOT_CALLABLE' }
  const ambiguous = await t.throwsAsync(ready({ app: 'wsgi:anything' }), refused)
  t.is(
    ambiguous.message,
    "The app \"wsgi:anything\" may be ASGI or WSGI: its arguments do not tell. Set `interface` to 'asgi' or 'wsgi'.",
  )
  const asked = createHandler(t, { app: 'wsgi:anything', interface: 'wsgi' })
  t.like(await (await asked.handle({ url: '/asked' })).json(), { PATH_INFO: '/asked' })
  t.regex((await t.throwsAsync(ready({ app: 'wsgi:environ', interface: 'asgi' }), refused)).message, /'wsgi'/)
  t.regex((await t.throwsAsync(ready({ app: 'main:app', interface: 'wsgi' }), refused)).message, /'asgi'/)
  const asgi = createHandler(t, { app: 'main:app', interface: 'asgi' })
  t.is(await (await asgi.handle({ url: '/' })).text(), 'Hello, world!')
})

for (const [option, value] of [
  ['interface', 'rsgi'],
  ['wsgiThreads', 0],
  ['wsgiThreads', 1.5],
  ['wsgiThreads', 100_000],
] as const) {
  test(`refuses ${option}: ${value}`, (t) => {
    const failure = t.throws(() => createHandler(t, { app: 'wsgi:environ', [option]: value }))
    t.regex(failure.message, new RegExp(`^Option ${option} must be .*${value}`))
  })
}

// The command line

test('the command line serves a WSGI app, whose errors go to stderr', async (t) => {
  const { url, process } = await serveByCommand(t, 'wsgi:errors', '--wsgi-threads', '2')
  t.is((await request(url)).json(), 'told')
  process.child.kill('SIGTERM')
  const { code, stderr } = await process.ends()
  t.is(code, 0)
  t.regex(stderr, /^to the errors of WSGI$/m)
})

test('where a2wsgi is missing, the error says how to install it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-wsgi-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { executable } = await versionsOf(environs)
  const venv = join(folder, 'venv')
  execFileSync(executable, ['-m', 'venv', '--without-pip', venv])
  await writeFile(join(folder, 'main.py'), 'def app(environ, start_response): pass\n')
  const { code, stderr, stdout } = await amphis(t, 'main:app', '--app-dir', folder, '--python', venv).ends()
  t.is(code, 1)
  t.is(stdout, '')
  t.is(
    stderr,
    `error: The app "main:app" is WSGI, which amphis serves through a2wsgi, and that is not installed. Install it: ${venv}/bin/python -m pip install a2wsgi\n`,
  )
})

test('an a2wsgi that cannot be imported says why', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-wsgi-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'main.py'), 'def app(environ, start_response): pass\n')
  await writeFile(join(folder, 'a2wsgi.py'), 'raise ValueError("half installed")\n')
  const { code, stderr } = await amphis(t, 'main:app', '--app-dir', folder, '--python', python).ends()
  t.is(code, 1)
  t.regex(stderr, /ValueError: half installed/)
  t.regex(stderr, /importing a2wsgi, which serves it, raised ValueError: half installed\. Install its newest version\./)
})
