import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2'
import { get as secureGet } from 'node:https'
import { connect as connectTcp, type Socket } from 'node:net'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { createServer, type PythonHandler } from '../index.js'
import { createCertificate } from './helpers/certificate.js'
import { readAnswer as readHttp1 } from './helpers/client.js'
import { openSession, readAnswer, request, resetCode } from './helpers/http2-client.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { bytes, receive, Script, type Step } from './helpers/script.js'
import { serveH2c, serveHttp2 } from './helpers/server.js'
import { settled } from './helpers/settled.js'

// The same handler behind node:http2, over real sessions.

const scope = shareHandler('scope:app')
const echo = shareHandler('echo:app')
const echoStream = shareHandler('echo:stream')
const digest = shareHandler('echo:digest')
const responses = shareHandler('responses:app')
const status = shareHandler('status:app')
const stream = shareHandler('stream:app')
const slowUpload = shareHandler('stream:slow_upload')
const disconnect = shareHandler('disconnect:app')
const script = shareHandler({ app: 'asgi_script:app', pathsend: true, logger: new Recorder() })
const probe = shareProbe()

const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants
const mebibyte = 2 ** 20

interface SeenScope {
  http_version: string
  scheme: string
  method: string
  path: string
  raw_path: { bytes: string }
  query_string: { bytes: string }
  headers: { tuple: [{ bytes: string }, { bytes: string }] }[]
  client: { tuple: [string, number] } | null
  server: { tuple: [string, number] } | null
}

const headersOf = (seen: SeenScope) => seen.headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes])

/** A session with a server of HTTP/2 alone. */
async function open(t: ExecutionContext, { listener }: PythonHandler): Promise<ClientHttp2Session> {
  const { url } = await serveH2c(t, listener)
  return openSession(t, url)
}

// Node warns once in a process of a kind, so the whole file watches.
const warnings: Error[] = []
process.on('warning', (warning) => warnings.push(warning))
test.after('no test has made Node warn', (t) => {
  t.deepEqual(
    warnings.filter(({ name }) => name !== 'ExperimentalWarning').map(({ message }) => message),
    [],
  )
})

test('the scope says HTTP/2, with all of the request and of the connection', async (t) => {
  const { url, port } = await serveH2c(t, scope.listener)
  const session = await openSession(t, url)
  const seen = (await request(session, { ':path': '/a%20b/c?d=e', ':method': 'PUT' }, 'x')).json() as SeenScope
  t.is(seen.http_version, '2')
  t.is(seen.scheme, 'http')
  t.is(seen.method, 'PUT')
  t.is(seen.path, '/a b/c')
  t.deepEqual(seen.raw_path, { bytes: '/a%20b/c' })
  t.deepEqual(seen.query_string, { bytes: 'd=e' })
  t.deepEqual(seen.server, { tuple: ['127.0.0.1', port] })
  t.deepEqual(seen.client, { tuple: ['127.0.0.1', session.socket.localPort!] })
})

test('the scheme is that of the connection', async (t) => {
  const { url, certificate } = await serveHttp2(t, scope.listener)
  const session = await openSession(t, url, { ca: certificate })
  const seen = (await request(session, { ':path': '/', ':scheme': 'http' })).json() as SeenScope
  t.is(seen.scheme, 'https')
  t.is(seen.http_version, '2')
})

test('pseudo headers are no headers, but the authority is the host', async (t) => {
  const session = await open(t, scope)
  const seen = (
    await request(session, { ':path': '/', ':authority': 'example.org:81', 'x-a': '1', 'x-b': ['2', '3'] })
  ).json() as SeenScope
  t.deepEqual(headersOf(seen), [
    ['host', 'example.org:81'],
    ['x-a', '1'],
    ['x-b', '2'],
    ['x-b', '3'],
  ])
})

test('the authority takes the place of a host that says something else', async (t) => {
  const session = await open(t, scope)
  const seen = (
    await request(session, { ':path': '/', ':authority': 'true.example', host: 'other.example' })
  ).json() as SeenScope
  t.deepEqual(headersOf(seen), [['host', 'true.example']])
})

