import { once } from 'node:events'
import { type ClientHttp2Session, constants } from 'node:http2'
import test, { type ExecutionContext } from 'ava'
import { createServer, PythonError, type PythonHandler } from '../index.js'
import { createCertificate } from './helpers/certificate.js'
import { closeFrame, frame, opcode } from './helpers/frames.js'
import { openSession, readAnswer, request, resetCode } from './helpers/http2-client.js'
import { extendedConnect, Http2WebSocket } from './helpers/http2-websocket.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import {
  accept,
  bytes,
  closes,
  connected,
  disconnected,
  type Raised,
  receive,
  Script,
  sends,
  type Step,
} from './helpers/script.js'
import { serveH2c } from './helpers/server.js'
import { serveInProcess } from './helpers/served-process.js'
import { settled } from './helpers/settled.js'

// WebSockets in streams of HTTP/2 (RFC 8441), over real sessions.

const websocket = shareHandler({ app: 'websocket_app:app', logger: new Recorder() })
const probe = shareProbe()

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL } = constants
const mebibyte = 2 ** 20

/** A session with a server of HTTP/2 alone that has the handler's WebSockets. */
async function open(
  t: ExecutionContext,
  handler: PythonHandler = websocket,
  path?: string,
): Promise<ClientHttp2Session> {
  const { server, url } = await serveH2c(t, handler.listener, { settings: { enableConnectProtocol: true } })
  handler.attach(server, { path })
  return openSession(t, url).finally(() => t.teardown(leaveCallbacks))
}

/** Node's client spins for ever when it is destroyed, with streams still open, while it hears of another one's end. */
const leaveCallbacks = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A session with an app that does what it is told. */
async function run(t: ExecutionContext, steps: Step[]) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', logger })
  const script = new Script(probe, steps)
  return { session: await open(t, handler), handler, logger, script }
}

interface SeenScope {
  type: string
  http_version: string
  scheme: string
  path: string
  raw_path: { bytes: string }
  query_string: { bytes: string }
  root_path: string
  headers: { tuple: [{ bytes: string }, { bytes: string }] }[]
  subprotocols: string[]
  extensions: Record<string, unknown>
}

const parse = (text: string | Buffer) => JSON.parse(text.toString()) as SeenScope

test('with rootPath the path of attach() is left in the URL', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:app', rootPath: '/api' })
  const session = await open(t, handler, '/api')
  const client = await Http2WebSocket.open(session, '/api/show_scope')
  t.like(parse(await client.message()), { root_path: '/api', path: '/api/show_scope' })
})

test('the scope is that of a WebSocket, over HTTP/2', async (t) => {
  const session = await open(t)
  const client = await Http2WebSocket.open(session, '/caf%C3%A9/show_scope?a=%20b', {
    'sec-websocket-protocol': 'b, a',
    'x-mixed': ['1', '2'],
    ':authority': 'test.example',
  })
  const seen = parse(await client.message())
  t.like(seen, {
    type: 'websocket',
    asgi: { version: '3.0', spec_version: '2.5' },
    http_version: '2',
    scheme: 'ws',
    path: '/café/show_scope',
    root_path: '',
    subprotocols: ['b', 'a'],
    extensions: { 'websocket.http.response': {} },
  })
  t.false('method' in seen)
  t.deepEqual([seen.raw_path.bytes, seen.query_string.bytes], ['/caf%C3%A9/show_scope', 'a=%20b'])
  const headers = seen.headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes])
  t.deepEqual(
    headers.filter(([name = '']) => name.startsWith(':')),
    [],
  )
  t.deepEqual(headers.find(([name]) => name === 'host')?.[1], 'test.example')
  t.deepEqual(
    headers.filter(([name]) => name === 'x-mixed'),
    [
      ['x-mixed', '1'],
      ['x-mixed', '2'],
    ],
  )
})

test('over TLS the scheme is wss, and the scope says whose certificate it is', async (t) => {
  const { certificate: cert, key } = createCertificate()
  const { url } = await listen(t, createServer(websocket, { cert, key, http2: true }))
  const session = await openSession(t, url, { ca: cert })
  t.teardown(leaveCallbacks)
  const client = await Http2WebSocket.open(session, '/show_scope')
  const seen = parse(await client.message())
  t.like(seen, { scheme: 'wss', http_version: '2' })
  t.deepEqual(Object.keys(seen.extensions).toSorted(), ['tls', 'websocket.http.response'])
})

