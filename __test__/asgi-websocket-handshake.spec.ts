import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import test, { type ExecutionContext } from 'ava'
import { PythonError } from '../index.js'
import { PATIENCE } from './helpers/patience.js'
import { valuesOf } from './helpers/client.js'
import { closed } from './helpers/closed.js'
import { expectedAccept, handshake, RawWebSocket } from './helpers/frames.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { accept, bytes, closes, connected, disconnected, receive, Script, sends, type Step } from './helpers/script.js'
import { serveInProcess } from './helpers/served-process.js'
import { serveSecurely } from './helpers/server.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const logger = new Recorder()
const websocket = shareHandler({ app: 'websocket_app:app', logger })
const script = shareHandler({ app: 'asgi_script:app', logger })
const probe = shareProbe()

interface Bytes {
  bytes: string
}

interface SeenScope {
  type: string
  asgi: Record<string, string>
  http_version: string
  scheme: string
  path: string
  raw_path: Bytes
  query_string: Bytes
  root_path: string
  headers: { tuple: [Bytes, Bytes] }[]
  client: { tuple: [string, number] } | null
  server: { tuple: [string, number | null] } | null
  subprotocols: string[]
  state?: Record<string, unknown>
  extensions: Record<string, unknown>
}

/** The scope of a handshake written byte by byte. */
async function write(t: ExecutionContext, target: string, lines: string[] = [], handler = websocket) {
  const { port } = await serveWebSockets(t, handler)
  const raw = await RawWebSocket.open(t, port, target, lines)
  return JSON.parse((await raw.message()) as string) as SeenScope
}

const show = async (t: ExecutionContext, lines: string[] = []) => write(t, '/show_scope', lines)

/** Runs an app that does what it is told; gives where. */
async function run(t: ExecutionContext, steps: Step[], options: Partial<HandlerOptions> = {}) {
  const own = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', logger: own, ...options })
  await handler.ready()
  const served = await serveWebSockets(t, handler)
  const played = new Script(probe, steps)
  return { ...served, handler, logger: own, script: played, at: `${served.ws}${played.target}` }
}

/** A connection as its client and as the server has it. */
async function openBothSides(t: ExecutionContext, server: Server, port: number): Promise<[RawConnection, Socket]> {
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const raw = await RawConnection.open(t, port)
  const [served] = await accepted
  return [raw, served]
}

/** The client that was answered does nothing more, and the server lets go of it. */
async function endsSoon(t: ExecutionContext, served: Socket): Promise<void> {
  const answered = performance.now()
  await closed(served)
  const took = performance.now() - answered
  t.true(took < 4500, `${took} ms`)
}

// The scope.

test('the scope has the keys that ASGI asks for, and no others', async (t) => {
  t.deepEqual(Object.keys(await show(t)).toSorted(), [
    'asgi',
    'client',
    'extensions',
    'headers',
    'http_version',
    'path',
    'query_string',
    'raw_path',
    'root_path',
    'scheme',
    'server',
    'subprotocols',
    'type',
  ])
})

test('the scope says type websocket, ASGI 3.0 and specification 2.5', async (t) => {
  t.like(await show(t), { type: 'websocket', asgi: { version: '3.0', spec_version: '2.5' }, http_version: '1.1' })
})

test('the scope advertises denial responses and no other extension', async (t) => {
  t.deepEqual((await show(t)).extensions, { 'websocket.http.response': {} })
})

test('every scope is its own', async (t) => {
  const { client: _, server: __, ...first } = await show(t)
  const { client: ___, server: ____, ...second } = await show(t)
  t.deepEqual(first, second)
})

for (const [what, lines, subprotocols] of [
  ['none', [], []],
  ['one', ['Sec-WebSocket-Protocol: graphql-ws'], ['graphql-ws']],
  ['several in order', ['Sec-WebSocket-Protocol: b, a,c'], ['b', 'a', 'c']],
  ['several lines', ['Sec-WebSocket-Protocol: b', 'X-Between: 1', 'Sec-WebSocket-Protocol: a'], ['b', 'a']],
] as const) {
  test(`the scope lists the subprotocols that the client offers: ${what}`, async (t) => {
    t.deepEqual((await show(t, [...lines])).subprotocols, [...subprotocols])
  })
}