test('cookies that the client has cut into pieces are one header, as RFC 9113 asks', async (t) => {
  const session = await open(t, scope)
  const seen = (
    await request(session, { ':path': '/', ':authority': 'a', cookie: ['a=1', 'b=2; c=3', 'd=4'], 'x-last': 'z' })
  ).json() as SeenScope
  t.deepEqual(headersOf(seen), [
    ['host', 'a'],
    ['cookie', 'a=1; b=2; c=3; d=4'],
    ['x-last', 'z'],
  ])
})

test('headers that HTTP/2 has none of are dropped, and the response is whole', async (t) => {
  const session = await open(t, responses)
  const { headers, text } = await request(session, { ':path': '/hop_by_hop' })
  t.deepEqual(Object.keys(headers).toSorted(), [':status', 'content-length', 'date', 'x-kept'])
  t.is(text, 'ok')
  const closing = await request(session, { ':path': '/connection_close' })
  t.false('connection' in closing.headers)
  t.is(closing.text, 'ok')
  // It was the response's wish about a connection of HTTP/1.1.
  t.false(session.closed)
})

test('headers that come twice go out twice', async (t) => {
  const headers = [
    [bytes('Set-Cookie'), bytes('a=1')],
    [bytes('set-cookie'), bytes('b=2')],
    [bytes('X-Many'), bytes('1')],
    [bytes('x-many'), bytes('2')],
  ]
  const session = await open(t, script)
  const played = new Script(probe, [start({ headers }), body('ok')])
  const answer = await request(session, { ':path': played.target })
  t.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2'])
  t.is(answer.headers['x-many'], '1, 2')
})

test('headers that Node sends only once over HTTP/2 do not fail a response that has two', async (t) => {
  const headers = [
    ['content-type', 'text/plain'],
    ['Content-Type', 'text/html'],
    ['etag', '"a"'],
    ['etag', '"a"'],
    ['Content-Encoding', 'a'],
    ['content-encoding', 'b'],
    ['x-blank', ' \tpadded '],
    ['x-empty', ''],
  ].map(([name, value]) => [bytes(name!), bytes(value!)])
  const session = await open(t, script)
  const played = new Script(probe, [start({ headers }), body('ok')])
  const answer = await request(session, { ':path': played.target })
  t.like(answer.headers, {
    'content-type': 'text/plain',
    etag: '"a"',
    'content-encoding': 'a, b',
    'x-blank': 'padded',
    'x-empty': '',
  })
})

test('the headers that a host has set are kept', async (t) => {
  const { url } = await serveH2c(t, (req, res) => {
    res.setHeader('x-host', 'yes')
    res.setHeader('set-cookie', 'host=1')
    void responses.listener(req, res)
  })
  const { headers } = await request(await openSession(t, url), { ':path': '/hop_by_hop' })
  t.is(headers['x-host'], 'yes')
  t.deepEqual(headers['set-cookie'], ['host=1'])
})

const start = (changes: object = {}): Step => ['send', { type: 'http.response.start', status: 200, ...changes }]
const body = (text: string, more = false, times = 1): Step => [
  'send',
  { type: 'http.response.body', body: bytes(text, times), more_body: more },
]

test('a request without a body is whole with its head', async (t) => {
  const session = await open(t, script)
  for (const headers of [{}, { ':method': 'POST' }, { ':method': 'POST', 'content-length': '0' }]) {
    const played = new Script(probe, [receive, start(), body('ok')])
    await request(session, { ':path': played.target, ...headers })
    t.deepEqual(await played.outcome(), [{ type: 'http.request', body: { bytes: '' }, more_body: false }])
  }
})

test('a body that ends later than its head is still empty', async (t) => {
  const session = await open(t, echo)
  t.is((await request(session, { ':path': '/', ':method': 'POST' }, '')).text, '')
})

test('a body needs no content-length', async (t) => {
  const session = await open(t, echo)
  const answer = await request(session, { ':path': '/', ':method': 'POST' }, 'hello')
  t.is(answer.text, 'hello')
  t.is(answer.headers['x-method'], 'POST')
})

test('large bodies go both ways unharmed', async (t) => {
  const { url, certificate } = await serveHttp2(t, echo.listener)
  const session = await openSession(t, url, { ca: certificate })
  const large = Buffer.alloc(5 * mebibyte, 'amphis of many legs ')
  const answer = await request(session, { ':path': '/', ':method': 'POST' }, large)
  t.true(answer.body.equals(large))
})