test('a path that a handler is attached to is cut like a mount', async (t) => {
  const session = await open(t, websocket, '/api')
  const client = await Http2WebSocket.open(session, '/api/show_scope')
  t.like(parse(await client.message()), { root_path: '/api', path: '/api/show_scope' })
  t.is((await Http2WebSocket.refused(session, '/apis/show_scope')).status, 404)
})

test('messages of every length go both ways, in order', async (t) => {
  const client = await Http2WebSocket.open(await open(t), '/echo')
  const lengths = [0, 1, 125, 126, 65_535, 65_536, mebibyte]
  for (const length of lengths) {
    const text = 'é'.repeat(length / 2)
    client.write(frame(opcode.text, text), frame(opcode.binary, Buffer.alloc(length, length)))
    t.true((await client.message()) === text, `text of ${length}`)
    t.true(Buffer.alloc(length, length).equals((await client.message()) as Buffer), `bytes of ${length}`)
  }
})

test('a ping is answered', async (t) => {
  const client = await Http2WebSocket.open(await open(t), '/echo')
  client.write(frame(opcode.ping, 'there?'))
  t.like(await client.next(), { opcode: opcode.pong, payload: Buffer.from('there?') })
})

test('the subprotocol and the headers of the accept go out', async (t) => {
  const headers = [
    [bytes('X-One'), bytes('1')],
    [bytes('set-cookie'), bytes('a=1')],
    [bytes('set-cookie'), bytes('b=2')],
  ]
  const { session, script } = await run(t, [
    receive,
    ['send', { type: 'websocket.accept', subprotocol: 'chat', headers }],
    sends({ text: 'hello' }),
    receive,
  ])
  const client = await Http2WebSocket.open(session, script.target, { 'sec-websocket-protocol': 'old, chat' })
  t.like(client.headers, { 'sec-websocket-protocol': 'chat', 'x-one': '1', 'set-cookie': ['a=1', 'b=2'] })
  t.is(await client.message(), 'hello')
  t.false('sec-websocket-accept' in client.headers)
})

test('compression is declined', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:app', wsPerMessageDeflate: true })
  const client = await Http2WebSocket.open(await open(t, handler), '/echo', {
    'sec-websocket-extensions': 'permessage-deflate',
  })
  t.false('sec-websocket-extensions' in client.headers)
  client.write(frame(opcode.text, 'x'.repeat(5000)))
  t.is(await client.message(), 'x'.repeat(5000))
})

test('the client’s code and reason reach the app, and are answered; then the stream ends', async (t) => {
  const { session, script } = await run(t, [receive, accept, receive, receive])
  const client = await Http2WebSocket.open(session, script.target)
  client.write(closeFrame(4001, 'enough'))
  t.is((await client.closed()).code, 4001)
  t.is(await client.end(), 0)
  t.deepEqual(await script.outcome(), [connected, disconnected(4001, 'enough'), disconnected(4001, 'enough')])
})

test('the app’s code and reason reach the client', async (t) => {
  const { session, script } = await run(t, [receive, accept, closes({ code: 3003, reason: 'that is all' }), receive])
  const client = await Http2WebSocket.open(session, script.target)
  t.deepEqual(await client.closed(), { code: 3003, reason: 'that is all' })
  client.write(closeFrame(3003))
  t.is(await client.end(), 0)
  t.deepEqual(await script.outcome(), [connected, disconnected(3003)])
})

test('an app that raises closes with 1011, and its traceback is logged', async (t) => {
  const { session, script, logger } = await run(t, [receive, accept, ['raise', 'in a stream']])
  const client = await Http2WebSocket.open(session, script.target)
  t.is((await client.closed()).code, 1011)
  const error = await logger.waitForError()
  t.true(error instanceof PythonError)
  t.regex((error as PythonError).traceback, /in a stream/)
})

for (const [what, content, code] of [
  ['a frame without a mask', frame(opcode.text, 'bare', { isMasked: false }), 1002],
  ['invalid UTF-8', frame(opcode.text, Buffer.from([0xff])), 1007],
  ['a message beyond wsMaxSize', frame(opcode.binary, '', { length: 16 * mebibyte + 1 }), 1009],
] as const) {
  test(`${what} closes with ${code}, and the app is told`, async (t) => {
    const { session, script } = await run(t, [receive, accept, receive])
    const client = await Http2WebSocket.open(session, script.target)
    client.write(content)
    t.is((await client.closed()).code, code)
    t.deepEqual(await script.outcome(), [connected, disconnected(code)])
  })
}

