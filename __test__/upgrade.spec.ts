import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { WebSocketServer } from 'ws'
import { closeFrame, handshake, RawWebSocket } from './helpers/frames.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { bytes, receive, Script, type Step } from './helpers/script.js'
import { serveInProcess } from './helpers/served-process.js'
import { serve, serveSecurely } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'

const first = shareHandler('upgrades:first')
const second = shareHandler('upgrades:second')
const third = shareHandler('upgrades:third')

/** A server of Node's that answers HTTP itself. */
async function serveNode(t: ExecutionContext) {
  const { server, port } = await serve(t, (_req, res) => void res.end('of the host'))
  return { server, port, ws: `ws://127.0.0.1:${port}` }
}

/** Who took a WebSocket. */
async function ask(t: ExecutionContext, url: string): Promise<unknown> {
  return (await WebSocketClient.open(t, url)).json()
}

/** The status that a WebSocket is refused with; 0 when the connection just ends. */
async function refused(t: ExecutionContext, port: number, target: string): Promise<number> {
  const raw = await RawConnection.open(t, port)
  raw.write(handshake(target))
  const { text, end } = await raw.rest()
  t.is(end, 'end')
  return text === '' ? 0 : Number(text.split(' ')[1])
}

/** Somebody else's WebSockets on the same server, as Vite has them: they look at the request and leave it alone. */
function addNeighbour(t: ExecutionContext, server: Server, takes: (req: IncomingMessage) => boolean): void {
  const neighbour = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!takes(req)) return
    neighbour.handleUpgrade(req, socket, head, (socketOfNeighbour) => {
      socketOfNeighbour.send(JSON.stringify('the neighbour'))
      socketOfNeighbour.on('message', (data) => socketOfNeighbour.send(JSON.stringify((data as Buffer).toString())))
    })
  })
  t.teardown(() => neighbour.close())
}

test('upgrade is a listener for a server’s upgrade event', async (t) => {
  const { server, ws } = await serveNode(t)
  server.on('upgrade', first.upgrade)
  t.deepEqual(await ask(t, `${ws}/a/b`), ['first', 'websocket', '', '/a/b'])
})

test('upgrade may be called by a host that chooses', async (t) => {
  const { server, ws } = await serveNode(t)
  server.on('upgrade', (req, socket, head) => {
    if (req.url?.startsWith('/second')) second.upgrade(req, socket, head)
    else first.upgrade(req, socket, head)
  })
  t.deepEqual(await ask(t, `${ws}/x`), ['first', 'websocket', '', '/x'])
  t.deepEqual(await ask(t, `${ws}/second`), ['second', 'websocket', '', '/second'])
})

test('attach() takes the WebSockets of a server and leaves its HTTP alone', async (t) => {
  const { server, port, ws } = await serveNode(t)
  first.attach(server)
  t.deepEqual(await ask(t, `${ws}/x`), ['first', 'websocket', '', '/x'])
  t.is(await (await fetch(`http://127.0.0.1:${port}/x`)).text(), 'of the host')
})

test('attach() takes the WebSockets of a server over TLS', async (t) => {
  const { server, port, certificate } = await serveSecurely(t, first.listener)
  first.attach(server)
  const client = await WebSocketClient.open(t, `wss://127.0.0.1:${port}/x`, { ca: certificate })
  t.deepEqual(await client.json(), ['first', 'websocket', '', '/x'])
})

for (const [target, expected] of [
  // As middleware sees its mount point: the route '/' has to match.
  ['/mnt', ['/mnt', '/mnt/']],
  ['/mnt/', ['/mnt', '/mnt/']],
  ['/mnt/x?/y', ['/mnt', '/mnt/x']],
  ['/mnt?x', ['/mnt', '/mnt/']],
] as const) {
  test(`attach() with a path takes ${target} as a mount does`, async (t) => {
    const { server, ws } = await serveNode(t)
    first.attach(server, { path: '/mnt' })
    t.deepEqual(await ask(t, ws + target), ['first', 'websocket', ...expected])
  })
}

for (const target of ['/', '/mn', '/mntx', '/other/mnt', '/MNT/x']) {
  test(`attach() with a path does not take ${target}: 404 where nobody else listens`, async (t) => {
    const { server, port } = await serveNode(t)
    first.attach(server, { path: '/mnt' })
    t.is(await refused(t, port, target), 404)
  })
}

test('a path may end in a slash or not', async (t) => {
  const { server, ws } = await serveNode(t)
  first.attach(server, { path: '/mnt/' })
  t.deepEqual(await ask(t, `${ws}/mnt/x`), ['first', 'websocket', '/mnt', '/mnt/x'])
})