test('a body is echoed while it is still being written', async (t) => {
  const session = await open(t, echoStream)
  const upload = session.request({ ':path': '/', ':method': 'POST' })
  upload.write('first')
  await once(upload, 'response')
  const [first] = (await once(upload, 'data')) as [Buffer]
  t.is(first.toString(), 'first')
  upload.end('second')
  let rest = ''
  for await (const piece of upload.setEncoding('utf8')) rest += String(piece)
  t.is(rest, 'second')
})

test('trailers of a request are ignored', async (t) => {
  const session = await open(t, digest)
  const upload = session.request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true })
  upload.on('wantTrailers', () => upload.sendTrailers({ 'x-trailer': 'yes' }))
  upload.end('abc')
  const answer = await readAnswer(upload)
  t.is((answer.json() as { length: number }).length, 3)
})

test('a response to HEAD has its length and no body', async (t) => {
  const session = await open(t, responses)
  const answer = await request(session, { ':path': '/with_length', ':method': 'HEAD' })
  t.is(answer.status, 200)
  t.is(answer.text, '')
  t.truthy(answer.headers['content-length'])
  // The session is as good as before.
  t.is((await request(session, { ':path': '/no_headers' })).text, 'ok')
})

for (const code of [204, 304]) {
  test(`a response of status ${code} has no body`, async (t) => {
    const session = await open(t, status)
    const answer = await request(session, { ':path': `/${code}` })
    t.is(answer.status, code)
    t.is(answer.text, '')
    t.is((await request(session, { ':path': '/201' })).text, 'status 201')
  })
}

test('a hundred streams of one connection are answered at once', async (t) => {
  const session = await open(t, stream)
  const names = Array.from({ length: 100 }, unique)
  const streams = names.map((name) => session.request({ ':path': `/gated/${name}` }))
  // Read from the start: Node.js 24 drops what is still unread when a stream is over.
  const texts = Promise.all(streams.map(textOf))
  await Promise.all(streams.map(async (one) => once(one, 'response')))
  // All have started, and none is done: the last that came is let on first.
  for (const name of names.toReversed()) {
    for (const gate of [0, 1, 2]) await probe.tell(`${name}:${gate}`)
  }
  t.deepEqual(new Set(await texts), new Set(['chunk 0\nchunk 1\nchunk 2\n']))
})

async function textOf(one: ClientHttp2Stream): Promise<string> {
  let text = ''
  for await (const piece of one.setEncoding('utf8')) text += String(piece)
  return text
}

test('early hints, trailers and files go out', async (t) => {
  const server = createServer(script, { http2: true })
  const { url } = await listen(t, server)
  const session = await openSession(t, url)
  const hinted = new Script(probe, [
    ['send', { type: 'http.response.early_hint', links: [bytes('</style.css>; rel=preload; as=style')] }],
    start({ trailers: true }),
    body('ok'),
    ['send', { type: 'http.response.trailers', headers: [[bytes('x-sum'), bytes('1')]], more_trailers: false }],
  ])
  const answer = await request(session, { ':path': hinted.target })
  t.deepEqual(
    answer.informational.map(({ ':status': code, link }) => [code, link]),
    [[103, '</style.css>; rel=preload; as=style']],
  )
  t.is(answer.text, 'ok')
  t.is(answer.trailers['x-sum'], '1')

  const path = new URL('../package.json', import.meta.url).pathname
  const sent = new Script(probe, [start(), ['send', { type: 'http.response.pathsend', path }]])
  const file = await request(session, { ':path': sent.target })
  t.is((file.json() as { name: string }).name, 'amphis')
  t.is(Number(file.headers['content-length']), file.body.length)
})

test('a client that waits for 100 Continue is asked when the app asks', async (t) => {
  const { url } = await listen(t, createServer(script, { http2: true }))
  const session = await openSession(t, url)
  const played = new Script(probe, [['wait', 'go'], receive, start(), body('ok')])
  const upload = session.request({ ':path': played.target, ':method': 'POST', expect: '100-continue' })
  const asked = once(upload, 'continue')
  await played.wait('entered')
  await played.open('go')
  await asked
  upload.end('body')
  t.is((await readAnswer(upload)).text, 'ok')
  t.like(await played.outcome(), [{ type: 'http.request', body: { bytes: 'body' } }])
})

// The client leaves a stream, or the connection.