for (const [how, leave] of [
  ['resets the stream', ({ stream }: Http2WebSocket) => stream.close(NGHTTP2_CANCEL)],
  ['ends the stream without a close frame', ({ stream }: Http2WebSocket) => stream.end()],
  ['destroys the session', ({ stream }: Http2WebSocket) => stream.session?.destroy()],
] as const) {
  test(`a client that ${how} is 1006`, async (t) => {
    const { session, script } = await run(t, [receive, accept, receive])
    const client = await Http2WebSocket.open(session, script.target)
    client.stream.on('error', () => {})
    leave(client)
    t.deepEqual(await script.outcome(), [connected, disconnected(1006)])
  })
}

test('a client that resets the stream before the accept is 1006', async (t) => {
  const { session, script } = await run(t, [receive, ['tell', 'asked'], receive])
  const stream = session.request(extendedConnect(script.target), { endStream: false })
  stream.on('error', () => {})
  await script.wait('asked')
  stream.close(NGHTTP2_CANCEL)
  t.deepEqual(await script.outcome(), [connected, disconnected(1006)])
})

test('closing before the accept is a 403, and the session goes on', async (t) => {
  const { session, script } = await run(t, [receive, closes()])
  const { status, text } = await Http2WebSocket.refused(session, script.target)
  t.deepEqual([status, text], [403, ''])
  t.false(session.closed)
})

test('a denial response goes out with its status, headers and body', async (t) => {
  const { session, script } = await run(t, [
    receive,
    ['send', { type: 'websocket.http.response.start', status: 401, headers: [[bytes('x-why'), bytes('no')]] }],
    ['send', { type: 'websocket.http.response.body', body: bytes('not '), more_body: true }],
    ['send', { type: 'websocket.http.response.body', body: bytes('you') }],
  ])
  const answer = await Http2WebSocket.refused(session, script.target)
  t.like(answer, { status: 401, text: 'not you' })
  t.is(answer.headers['x-why'], 'no')
})

for (const status of [200, 204, 299]) {
  test(`a denial response of ${status} would be an accept: ValueError`, async (t) => {
    const { session, script } = await run(t, [
      receive,
      ['try', { type: 'websocket.http.response.start', status, headers: [] }],
      closes(),
    ])
    t.is((await Http2WebSocket.refused(session, script.target)).status, 403)
    const [, tried] = (await script.outcome()) as [unknown, Raised]
    t.true(tried.classes.includes('ValueError'), JSON.stringify(tried))
    t.regex(tried.message, new RegExp(String(status)))
  })
}

const twice = ['user-agent', 'etag', 'content-type', 'retry-after'].flatMap((name) =>
  ['first', 'second'].map((value) => [bytes(name), bytes(value)]),
)

for (const [what, steps, status] of [
  ['an accept', [receive, ['send', { type: 'websocket.accept', headers: twice }], receive], 200],
  [
    'a denial',
    [
      receive,
      ['send', { type: 'websocket.http.response.start', status: 401, headers: twice }],
      ['send', { type: 'websocket.http.response.body', body: bytes('no') }],
    ],
    401,
  ],
] as [string, Step[], number][]) {
  test.serial(`of fields that HTTP/2 has once, the first of ${what} goes out`, async (t) => {
    const served = await serveInProcess(t, { app: 'asgi_script:app' }, 'const server = serve(handler, { http2: true })')
    const session = await openSession(t, served.url)
    t.teardown(leaveCallbacks)
    const script = new Script(served.probe, steps)
    const stream = session.request(extendedConnect(script.target), { endStream: false })
    const [headers] = (await once(stream, 'response')) as [Record<string, string>]
    t.like(headers, {
      ':status': status,
      'user-agent': 'first',
      etag: 'first',
      'content-type': 'first',
      'retry-after': 'first',
    })
    stream.close(NGHTTP2_CANCEL)
    await script.outcome()
    t.like(await served.leave(), { code: 0, stderr: '' })
  })
}

for (const [what, steps] of [
  ['accepted', [receive, accept, receive]],
  ['refused', [receive, closes(), receive]],
] as [string, Step[]][]) {
  test.serial(`a stream that cannot be ${what} costs no other, and is logged`, async (t) => {
    const served = await serveInProcess(
      t,
      { app: 'asgi_script:app' },
      `const server = serve(handler, { http2: true })
       server.prependOnceListener('stream', (stream) => {
         stream.respond = () => { throw new Error('of the host') }
       })`,
    )
    const session = await openSession(t, served.url)
    t.teardown(leaveCallbacks)
    const script = new Script(served.probe, steps)
    const stream = session.request(extendedConnect(script.target), { endStream: false })
    t.not(await resetCode(stream), NGHTTP2_NO_ERROR)
    t.deepEqual((await script.outcome()).at(-1), disconnected(1006))
    const next = new Script(served.probe, [receive, accept, sends({ text: 'two' }), receive])
    t.is(await (await Http2WebSocket.open(session, next.target)).message(), 'two')
    const { code, stderr } = await served.leave()
    t.is(code, 0, stderr)
    t.regex(stderr, /of the host/)
  })
}