for (const { rootPath, path, target } of [
  { rootPath: '/api', path: '/api', target: '/api/chat' },
  { rootPath: '/api', path: '/api/', target: '/api/chat?room=1' },
  { rootPath: '/api', path: '/api', target: '/api' },
  { rootPath: '/api', path: '/api', target: 'http://host/api/chat' },
  { rootPath: '/api/', path: '/api', target: '/api/chat' },
  { rootPath: '/caf%C3%A9', path: '/caf%C3%A9', target: '/caf%C3%A9/a%20b' },
  { rootPath: '/café', path: '/caf%C3%A9', target: '/caf%C3%A9/a%20b' },
  { rootPath: '/a', path: '/a/b', target: '/a/b/c' },
  { rootPath: '/a/b', path: '/a', target: '/a/b/c' },
  { rootPath: '/a', path: '/ab', target: '/ab/c' },
  { rootPath: '/a', path: undefined, target: '/a/b' },
]) {
  test(`with rootPath ${rootPath} attach() to ${path} leaves ${target} whole, as its host does for HTTP`, async (t) => {
    const handler = createHandler(t, { app: 'upgrades:first', rootPath })
    const { server, port } = await serve(t, handler.listener)
    handler.attach(server, { path })
    const get = await RawConnection.open(t, port)
    get.write(`GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`)
    const [name, , ...seen] = JSON.parse((await get.response()).body) as unknown[]
    const socket = await RawWebSocket.open(t, port, target)
    t.deepEqual(JSON.parse(String(await socket.message())), [name, 'websocket', ...seen])
    t.is(seen[0], decodeURI(rootPath.replace(/\/$/u, '')))
  })
}

test('with and without rootPath, handlers of one server share its WebSockets', async (t) => {
  const { server, ws } = await serveNode(t)
  const whole = createHandler(t, { app: 'upgrades:second', rootPath: '/a' })
  first.attach(server, { path: '/b' })
  whole.attach(server, { path: '/a' })
  t.deepEqual(await ask(t, `${ws}/a/x`), ['second', 'websocket', '/a', '/a/x'])
  t.deepEqual(await ask(t, `${ws}/b/x`), ['first', 'websocket', '/b', '/b/x'])
})