for (const [target, path, raw, query] of [
  ['/show_scope', '/show_scope', '/show_scope', ''],
  ['/show_scope?', '/show_scope', '/show_scope', ''],
  ['/show_scope?x=%20+%2B%ff&x=/?', '/show_scope', '/show_scope', 'x=%20+%2B%ff&x=/?'],
  ['/caf%C3%A9/show_scope', '/café/show_scope', '/caf%C3%A9/show_scope', ''],
  ['/a%2Fb/show_scope', '/a/b/show_scope', '/a%2Fb/show_scope', ''],
  ['/%FF/show_scope', '/\ufffd/show_scope', '/%FF/show_scope', ''],
  ['//x//show_scope', '//x//show_scope', '//x//show_scope', ''],
  ['http://elsewhere.test:8080/x/show_scope?q', '/x/show_scope', '/x/show_scope', 'q'],
] as const) {
  test(`the scope decodes the target ${target}`, async (t) => {
    const seen = await write(t, target)
    t.deepEqual([seen.path, seen.raw_path.bytes, seen.query_string.bytes], [path, raw, query])
    t.is(seen.root_path, '')
  })
}

test('the scope gives all headers of the handshake as bytes, in order and with duplicates', async (t) => {
  const { headers } = await show(t, ['X-One: 1', 'Cookie: a=1', 'x-one: caf\u00e9 \u00ff', 'Cookie: b=2', 'X-Empty:'])
  t.deepEqual(
    headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes]),
    [
      ['host', 'test'],
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ['x-one', '1'],
      ['cookie', 'a=1'],
      ['x-one', 'caf\u00e9 \u00ff'],
      ['cookie', 'b=2'],
      ['x-empty', ''],
    ],
  )
})

test('the scope gives client and server with ports that are numbers', async (t) => {
  const { server, ws } = await serveWebSockets(t, websocket)
  let socket: Socket | undefined
  server.on('connection', (connection: Socket) => (socket = connection))
  const client = await WebSocketClient.open(t, `${ws}/show_scope`)
  const seen = (await client.json()) as SeenScope
  t.deepEqual(seen.client, { tuple: ['127.0.0.1', socket?.remotePort as number] })
  t.deepEqual(seen.server, { tuple: ['127.0.0.1', (server.address() as AddressInfo).port] })
  t.is(seen.scheme, 'ws')
})

test('the scope of a Unix socket has its path as the server, and no client', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'ws.sock')
  const server = createServer()
  websocket.attach(server)
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const raw = await RawWebSocket.open(t, path, '/show_scope')
  const seen = JSON.parse((await raw.message()) as string) as SeenScope
  t.deepEqual(seen.server, { tuple: [path, null] })
  t.is(seen.client, null)
})

test('the scheme over TLS is wss', async (t) => {
  const { server, url, certificate } = await serveSecurely(t, websocket.listener)
  websocket.attach(server)
  const client = await WebSocketClient.open(t, `${url.replace('https', 'wss')}/show_scope`, { ca: certificate })
  t.is(((await client.json()) as SeenScope).scheme, 'wss')
})

test('believes no header about the scheme, the client or the prefix', async (t) => {
  const seen = await show(t, ['X-Forwarded-Proto: https', 'X-Forwarded-For: 1.2.3.4', 'X-Forwarded-Prefix: /evil'])
  t.like(seen, { scheme: 'ws', root_path: '' })
  t.is(seen.client?.tuple[0], '127.0.0.1')
})

test('the path of attach() is cut like the prefix of a mount', async (t) => {
  const { ws } = await serveWebSockets(t, websocket, { path: '/mnt' })
  const client = await WebSocketClient.open(t, `${ws}/mnt/caf%C3%A9/show_scope?q`)
  const seen = (await client.json()) as SeenScope
  t.like(seen, { root_path: '/mnt', path: '/mnt/café/show_scope' })
  t.deepEqual([seen.raw_path.bytes, seen.query_string.bytes], ['/mnt/caf%C3%A9/show_scope', 'q'])
})

test('the option rootPath is the root path of a path that holds it already', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:app', rootPath: '/prefix' })
  const seen = await write(t, '/prefix/show_scope', [], handler)
  t.like(seen, { root_path: '/prefix', path: '/prefix/show_scope' })
})

test('the scope has no state without a lifespan', async (t) => {
  t.false('state' in (await show(t)))
})