const leaving: [how: string, leave: (one: ClientHttp2Stream) => void][] = [
  ['resets the stream', (one) => one.close(NGHTTP2_CANCEL)],
  ['resets the stream without an error', (one) => one.close(NGHTTP2_NO_ERROR)],
  ['resets the stream with an error', (one) => one.close(NGHTTP2_INTERNAL_ERROR)],
  ['destroys the session', (one) => one.session?.destroy()],
  ['loses the connection', (one) => sockets.get(one.session!)?.resetAndDestroy()],
]

// The socket that a session shows cannot be destroyed.
const sockets = new WeakMap<object, Socket>()

/** A session that can lose its connection. */
async function openLosable(t: ExecutionContext, { listener }: PythonHandler): Promise<ClientHttp2Session> {
  const { url, port } = await serveH2c(t, listener)
  const socket = connectTcp({ port, host: '127.0.0.1' })
  const session = connectHttp2(url, { createConnection: () => socket })
  t.teardown(() => session.destroy())
  session.on('error', () => {})
  sockets.set(session, socket)
  await once(session, 'connect')
  return session
}

for (const [how, leave] of leaving) {
  for (const kind of ['idle_before', 'idle_during']) {
    test(`tells an app in ${kind} when the client ${how}`, async (t) => {
      const session = await openLosable(t, disconnect)
      const name = unique()
      const one = session.request({ ':path': `/${kind}?${name}` })
      one.on('error', () => {})
      one.resume()
      await probe.wait(`${name}:idle`)
      leave(one)
      t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
    })
  }

  test(`tells an app in the middle of an upload when the client ${how}`, async (t) => {
    const session = await openLosable(t, disconnect)
    const name = unique()
    const one = session.request({ ':path': `/upload?${name}`, ':method': 'POST' })
    one.on('error', () => {})
    one.write('half')
    await probe.wait(`${name}:idle`)
    leave(one)
    const messages = (await probe.wait(`${name}:message`)) as [string, number][]
    t.deepEqual(messages.at(-1), ['http.disconnect', 0])
    t.is(
      messages.reduce((sum, [, length]) => sum + length, 0),
      4,
    )
  })

  test(`send() raises when the client ${how}`, async (t) => {
    const session = await openLosable(t, disconnect)
    const name = unique()
    const one = session.request({ ':path': `/sends_until_it_fails?${name}` })
    one.on('error', () => {})
    one.resume()
    await probe.wait(`${name}:idle`)
    leave(one)
    t.is(await probe.wait(`${name}:message`), 'ClientDisconnected')
  })

  test(`a send() that waits ends when the client ${how}`, async (t) => {
    const session = await openLosable(t, disconnect)
    const name = unique()
    const one = session.request({ ':path': `/blocked_in_send?${name}` })
    one.on('error', () => {})
    await probe.wait(`${name}:idle`)
    await settled(async () => probe.peek(name))
    leave(one)
    t.is(await probe.wait(`${name}:message`), 'ClientDisconnected')
  })

  test(`send() raises in an app that leaves its upload unread when the client ${how}`, async (t) => {
    const session = await openLosable(t, disconnect)
    const name = unique()
    const one = session.request({ ':path': `/sends_until_it_fails?${name}`, ':method': 'POST' })
    one.on('error', () => {})
    one.resume()
    // More than everybody on the way takes, so that the stream is paused.
    let taken = 0
    for (let pieces = 0; pieces < 64; pieces += 1) one.write(Buffer.alloc(mebibyte / 8), () => (taken += 1))
    await probe.wait(`${name}:idle`)
    t.true((await settled(async () => taken)) < 64)
    leave(one)
    t.is(await probe.wait(`${name}:message`), 'ClientDisconnected')
  })
}

test('other streams of the connection go on when one is reset', async (t) => {
  const session = await open(t, stream)
  const name = unique()
  const kept = session.request({ ':path': `/gated/${name}` })
  const text = textOf(kept)
  const other = unique()
  const left = session.request({ ':path': `/gated/${other}` })
  await Promise.all([once(kept, 'response'), once(left, 'response')])
  left.close(NGHTTP2_CANCEL)
  await once(left, 'close')
  for (const gate of [0, 1, 2]) {
    await probe.tell(`${name}:${gate}`)
    await probe.tell(`${other}:${gate}`)
  }
  t.is(await text, 'chunk 0\nchunk 1\nchunk 2\n')
})