for (const path of ['mnt', '/a?b', '/a#b', 5]) {
  test(`attach() refuses the path ${path}`, async (t) => {
    const { server } = await serveNode(t)
    t.throws(() => first.attach(server, { path: path as string }), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
  })
}

test('attach() refuses what is no server', (t) => {
  t.throws(() => first.attach({} as Server), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
})

for (const order of ['longest last', 'longest first'] as const) {
  test(`of several handlers the longest path takes a WebSocket: ${order}`, async (t) => {
    const { server, ws } = await serveNode(t)
    const attachments = [
      () => first.attach(server),
      () => second.attach(server, { path: '/a' }),
      () => third.attach(server, { path: '/a/b' }),
    ]
    for (const attach of order === 'longest last' ? attachments : attachments.toReversed()) attach()
    for (const [target, name, root] of [
      ['/', 'first', ''],
      ['/ab', 'first', ''],
      ['/a/', 'second', '/a'],
      ['/a/bc', 'second', '/a'],
      ['/a/b/', 'third', '/a/b'],
      ['/a/b/c', 'third', '/a/b'],
    ]) {
      t.deepEqual(await ask(t, `${ws}${target}`), [name, 'websocket', root, target])
    }
  })
}

test('detach gives a path back', async (t) => {
  const { server, port, ws } = await serveNode(t)
  const detachFirst = first.attach(server)
  const detachSecond = second.attach(server, { path: '/a' })
  const open = await WebSocketClient.open(t, `${ws}/a`)
  await open.json()
  detachSecond()
  t.deepEqual(await ask(t, `${ws}/a`), ['first', 'websocket', '', '/a'])
  // A second time it does nothing.
  detachSecond()
  detachFirst()
  t.is(server.listenerCount('upgrade'), 0)
  // Without a listener Node serves the request as if it had not asked for an upgrade.
  const raw = await RawConnection.open(t, port)
  raw.write(handshake('/a'))
  t.is((await raw.response()).body, 'of the host')
  // What was open stays open.
  open.close(1000)
  t.is((await open.closed()).code, 1000)
})

for (const who of ['before', 'after'] as const) {
  test(`WebSockets of somebody else on another path are left alone: attached ${who} amphis`, async (t) => {
    const { server, port, ws } = await serveNode(t)
    const takes = (req: IncomingMessage) => req.headers['sec-websocket-protocol'] === 'vite-hmr' || req.url === '/hmr'
    if (who === 'before') addNeighbour(t, server, takes)
    first.attach(server, { path: '/py' })
    if (who === 'after') addNeighbour(t, server, takes)
    const client = await WebSocketClient.open(t, `${ws}/hmr`)
    t.is(await client.json(), 'the neighbour')
    client.send('x')
    t.is(await client.json(), 'x')
    t.deepEqual(await ask(t, `${ws}/py/x`), ['first', 'websocket', '/py', '/py/x'])
    // Nobody's: whether somebody takes it later is not for amphis to say.
    const raw = await RawConnection.open(t, port)
    raw.write(handshake('/nobody'))
    const other = await WebSocketClient.open(t, `${ws}/hmr`)
    t.is(await other.json(), 'the neighbour')
    t.is(raw.socket.readyState, 'open')
    raw.write('')
    t.is(raw.socket.bytesRead, 0)
    raw.leave()
  })
}

test('a WebSocketServer of `ws` with a path of its own shares the server', async (t) => {
  const { server, ws } = await serveNode(t)
  // It refuses what is not its path, so it has to be asked after amphis; that is its way with any neighbour.
  server.on('upgrade', (req, socket, head) => {
    if (req.url === '/own') own.handleUpgrade(req, socket, head, (client) => client.send('"own"'))
  })
  const own = new WebSocketServer({ noServer: true, path: '/own' })
  t.teardown(() => own.close())
  first.attach(server, { path: '/py' })
  t.is(await ask(t, `${ws}/own`), 'own')
  t.deepEqual(await ask(t, `${ws}/py/x`), ['first', 'websocket', '/py', '/py/x'])
})

test('a listener that is added later is seen, and one that is removed is forgotten', async (t) => {
  const { server, port, ws } = await serveNode(t)
  first.attach(server, { path: '/py' })
  t.is(await refused(t, port, '/other'), 404)
  const take = (_req: IncomingMessage, socket: Duplex) => void socket.end('HTTP/1.1 418 Teapot\r\n\r\n')
  const listener = (req: IncomingMessage, socket: Duplex) => (req.url === '/other' ? take(req, socket) : undefined)
  server.on('upgrade', listener)
  t.is(await refused(t, port, '/other'), 418)
  server.off('upgrade', listener)
  t.is(await refused(t, port, '/other'), 404)
  t.deepEqual(await ask(t, `${ws}/py/x`), ['first', 'websocket', '/py', '/py/x'])
})

const h2c = (path: string, connection = 'Upgrade, HTTP2-Settings') =>
  `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: ${connection}\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`

for (const [what, text] of [
  ['h2c, as curl does', h2c('/x')],
  ['something unheard', h2c('/x').replace('h2c', 'unheard/1.0')],
  ['TLS', h2c('/x').replace('h2c', 'TLS/1.0')],
] as const) {
  test(`a request to upgrade to ${what} is served as HTTP`, async (t) => {
    const { server, port } = await serve(t, first.listener)
    first.attach(server)
    const raw = await RawConnection.open(t, port)
    raw.write(text)
    const { status, body } = await raw.response()
    t.is(status, 200)
    t.deepEqual(JSON.parse(body), ['first', 'http', '', '/x'])
    // The connection goes on as it was.
    raw.write('GET /y HTTP/1.1\r\nHost: test\r\n\r\n')
    t.deepEqual(JSON.parse((await raw.response()).body), ['first', 'http', '', '/y'])
  })
}

test('a request to upgrade to h2c that has a body is served with it', async (t) => {
  const echo = createHandler(t, 'echo:app')
  const { server, port } = await serve(t, echo.listener)
  echo.attach(server)
  const raw = await RawConnection.open(t, port)
  const body = 'x'.repeat(1000)
  raw.write(
    h2c('/x').replace('GET', 'POST').replace('Host: test', `Host: test\r\nContent-Length: ${body.length}`) + body,
  )
  const response = await raw.response()
  t.is(response.status, 200)
  t.true(response.body.includes(body), response.body.slice(0, 100))
})

test('a request to upgrade to h2c whose body comes in pieces is served with it', async (t) => {
  const echo = createHandler(t, 'echo:app')
  const { server, port } = await serve(t, echo.listener)
  echo.attach(server)
  const raw = await RawConnection.open(t, port)
  const piece = 'x'.repeat(100_000)
  const length = `Host: test\r\nContent-Length: ${3 * piece.length}`
  const asked = once(server, 'request')
  raw.write(h2c('/x').replace('GET', 'POST').replace('Host: test', length) + piece)
  await asked
  raw.write(piece + piece)
  const response = await raw.response()
  t.is(response.status, 200)
  t.true(response.body.includes(piece.repeat(3)), response.body.slice(0, 100))
})

test('requests to upgrade to h2c may follow each other on one connection', async (t) => {
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const { server, port } = await serve(t, first.listener)
  first.attach(server)
  const raw = await RawConnection.open(t, port)
  for (let index = 0; index < 15; index++) {
    raw.write(h2c(`/${index}`))
    t.deepEqual(JSON.parse((await raw.response()).body), ['first', 'http', '', `/${index}`])
  }
  // Node tells of what is too much in its own time.
  await new Promise(setImmediate)
  t.deepEqual(
    warnings.map(({ message }) => message),
    [],
  )
})

test.serial('h2c behind a request that is not answered yet is answered, or the connection ends', async (t) => {
  const served = await serveInProcess(t, { app: 'asgi_script:app' })
  const respond = (text: string): Step[] => [
    ['send', { type: 'http.response.start', status: 200 }],
    ['send', { type: 'http.response.body', body: bytes(text) }],
  ]
  const one = new Script(served.probe, [receive, ['tell', 'asked'], ['wait', 'go'], ...respond('one')])
  const two = new Script(served.probe, respond('two'))
  const raw = await RawConnection.open(t, served.port)
  raw.write(`GET ${one.target} HTTP/1.1\r\nHost: test\r\n\r\n${h2c(two.target, 'Upgrade, close')}`)
  await one.wait('asked')
  await one.open('go')
  const { text } = await raw.rest()
  // Each whole, in order.
  t.regex(text, /^(HTTP\/1\.1 200 [^]*\r\none\r\n0\r\n\r\n(HTTP\/1\.1 200 [^]*two[^]*)?)?$/)
  t.like(await served.leave(), { code: 0, stderr: '' })
})

test('a request to upgrade to h2c is left to the host’s own listener', async (t) => {
  const { server, port } = await serve(t, first.listener)
  server.on('upgrade', (req: IncomingMessage, socket: Duplex) => {
    if (req.headers.upgrade === 'h2c') socket.end('HTTP/1.1 418 Teapot\r\n\r\n')
  })
  first.attach(server)
  const raw = await RawConnection.open(t, port)
  raw.write(h2c('/x'))
  t.is((await raw.response()).status, 418)
})

test('with a path, a request to upgrade to h2c is the HTTP of the host', async (t) => {
  const { server, port } = await serveNode(t)
  first.attach(server, { path: '/py' })
  const raw = await RawConnection.open(t, port)
  raw.write(h2c('/x'))
  t.like(await raw.response(), { status: 200, body: 'of the host' })
})

test('beside middleware of Express on one server', async (t) => {
  const app = express()
  app.get('/node', (_req, res) => void res.send('of Express'))
  app.use('/py', first.middleware)
  const { server, port, url } = await serve(t, app)
  first.attach(server, { path: '/py' })
  t.is(await (await fetch(`${url}/node`)).text(), 'of Express')
  t.deepEqual(await (await fetch(`${url}/py/x`)).json(), ['first', 'http', '/py', '/py/x'])
  t.deepEqual(await ask(t, `ws://127.0.0.1:${port}/py/x`), ['first', 'websocket', '/py', '/py/x'])
  t.is(await refused(t, port, '/node'), 404)
})

test('a socket that is gone before upgrade is called harms nobody', async (t) => {
  const { server, port, ws } = await serveNode(t)
  let noteCall = (): void => {}
  const called = new Promise<void>((resolve) => (noteCall = resolve))
  const late = (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.once('close', () => {
      first.upgrade(req, socket, head)
      noteCall()
    })
    socket.on('error', () => {})
    socket.resume()
    raw.reset()
  }
  server.once('upgrade', late)
  const raw = await RawConnection.open(t, port)
  raw.write(handshake('/late'))
  await called
  server.on('upgrade', first.upgrade)
  t.deepEqual(await ask(t, `${ws}/next`), ['first', 'websocket', '', '/next'])
})

test('attach() works before the server listens, and before the handler is ready', async (t) => {
  const handler = createHandler(t, 'upgrades:first')
  const server = createServer()
  handler.attach(server)
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const raw = await RawWebSocket.open(t, (server.address() as AddressInfo).port, '/x')
  t.is(await raw.message(), '["first", "websocket", "", "/x"]')
  raw.write(closeFrame(1000))
  await raw.closed()
})