test('the scope has the state of the lifespan, a shallow copy for each connection', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:stateful', lifespan: 'on' })
  const { ws } = await serveWebSockets(t, handler)
  for (const hits of [1, 2]) {
    // `mine`, which the first connection added to its own state, is not in the second.
    const found = await (await WebSocketClient.open(t, ws)).json()
    t.deepEqual(found, { name: 'from startup', shared: { hits } })
  }
})

// Accepting.

test('the app receives websocket.connect once, and the client the accept of its key', async (t) => {
  const { port, script: played } = await run(t, [receive, accept, receive])
  const raw = await RawWebSocket.open(t, port, played.target)
  t.regex(raw.response.head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  const flat = raw.response.headers.flat()
  t.deepEqual(valuesOf(flat, 'sec-websocket-accept'), [expectedAccept])
  t.regex(String(valuesOf(flat, 'upgrade')), /^websocket$/i)
  t.regex(String(valuesOf(flat, 'connection')), /^upgrade$/i)
  t.deepEqual(valuesOf(flat, 'sec-websocket-protocol'), [])
  t.deepEqual(valuesOf(flat, 'sec-websocket-extensions'), [])
  raw.connection.leave()
  t.deepEqual(await played.outcome(), [connected, disconnected(1006)])
})

test('an app may accept without having received', async (t) => {
  const { at, script: played } = await run(t, [accept, receive, receive])
  const client = await WebSocketClient.open(t, at)
  client.close(1000)
  t.deepEqual(await played.outcome(), [connected, disconnected(1000)])
})

for (const [connection, upgrade] of [
  ['keep-alive, Upgrade', 'websocket'],
  ['upgrade', 'WebSocket'],
] as const) {
  test(`takes Connection: ${connection} and Upgrade: ${upgrade}`, async (t) => {
    const { port } = await serveWebSockets(t, websocket)
    const raw = await RawConnection.open(t, port)
    raw.write(
      handshake('/echo')
        .replace('Connection: Upgrade', `Connection: ${connection}`)
        .replace('Upgrade: websocket', `Upgrade: ${upgrade}`),
    )
    t.is((await raw.response()).status, 101)
  })
}

for (const chosen of ['first', 'second']) {
  test(`the subprotocol that the app chooses is the connection's: the ${chosen}`, async (t) => {
    const { at } = await run(t, [receive, ['send', { type: 'websocket.accept', subprotocol: chosen }], receive])
    const client = await WebSocketClient.open(t, at, { subprotocols: ['first', 'second'] })
    t.is(client.socket.protocol, chosen)
  })
}

for (const message of [{}, { subprotocol: null }]) {
  test(`no subprotocol is chosen for the app: ${JSON.stringify(message)}`, async (t) => {
    const { port, script: played } = await run(t, [['send', { type: 'websocket.accept', ...message }], receive])
    const raw = await RawWebSocket.open(t, port, played.target, ['Sec-WebSocket-Protocol: first, second'])
    t.deepEqual(valuesOf(raw.response.headers.flat(), 'sec-websocket-protocol'), [])
  })
}

test('the headers of the accept go out as they are, in order and with duplicates', async (t) => {
  const headers = [
    [bytes('set-cookie'), bytes('a=1; Path=/')],
    [bytes('X-MiXeD'), bytes('kept')],
    [bytes('set-cookie'), bytes('b=2; Path=/')],
    [bytes('x-latin'), bytes('caf\u00e9 \u00ff')],
    [bytes('x-empty'), bytes('')],
  ]
  const { port, script: played } = await run(t, [receive, ['send', { type: 'websocket.accept', headers }], receive])
  const raw = await RawWebSocket.open(t, port, played.target)
  const lines = raw.response.head.split('\r\n')
  t.deepEqual(
    lines.map((line) => line.trimEnd()).filter((line) => /^(set-cookie|x-)/i.test(line)),
    ['set-cookie: a=1; Path=/', 'X-MiXeD: kept', 'set-cookie: b=2; Path=/', 'x-latin: caf\u00e9 \u00ff', 'x-empty:'],
  )
  t.deepEqual(valuesOf(raw.response.headers.flat(), 'sec-websocket-accept'), [expectedAccept])
})

test('what the app sends right behind its accept arrives', async (t) => {
  const { at } = await run(t, [accept, sends({ text: 'at once' }), sends({ bytes: bytes('\0\xff') }), closes()])
  const client = await WebSocketClient.open(t, at)
  t.deepEqual(await client.take(2), ['at once', Buffer.from([0, 0xff])])
  t.deepEqual(await client.closed(), { code: 1000, reason: '' })
})

// Refusing.

for (const message of [{}, { code: 4001, reason: 'not you' }]) {
  test(`closing before the accept is a 403 without a body: ${JSON.stringify(message)}`, async (t) => {
    const { port, script: played, logger: own } = await run(t, [receive, closes(message), receive, receive])
    const raw = await RawConnection.open(t, port)
    raw.write(handshake(played.target))
    const { status, body, headers } = await raw.response()
    t.deepEqual([status, body], [403, ''])
    t.deepEqual(valuesOf(headers.flat(), 'connection'), ['close'])
    t.deepEqual(await raw.rest(), { text: '', end: 'end' })
    t.deepEqual(await played.outcome(), [connected, disconnected(1006), disconnected(1006)])
    t.deepEqual(own.at('error'), [])
  })
}

const start = (status: number, headers: unknown[] = []): Step => [
  'send',
  { type: 'websocket.http.response.start', status, headers },
]
const piece = (text: string, more: boolean): Step => [
  'send',
  { type: 'websocket.http.response.body', body: bytes(text), more_body: more },
]

test('a denial response goes out with its status, headers and body', async (t) => {
  const headers = [
    [bytes('content-type'), bytes('text/plain')],
    [bytes('set-cookie'), bytes('a=1')],
    [bytes('set-cookie'), bytes('b=2')],
    [bytes('x-latin'), bytes('caf\u00e9')],
  ]
  const {
    port,
    script: played,
    logger: own,
  } = await run(t, [receive, start(401, headers), piece('who are you?', false), receive, receive])
  const raw = await RawConnection.open(t, port)
  raw.write(handshake(played.target))
  const response = await raw.response()
  t.regex(response.head, /^HTTP\/1\.1 401 Unauthorized\r\n/)
  t.is(response.body, 'who are you?')
  const flat = response.headers.flat()
  t.deepEqual(valuesOf(flat, 'content-type'), ['text/plain'])
  t.deepEqual(valuesOf(flat, 'set-cookie'), ['a=1', 'b=2'])
  t.deepEqual(valuesOf(flat, 'x-latin'), ['caf\u00e9'])
  t.deepEqual(valuesOf(flat, 'connection'), ['close'])
  t.deepEqual(await raw.rest(), { text: '', end: 'end' })
  t.deepEqual(await played.outcome(), [connected, disconnected(1006), disconnected(1006)])
  t.deepEqual(own.at('error'), [])
})

test('a denial response keeps its content-length', async (t) => {
  const { port, script: played } = await run(t, [
    start(402, [[bytes('content-length'), bytes('6')]]),
    piece('123', true),
    piece('456', false),
  ])
  const raw = await RawConnection.open(t, port)
  raw.write(handshake(played.target))
  const { status, headers, body } = await raw.response()
  t.deepEqual([status, valuesOf(headers.flat(), 'content-length'), body], [402, ['6'], '123456'])
})

test('a denial response is streamed: a piece arrives before the next is sent', async (t) => {
  const { port, script: played } = await run(t, [
    start(403),
    piece('first', true),
    ['wait', 'go'],
    piece('last', false),
  ])
  const raw = await RawConnection.open(t, port)
  raw.write(handshake(played.target))
  await raw.until('first')
  await played.open('go')
  const { text, end } = await raw.rest()
  t.regex(text, /last/)
  t.is(end, 'end')
})

for (const status of [204, 304]) {
  test(`a denial response of ${status} has no body`, async (t) => {
    const { port, script: played } = await run(t, [start(status), piece('must not be seen', false)])
    const raw = await RawConnection.open(t, port)
    raw.write(handshake(played.target))
    t.is((await raw.response()).status, status)
    t.deepEqual(await raw.rest(), { text: '', end: 'end' })
  })
}

for (const kind of ['whole', 'pieces']) {
  test(`a denial response may have many MiB: ${kind}`, async (t) => {
    const { ws } = await serveWebSockets(t, websocket)
    const answer = await WebSocketClient.refused(t, `${ws}/denies_largely?kind=${kind}`)
    t.is(answer.status, 418)
    t.is(answer.body.length, 8 * 2 ** 20)
    t.is(createHash('sha256').update(answer.body).digest('hex'), String(answer.headers['x-sha256']))
  })
}

// The client leaves, the app fails, nobody decides.

for (const how of ['reset', 'leave'] as const) {
  test(`a client that is gone before the accept is a disconnect 1006: ${how}`, async (t) => {
    const {
      port,
      script: played,
      logger: own,
    } = await run(t, [receive, ['tell', 'idle'], receive, ['try', { type: 'websocket.accept' }], receive])
    const raw = await RawConnection.open(t, port)
    raw.write(handshake(played.target))
    await played.wait('idle')
    const left = performance.now()
    raw[how]()
    const [first, second, tried, last] = await played.outcome()
    t.true(performance.now() - left < PATIENCE)
    t.deepEqual([first, second, last], [connected, disconnected(1006), disconnected(1006)])
    t.like(tried, { error: 'ClientDisconnected' })
    t.true((tried as { classes: string[] }).classes.includes('OSError'))
    t.deepEqual(own.at('error'), [])
  })
}

test('a client that has sent something and ends before the accept is a disconnect 1006', async (t) => {
  const { port, script: played } = await run(t, [receive, ['tell', 'asked'], receive])
  const raw = await RawConnection.open(t, port)
  // Half a frame: nobody reads it before the accept.
  raw.write(`${handshake(played.target)}x`)
  await played.wait('asked')
  raw.socket.end()
  t.deepEqual(await played.outcome(), [connected, disconnected(1006)])
})

test('clients that leave while the app starts are not given to it, or are lost at once', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:starts_late', lifespan: 'on' })
  const { server, port, ws } = await serveWebSockets(t, handler)
  const names: string[] = []
  for (const [how, behind] of [
    ['reset', ''],
    ['leave', ''],
    ['leave', 'x'],
  ] as const) {
    const name = unique()
    names.push(name)
    const [raw, served] = await openBothSides(t, server, port)
    const asked = once(server, 'upgrade')
    raw.write(handshake(`/undecided?name=${name}`) + behind)
    await asked
    raw[how]()
    // The end of what a client sends shows only to those who read, which nobody does yet.
    if (how === 'reset') await closed(served)
  }
  await probe.tell('starts_late:go')
  const client = await WebSocketClient.open(t, `${ws}/echo`)
  client.send('started')
  t.is(await client.next(), 'started')
  for (const name of names) {
    const entered = await probe.marks(`${name}:entered`)
    if (entered.length > 0) await probe.wait(`${name}:left`)
    t.deepEqual(await probe.marks(name), entered.length > 0 ? [connected, disconnected(1006)] : [])
  }
})