test('a session that is closed in good order has its streams answered', async (t) => {
  const session = await open(t, stream)
  const name = unique()
  const one = session.request({ ':path': `/gated/${name}` })
  const text = textOf(one)
  await once(one, 'response')
  session.close()
  for (const gate of [0, 1, 2]) await probe.tell(`${name}:${gate}`)
  t.is(await text, 'chunk 0\nchunk 1\nchunk 2\n')
  if (!session.destroyed) await once(session, 'close')
  t.pass()
})

// The app fails.

test('an app that fails before its response is answered with 500', async (t) => {
  const logger = new Recorder()
  const session = await open(t, createHandler(t, { app: 'error:app', logger }))
  for (const path of ['/before', '/no_response']) {
    const answer = await request(session, { ':path': path })
    t.is(answer.status, 500)
    t.is(answer.text, 'Internal Server Error')
  }
  t.is(logger.errors().length, 2)
})

for (const [kind, what] of [
  ['during', 'raises in the middle of its response'],
  ['incomplete', 'returns in the middle of its response'],
] as const) {
  test(`the stream of an app that ${what} is reset, and no other`, async (t) => {
    const logger = new Recorder()
    const session = await open(t, createHandler(t, { app: 'error:app', logger }))
    const name = unique()
    const one = session.request({ ':path': `/${kind}?${name}` })
    one.on('error', () => {})
    if (kind === 'during') {
      const [first] = (await once(one, 'data')) as [Buffer]
      t.is(first.toString(), 'partial')
      await probe.tell(name)
    }
    t.is(await resetCode(one), NGHTTP2_INTERNAL_ERROR)
    await logger.waitForError()
    t.is((await request(session, { ':path': '/before' })).status, 500)
    t.false(session.closed)
  })
}

test('an app that takes longer than timeoutRequest is answered with 504, or its stream is reset', async (t) => {
  const logger = new Recorder()
  const session = await open(t, createHandler(t, { app: 'error:app', logger, timeoutRequest: 100 }))
  const late = await request(session, { ':path': `/never?${unique()}` })
  t.is(late.status, 504)
  const one = session.request({ ':path': `/never_after_start?${unique()}` })
  t.is(await resetCode(one), NGHTTP2_INTERNAL_ERROR)
})

test('a body that is too large is refused with 413', async (t) => {
  const handler = createHandler(t, { app: 'echo:app', maxBodySize: 1000, logger: new Recorder() })
  const session = await open(t, handler)
  const said = await request(session, { ':path': '/', ':method': 'POST', 'content-length': '1001' }, 'x'.repeat(1001))
  t.is(said.status, 413)
  const unsaid = session.request({ ':path': '/', ':method': 'POST' })
  unsaid.write('x'.repeat(900))
  unsaid.write('x'.repeat(900))
  const [headers] = (await once(unsaid, 'response')) as [Record<string, unknown>]
  t.is(headers[':status'], 413)
  unsaid.close(NGHTTP2_CANCEL)
  t.is((await request(session, { ':path': '/', ':method': 'POST' }, 'x'.repeat(1000))).text.length, 1000)
})

test('a body that grows too large while it is answered has its stream reset', async (t) => {
  const handler = createHandler(t, { app: 'echo:stream', maxBodySize: 1000, logger: new Recorder() })
  const session = await open(t, handler)
  const upload = session.request({ ':path': '/', ':method': 'POST' })
  upload.write('x'.repeat(900))
  await once(upload, 'data')
  upload.write('x'.repeat(900))
  t.is(await resetCode(upload), NGHTTP2_INTERNAL_ERROR)
  t.is((await request(session, { ':path': '/', ':method': 'POST' }, 'hello')).text, 'hello')
})

test('a closed handler answers with 503, without closing the session', async (t) => {
  const handler = createHandler(t, 'scope:app')
  const session = await open(t, handler)
  t.is((await request(session, { ':path': '/' })).status, 200)
  await handler.close()
  const answer = await request(session, { ':path': '/' })
  t.is(answer.status, 503)
  t.false('connection' in answer.headers)
})

// Backpressure.