test('an app that raises before the accept is a 500', async (t) => {
  const { session, script, logger } = await run(t, [receive, ['raise', 'too early']])
  t.is((await Http2WebSocket.refused(session, script.target)).status, 500)
  t.true((await logger.waitForError()) instanceof PythonError)
})

test('a WebSocket of another version is a 400 that names the right one, and the app is not started', async (t) => {
  const session = await open(t)
  const name = unique()
  const target = `/record?name=${name}`
  for (const version of ['8', '']) {
    const answer = await Http2WebSocket.refused(session, target, { 'sec-websocket-version': version })
    t.is(answer.status, 400)
    t.is(answer.headers['sec-websocket-version'], '13')
  }
  t.deepEqual(await probe.marks(name), [])
})

test('a CONNECT that asks for no WebSocket is refused', async (t) => {
  const session = await open(t)
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'elsewhere.test:80' }, { endStream: false })
  t.is((await readAnswer(stream)).status, 405)
  stream.end()
})

test('WebSockets and requests share a session, and one that is reset disturbs no other', async (t) => {
  const session = await open(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => Http2WebSocket.open(session, '/echo')))
  const [lost, ...others] = clients
  lost?.stream.on('error', () => {})
  lost?.stream.close(NGHTTP2_CANCEL)
  await Promise.all(
    others.map(async (client, index) => {
      client.write(frame(opcode.text, `number ${index}`))
      t.is(await client.message(), `number ${index}`)
    }),
  )
  t.like((await request(session, { ':path': '/plain' })).json(), { http: '/plain' })
})

test('an app that floods a stream which nobody reads waits in send(), and holds up no other', async (t) => {
  const session = await open(t)
  const name = unique()
  const client = await Http2WebSocket.open(session, `/flood?name=${name}&size=65536&count=200`)
  await probe.wait(`${name}:started`)
  const sent = (await settled(() => probe.peek(name))) as number
  t.true(sent * 65_536 < 4 * mebibyte, `${sent} messages were taken from the app`)
  const other = await Http2WebSocket.open(session, '/echo')
  other.write(frame(opcode.text, 'still there'))
  t.is(await other.message(), 'still there')
  for (let message = 0; message < 200; message++) t.is((await client.message()).length, 65_536)
  t.is((await client.closed()).code, 1000)
})

test('a client that floods an app which does not read is held back', async (t) => {
  const session = await open(t)
  const name = unique()
  const client = await Http2WebSocket.open(session, `/slow?name=${name}`)
  await probe.wait(`${name}:accepted`)
  const part = frame(opcode.binary, Buffer.alloc(65_536))
  const total = 200
  let written = 0
  const pump = (async () => {
    for (; written < total; written++) if (!client.stream.write(part)) await once(client.stream, 'drain')
  })()
  const held = await settled(async () => written)
  t.true(held * 65_536 < 4 * mebibyte, `${held} messages were taken from the client`)
  await probe.tell(`${name}:go`)
  await pump
  client.write(closeFrame(1000))
  t.is(await probe.wait(`${name}:left`), total * 65_536)
})

test('closing the handler closes its WebSockets with 1012, and leaves the session open', async (t) => {
  const { session, script, handler } = await run(t, [receive, accept, receive])
  const client = await Http2WebSocket.open(session, script.target)
  const closing = handler.close()
  t.is((await client.closed()).code, 1012)
  client.write(closeFrame(1012))
  await closing
  t.deepEqual(await script.outcome(), [connected, disconnected(1012)])
  t.is((await Http2WebSocket.refused(session, script.target)).status, 503)
})

test('a stream whose WebSocket has closed is closed without an error', async (t) => {
  const client = await Http2WebSocket.open(await open(t), '/echo')
  client.write(closeFrame(1000))
  t.is((await client.closed()).code, 1000)
  await client.end()
  client.stream.end()
  if (!client.stream.closed) await once(client.stream, 'close')
  t.is(client.stream.rstCode, NGHTTP2_NO_ERROR)
})
