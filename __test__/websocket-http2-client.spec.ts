import { once } from 'node:events'
import { type ClientHttp2Session, constants } from 'node:http2'
import test, { type ExecutionContext } from 'ava'
import { createServer, type PythonHandler } from '../index.js'
import { openSession, readAnswer, request } from './helpers/http2-client.js'
import { listen } from './helpers/listen.js'
import { shareProbe } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { accept, bytes, closes, connected, disconnected, receive, Script } from './helpers/script.js'
import { ask, open } from './helpers/websocket-over-http2.js'

// WebSockets on streams of HTTP/2 (RFC 8441) whose client is `ws`, which closes as clients do.

const websocket = shareHandler({ app: 'websocket_app:app', logger: new Recorder() })
const script = shareHandler({ app: 'asgi_script:app', logger: new Recorder() })
const probe = shareProbe()

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL } = constants
const mebibyte = 2 ** 20

async function connect(t: ExecutionContext, handler: PythonHandler): Promise<ClientHttp2Session> {
  const { url } = await listen(t, createServer(handler, { http2: true }))
  return openSession(t, url)
}

test('a server of ours announces WebSockets', async (t) => {
  const session = await connect(t, websocket)
  t.true(session.remoteSettings.enableConnectProtocol)
})

test('text and bytes go both ways, and so does the end', async (t) => {
  const session = await connect(t, websocket)
  const { client, headers } = await open(t, session, '/echo')
  // HTTP/1.1 has to prove what a stream need not.
  t.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith('sec-') || name === 'upgrade' || name === 'connection'),
    [],
  )
  client.send('héllo')
  t.is(await client.next(), 'héllo')
  client.send(Buffer.from([0, 1, 255]))
  t.deepEqual(await client.next(), Buffer.from([0, 1, 255]))
  client.close(1000)
  t.like(await client.closed(), { code: 1000 })
  t.false(session.closed)
})

test('large messages go both ways', async (t) => {
  const session = await connect(t, websocket)
  const { client } = await open(t, session, '/echo')
  const large = Buffer.alloc(3 * mebibyte, 'amphis of many legs ')
  client.send(large)
  t.true((await client.next()) instanceof Buffer)
  client.send(large.toString('latin1'))
  t.is(((await client.next()) as string).length, large.length)
})

test('messages come in the order they were sent in, both ways at once', async (t) => {
  const session = await connect(t, websocket)
  const { client } = await open(t, session, '/talk?count=500')
  for (let index = 0; index < 500; index += 1) client.send(`up ${index}`)
  const down = await client.take(500)
  t.deepEqual(
    down,
    down.map((_, index) => `down ${index}`),
  )
  t.is(await client.next(), 'all came in order')
})

test('the code and the reason of either side reach the other', async (t) => {
  const session = await connect(t, script)
  const leaving = new Script(probe, [receive, accept, receive])
  const { client } = await open(t, session, leaving.target)
  client.close(4001, 'enough')
  t.deepEqual(await leaving.outcome(), [connected, disconnected(4001, 'enough')])

  const closing = new Script(probe, [receive, accept, closes({ code: 4002, reason: 'as well' })])
  const other = await open(t, session, closing.target)
  t.deepEqual(await other.client.closed(), { code: 4002, reason: 'as well' })
})

test('an app that fails in the middle of a denial has its stream reset', async (t) => {
  const session = await connect(t, script)
  const played = new Script(probe, [
    receive,
    ['send', { type: 'websocket.http.response.start', status: 401, headers: [] }],
    ['send', { type: 'websocket.http.response.body', body: bytes('not '), more_body: true }],
    ['wait', 'go'],
    ['raise', 'in the middle'],
  ])
  const denied = ask(t, session, played.target)
  await once(denied, 'data')
  await played.open('go')
  await t.throwsAsync(once(denied, 'end'))
  t.not(denied.rstCode, NGHTTP2_NO_ERROR)
})

test('the headers of an accept are those that HTTP/2 allows', async (t) => {
  const session = await connect(t, script)
  const headers = [
    [bytes('X-Own'), bytes(' é')],
    [bytes('set-cookie'), bytes('a=1')],
    [bytes('set-cookie'), bytes('b=2')],
    [bytes('keep-alive'), bytes('timeout=5')],
    [bytes('upgrade'), bytes('websocket')],
  ]
  const played = new Script(probe, [
    receive,
    ['send', { type: 'websocket.accept', subprotocol: 'two', headers }],
    receive,
  ])
  const opened = await open(t, session, played.target, { 'sec-websocket-protocol': 'one, two' })
  t.is(opened.headers['sec-websocket-protocol'], 'two')
  t.is(opened.headers['x-own'], 'é')
  t.deepEqual(opened.headers['set-cookie'], ['a=1', 'b=2'])
  t.false('keep-alive' in opened.headers)
})

for (const [how, code] of [
  ['resets it', NGHTTP2_CANCEL],
  ['resets it without an error', NGHTTP2_NO_ERROR],
] as const) {
  test(`the app is told 1006 when the client ${how}`, async (t) => {
    const session = await connect(t, script)
    const played = new Script(probe, [receive, accept, ['tell', 'open'], receive])
    const { stream } = await open(t, session, played.target)
    await played.wait('open')
    stream.close(code)
    t.deepEqual(await played.outcome(), [connected, disconnected(1006)])
  })

  test(`the app is told 1006 when the client ${how} before it was accepted`, async (t) => {
    const session = await connect(t, script)
    const played = new Script(probe, [receive, receive])
    const stream = ask(t, session, played.target)
    // Nobody reads it before the answer.
    stream.write('early')
    await played.wait('entered')
    stream.close(code)
    t.deepEqual(await played.outcome(), [connected, disconnected(1006)])
  })
}

test('all apps are told 1006 when the connection is lost', async (t) => {
  const session = await connect(t, script)
  const played = Array.from({ length: 5 }, () => new Script(probe, [receive, accept, ['tell', 'open'], receive]))
  for (const one of played) {
    await open(t, session, one.target)
    await one.wait('open')
  }
  session.destroy()
  for (const one of played) t.deepEqual(await one.outcome(), [connected, disconnected(1006)])
})

test('requests and many WebSockets share a connection', async (t) => {
  const session = await connect(t, websocket)
  const opened = await Promise.all(Array.from({ length: 50 }, async () => open(t, session, '/echo')))
  for (const [index, { client }] of opened.entries()) client.send(String(index))
  t.deepEqual((await request(session, { ':path': '/plain' })).json(), { http: '/plain' })
  t.deepEqual(
    await Promise.all(opened.map(async ({ client }) => client.next())),
    opened.map((_, index) => String(index)),
  )
  opened[0]!.stream.close(NGHTTP2_CANCEL)
  opened[1]!.client.send('still here')
  t.is(await opened[1]!.client.next(), 'still here')
})

test('a handler that is closed says 1012, and refuses those that come later', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:app', logger: new Recorder() })
  const session = await connect(t, handler)
  const { client } = await open(t, session, '/echo')
  const closing = handler.close()
  t.like(await client.closed(), { code: 1012 })
  await closing
  t.is((await readAnswer(ask(t, session, '/echo'))).status, 503)
})