test.serial('an app that floods a stream which nobody reads waits in send(), and holds up no other', async (t) => {
  const session = await open(t, stream)
  const name = unique()
  const flood = session.request({ ':path': `/flood/${name}` })
  flood.on('error', () => {})
  await probe.wait(`${name}:started`)
  const sent = (await settled(async () => probe.peek(name))) as number
  t.true(sent <= 8, `${sent} MiB were taken from the app`)
  t.is((await request(session, { ':path': '/count/100' })).text.split('\n').length, 101)

  const before = process.memoryUsage.rss()
  let peak = before
  let received = 0
  flood.on('data', (piece: Buffer) => {
    received += piece.length
    peak = Math.max(peak, process.memoryUsage.rss())
    if (received > 128 * mebibyte) flood.close(NGHTTP2_CANCEL)
  })
  await once(flood, 'close')
  t.true(received > 128 * mebibyte, `${received} bytes arrived`)
  t.true(peak - before < 100 * mebibyte, `grew by ${Math.round((peak - before) / mebibyte)} MiB`)
})

test.serial('a client that floods an app which does not read is held back, and holds up no other', async (t) => {
  const session = await open(t, slowUpload)
  const name = unique()
  const upload = session.request({ ':path': `/${name}`, ':method': 'POST' })
  const answer = readAnswer(upload)
  const chunk = Buffer.alloc(mebibyte)
  const size = 64 * mebibyte
  let handedOver = 0
  const writing = (async () => {
    for (; handedOver < size; handedOver += mebibyte) {
      if (!upload.write(chunk)) await once(upload, 'drain')
    }
    upload.end()
  })()
  await probe.wait(`${name}:first`)
  const taken = await settled(async () => handedOver)
  t.true(taken <= 8 * mebibyte, `${taken / mebibyte} MiB were taken from the client`)
  const other = unique()
  const small = request(session, { ':path': `/${other}`, ':method': 'POST' }, 'x')
  await probe.tell(`${other}:go`)
  t.is((await small).json(), 1)
  await probe.tell(`${name}:go`)
  await writing
  t.is((await answer).json(), size)
})

// Both versions on one port, and other clients.

test('HTTP/1.1 is served on the port of HTTP/2', async (t) => {
  const { port, url, certificate } = await serveHttp2(t, scope.listener)
  const outgoing = secureGet({ port, host: '127.0.0.1', ca: certificate, agent: false })
  const [incoming] = (await once(outgoing, 'response')) as [Parameters<typeof readHttp1>[0]]
  const old = (await readHttp1(incoming)).json() as SeenScope
  t.is(old.http_version, '1.1')
  const session = await openSession(t, url, { ca: certificate })
  t.is(((await request(session, { ':path': '/' })).json() as SeenScope).http_version, '2')
})

test('createServer speaks HTTP/2 with a certificate and without, and names itself', async (t) => {
  const { certificate, key } = createCertificate()
  const secure = await listen(t, createServer(scope, { http2: true, cert: certificate, key }))
  const plain = await listen(t, createServer(scope, { http2: true }))
  for (const { url } of [secure, plain]) {
    const session = await openSession(t, url, { ca: certificate })
    const answer = await request(session, { ':path': '/' })
    t.is((answer.json() as SeenScope).http_version, '2')
    t.is(answer.headers.server, 'amphis')
  }
})

const run = promisify(execFile)
/** Where curl is, it speaks HTTP/2 nearly always. */
const curl = spawnSync('curl', ['--version'], { encoding: 'utf8' })
if (curl.stdout?.includes('HTTP2')) {
  test('curl is content', async (t) => {
    const secure = await serveHttp2(t, echo.listener)
    const plain = await serveH2c(t, echo.listener)
    const broken = await serveH2c(t, createHandler(t, { app: 'error:app', logger: new Recorder() }).listener)
    const common = ['--silent', '--show-error', '--noproxy', '*', '--max-time', '60']
    const form = ['--data-binary', 'hello', '--write-out', ' %{http_version} %{http_code}']
    const overTls = await run('curl', [...common, ...form, '--insecure', '--http2', secure.url])
    t.is(overTls.stdout, 'hello 2 200')
    const prior = await run('curl', [...common, ...form, '--http2-prior-knowledge', plain.url])
    t.is(prior.stdout, 'hello 2 200')
    // Half a response is never a whole one.
    const failing = run('curl', [...common, '--http2-prior-knowledge', `${broken.url}/incomplete`])
    const { code } = (await t.throwsAsync(failing)) as Error & { code?: number }
    t.is(code, 92)
  })
}