test('a client that leaves in the middle of a denial response is told to the app', async (t) => {
  const { port, script: played } = await run(t, [
    start(403),
    piece('first', true),
    ['wait', 'go'],
    receive,
    receive,
    ['try', { type: 'websocket.http.response.body', body: bytes('late') }],
  ])
  const raw = await RawConnection.open(t, port)
  raw.write(handshake(played.target))
  await raw.until('first')
  raw.reset()
  await played.open('go')
  const [, second, tried] = await played.outcome()
  t.deepEqual(second, disconnected(1006))
  t.like(tried, { error: 'ClientDisconnected' })
})

test('an app that returns without a decision is a 500', async (t) => {
  const { at, logger: own } = await run(t, [receive])
  t.is((await WebSocketClient.refused(t, at)).status, 500)
  const error = await own.waitForError()
  t.like(error, { code: 'AMPHIS_ERR_NO_RESPONSE' })
})

test('an app that raises before the accept is a 500, and its traceback is logged', async (t) => {
  const { at, logger: own } = await run(t, [receive, ['raise', 'nothing known of you']])
  const answer = await WebSocketClient.refused(t, at)
  t.is(answer.status, 500)
  t.notRegex(answer.text, /nothing known/)
  const error = await own.waitForError()
  t.true(error instanceof PythonError)
  t.like(error, { type: 'LookupError', message: 'nothing known of you' })
  t.regex((error as PythonError).traceback, /asgi_script\.py", line \d+, in play/)
})

test('an app that is no app for WebSockets refuses them with a 500 and serves on', async (t) => {
  const handler = createHandler(t, { app: 'main:app', logger: new Recorder() })
  const { ws, url } = await serveWebSockets(t, handler)
  const answer = await WebSocketClient.refused(t, ws)
  t.is(answer.status, 500)
  t.is((await fetch(url)).status, 200)
})

test.serial('an app that never accepts is limited by timeoutRequest: 504', async (t) => {
  const { at, script: played, logger: own } = await run(t, [receive, ['wait', 'never']], { timeoutRequest: 300 })
  t.is((await WebSocketClient.refused(t, at)).status, 504)
  t.is((await played.raised()).error, 'CancelledError')
  t.deepEqual(
    own.errors().filter((error) => error instanceof PythonError),
    [],
  )
})

test.serial('timeoutRequest does not limit a WebSocket that was accepted', async (t) => {
  const options = { app: 'asgi_script:app', timeoutRequest: 500, logger: new Recorder() }
  const handler = createHandler(t, options)
  await handler.ready()
  const { ws } = await serveWebSockets(t, handler)
  const accepted = new Script(probe, [receive, accept, receive, sends({ text: 'still here' }), receive])
  const client = await WebSocketClient.open(t, ws + accepted.target)
  // Whoever came later has been timed out, so the time of the first is over as well.
  const never = new Script(probe, [receive, ['wait', 'never']])
  t.is((await WebSocketClient.refused(t, ws + never.target)).status, 504)
  client.send('x')
  t.is(await client.next(), 'still here')
})

test('limitConcurrency counts WebSockets, and refuses them with 503 and retry-after', async (t) => {
  const { at, ws } = await run(t, [receive, accept, receive], { limitConcurrency: 1 })
  const client = await WebSocketClient.open(t, at)
  const second = new Script(probe, [accept, receive])
  const answer = await WebSocketClient.refused(t, ws + second.target)
  t.is(answer.status, 503)
  t.regex(String(answer.headers['retry-after']), /^\d+$/)
  client.close()
  await client.closed()
  t.notThrows(() => client.socket.terminate())
})

// What is no handshake of a WebSocket.

for (const [what, change, status] of [
  ['has no key', (text: string) => text.replace(/Sec-WebSocket-Key.*\r\n/, ''), 400],
  ['has an empty key', (text: string) => text.replace(/(Sec-WebSocket-Key:).*/, '$1'), 400],
  ['has a key that is no base64', (text: string) => text.replace(/(Sec-WebSocket-Key:).*/, '$1 ???'), 400],
  ['has a key of 15 bytes', (text: string) => text.replace(/(Sec-WebSocket-Key:).*/, '$1 AAAAAAAAAAAAAAAAAAAA'), 400],
  [
    'has a key of 17 bytes',
    (text: string) => text.replace(/(Sec-WebSocket-Key:).*/, '$1 dGhlIHNhbXBsZSBub25jZSE='),
    400,
  ],
  ['has no version', (text: string) => text.replace(/Sec-WebSocket-Version.*\r\n/, ''), 400],
  ['has version 12', (text: string) => text.replace('Version: 13', 'Version: 12'), 400],
  ['has version 13, 13', (text: string) => text.replace('Version: 13', 'Version: 13, 13'), 400],
  ['is a POST', (text: string) => text.replace('GET', 'POST'), 405],
  ['is a HEAD', (text: string) => text.replace('GET', 'HEAD'), 405],
  ['offers an empty subprotocol', (text: string) => text.replace('Host', 'Sec-WebSocket-Protocol: a,,b\r\nHost'), 400],
  ['offers a subprotocol twice', (text: string) => text.replace('Host', 'Sec-WebSocket-Protocol: a, a\r\nHost'), 400],
  [
    'offers a subprotocol with spaces',
    (text: string) => text.replace('Host', 'Sec-WebSocket-Protocol: a b\r\nHost'),
    400,
  ],
] as const) {
  test(`a handshake that ${what} is a ${status}, and the app is not started`, async (t) => {
    const { port } = await serveWebSockets(t, script)
    const played = new Script(probe, [receive, accept, receive])
    const raw = await RawConnection.open(t, port)
    raw.write(change(handshake(played.target)))
    const { text } = await raw.rest()
    t.regex(text, new RegExp(`^HTTP/1\\.1 ${status} `))
    if (what.includes('version 12')) t.regex(text, /sec-websocket-version: 13/i)
    // The next one is taken, and the app has seen no other.
    const good = new Script(probe, [accept, sends({ text: 'good' }), receive])
    t.is(await (await RawWebSocket.open(t, port, good.target)).message(), 'good')
    t.deepEqual(await played.marks(), [])
  })
}

for (const [what, text] of [
  ['a NUL in the target', handshake('/echo\0')],
  ['a NUL in a header', handshake('/echo', ['X-Nul: a\0b'])],
  ['a space in the target', handshake('/echo /')],
  ['a header without a colon', handshake('/echo', ['nonsense'])],
  ['a header name with a space', handshake('/echo', ['x y: z'])],
  ['garbage', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 garbage\r\n\r\n'],
  ['a version of HTTP that there is not', handshake('/echo').replace('HTTP/1.1', 'HTTP/7.1')],
] as const) {
  test(`${what} is a 400`, async (t) => {
    const { port } = await serveWebSockets(t, websocket)
    const raw = await RawConnection.open(t, port)
    raw.write(text)
    t.regex((await raw.rest()).text, /^HTTP\/1\.1 400 /)
    await RawWebSocket.open(t, port, '/echo')
  })
}

test('a head beyond the limit is a 431', async (t) => {
  const { port } = await serveWebSockets(t, websocket)
  const raw = await RawConnection.open(t, port)
  raw.write(handshake('/echo', [`X-Long: ${'x'.repeat(20_000)}`]))
  t.regex((await raw.rest()).text, /^HTTP\/1\.1 431 /)
})

test('HTTP/1.0 has no upgrades', async (t) => {
  const { port } = await serveWebSockets(t, websocket)
  const raw = await RawConnection.open(t, port)
  raw.write(handshake('/echo').replace('HTTP/1.1', 'HTTP/1.0'))
  t.not((await raw.response()).status, 101)
})

for (const [what, line] of [
  ['Upgrade', /Upgrade: websocket\r\n/],
  ['Connection', /Connection: Upgrade\r\n/],
] as const) {
  test(`a request without ${what} is served as HTTP`, async (t) => {
    const { port } = await serveWebSockets(t, websocket)
    const raw = await RawConnection.open(t, port)
    raw.write(handshake('/plain').replace(line, ''))
    t.like(await raw.response(), { status: 200, body: '{"http": "/plain"}' })
  })
}

test('a handshake behind an HTTP request of the same connection is taken', async (t) => {
  const { port } = await serveWebSockets(t, websocket)
  const raw = await RawConnection.open(t, port)
  raw.write('GET /plain HTTP/1.1\r\nHost: test\r\n\r\n')
  t.is((await raw.response()).status, 200)
  raw.write(handshake('/echo'))
  t.is((await raw.response()).status, 101)
})

// The connection may have ended before.
const head: Step = ['try', { type: 'http.response.start', status: 200 }]
const part: Step = ['try', { type: 'http.response.body', body: bytes('part'), more_body: true }]

for (const [what, steps, change, settings, options] of [
  ['which its app would accept', [receive, accept, receive], '', {}, {}],
  ['which its app would refuse', [receive, closes()], '', {}, {}],
  ['on a path that nobody has', [], '', { path: '/py' }, {}],
  ['beyond limitConcurrency', [receive, accept], '', {}, { limitConcurrency: 1 }],
  ['that is malformed', [receive, accept], 'Version: 12', {}, {}],
] as const) {
  test.serial(`a handshake behind a request that is not answered yet ends the connection: one ${what}`, async (t) => {
    const served = await serveInProcess(
      t,
      { app: 'asgi_script:app', ...options },
      `const server = http.createServer(handler.listener)
       handler.attach(server, ${JSON.stringify(settings)})`,
    )
    const first = new Script(served.probe, [receive, head, part, receive])
    const second = new Script(served.probe, [...steps])
    const raw = await RawConnection.open(t, served.port)
    const behind = handshake(second.target)
    raw.write(
      `GET ${first.target} HTTP/1.1\r\nHost: test\r\n\r\n${change ? behind.replace('Version: 13', change) : behind}`,
    )
    const { text } = await raw.rest()
    // What belongs to the second can't come before the end of the first.
    t.notRegex(text, /HTTP\/1\.1 (?!200)/)
    const outcome = await first.outcome()
    t.deepEqual(outcome.at(-1), { type: 'http.disconnect' })
    t.like(await served.leave(), { code: 0, stderr: '' })
  })
}

for (const [what, steps] of [
  ['the accept', [receive, accept, receive]],
  ['a refusal', [receive, closes(), receive]],
  ['a denial', [receive, start(401), piece('no', false), receive]],
  ['a message', [receive, accept, sends({ text: 'one' }), receive]],
] as const) {
  test.serial(`a socket of which ${what} cannot be written costs that connection only, and is logged`, async (t) => {
    const served = await serveInProcess(
      t,
      { app: 'asgi_script:app' },
      `const server = http.createServer(handler.listener)
       handler.attach(server)
       server.prependOnceListener('upgrade', (_request, socket) => {
         const { write } = socket
         socket.write = function (...args) {
           const isHead = String(args[0]).startsWith('HTTP/1.1 101')
           if (isHead && ${JSON.stringify(what)} === 'a message') return write.apply(this, args)
           throw new Error('of the host')
         }
       })`,
    )
    const played = new Script(served.probe, [...steps])
    const raw = await RawConnection.open(t, served.port)
    raw.write(handshake(played.target))
    await raw.rest()
    t.deepEqual((await played.outcome()).at(-1), disconnected(1006))
    const next = new Script(served.probe, [receive, accept, sends({ text: 'two' }), receive])
    const other = await RawWebSocket.open(t, served.port, next.target)
    t.is(await other.message(), 'two')
    const { code, stderr } = await served.leave()
    t.is(code, 0, stderr)
    t.regex(stderr, /of the host/)
  })
}

for (const [what, target, status, options] of [
  ['by its app', new Script(probe, [receive, closes()]).target, 403, {}],
  ['by a denial response', new Script(probe, [receive, start(401), piece('no', false)]).target, 401, {}],
  ['since its app has raised', new Script(probe, [['raise', 'no']]).target, 500, {}],
  ['since its app has not answered', new Script(probe, [['wait', 'never']]).target, 504, { timeoutRequest: 50 }],
] as const) {
  test(`a client that keeps its side of a connection is not waited for once its handshake is refused ${what}`, async (t) => {
    const { server, port } = await run(t, [], options)
    const [raw, served] = await openBothSides(t, server, port)
    raw.write(handshake(target))
    t.is((await raw.response()).status, status)
    await endsSoon(t, served)
  })
}

for (const [what, ask] of [
  ['on a path that nobody has', (raw: RawConnection) => raw.write(handshake('/x'))],
  ['that is malformed', (raw: RawConnection) => raw.write(handshake('/py/x').replace('Version: 13', 'Version: 12'))],
] as const) {
  test(`a client that keeps its side of a connection is not waited for after a handshake ${what}`, async (t) => {
    const { server, port } = await serveWebSockets(t, websocket, { path: '/py' })
    const [raw, served] = await openBothSides(t, server, port)
    ask(raw)
    t.true((await raw.response()).status >= 400)
    await endsSoon(t, served)
  })
}

test('a client that keeps its side of a connection is not waited for when limitConcurrency refuses it', async (t) => {
  const { server, port, at } = await run(t, [receive, accept, receive], { limitConcurrency: 1 })
  await WebSocketClient.open(t, at)
  const [raw, served] = await openBothSides(t, server, port)
  raw.write(handshake(new Script(probe, []).target))
  t.is((await raw.response()).status, 503)
  await endsSoon(t, served)
})

test('a hundred handshakes at once are each answered their own', async (t) => {
  const { ws } = await serveWebSockets(t, websocket)
  const seen = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const client = await WebSocketClient.open(t, `${ws}/show_scope?${index}`)
      return ((await client.json()) as SeenScope).query_string.bytes
    }),
  )
  t.deepEqual(
    seen,
    seen.map((_, index) => String(index)),
  )
})

test('a handshake waits until the app is ready', async (t) => {
  const handler = createHandler(t, 'websocket_app:app')
  const { ws } = await serveWebSockets(t, handler)
  const client = await WebSocketClient.open(t, `${ws}/echo`)
  client.send(unique())
  t.is(typeof (await client.next()), 'string')
})

test('a handshake of an app that could not start is a 500', async (t) => {
  const handler = createHandler(t, { app: 'no_such_module:app', logger: new Recorder() })
  await t.throwsAsync(handler.ready())
  const { ws } = await serveWebSockets(t, handler)
  t.is((await WebSocketClient.refused(t, ws)).status, 500)
})
