// Limits of our own servers that differ from Node's: of the head of a request, and of the close of a WebSocket.
import { connect as connectSecurely } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { createServer, type ServerOptions } from '../index.js'
import { createCertificate } from './helpers/certificate.js'
import { serveByCommand } from './helpers/command-line.js'
import { closeFrame, opcode, RawWebSocket } from './helpers/frames.js'
import { openSession, request } from './helpers/http2-client.js'
import { listen } from './helpers/listen.js'
import { shareProbe } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { accept, bytes, closes, receive, Script } from './helpers/script.js'

const scope = shareHandler('scope:app')
const script = shareHandler({ app: 'asgi_script:app', logger: new Recorder() })
const probe = shareProbe()
const { certificate: cert, key } = createCertificate()

const make = (options: object) => createServer(scope, options as ServerOptions) as unknown as Record<string, number>

test('the head of a request has 20 seconds, and 64 KiB, in every server', (t) => {
  for (const options of [{}, { cert, key }, { cert, key, http2: true }, { headersTimeout: undefined }]) {
    const { headersTimeout, requestTimeout, connectionsCheckingInterval, maxHeaderSize } = make(options)
    t.deepEqual([headersTimeout, requestTimeout, maxHeaderSize], [20_000, 300_000, 65_536])
    t.true(connectionsCheckingInterval! <= 2_000)
  }
})

test('what is given is kept', (t) => {
  for (const kind of [{}, { cert, key }, { cert, key, http2: true }]) {
    t.like(make({ ...kind, headersTimeout: 5, maxHeaderSize: 1000 }), { headersTimeout: 5, maxHeaderSize: 1000 })
    t.like(make({ ...kind, headersTimeout: 0 }), { headersTimeout: 0, requestTimeout: 300_000 })
    // Node wants the one to be no longer than the other.
    t.like(make({ ...kind, headersTimeout: 400_000 }), { headersTimeout: 400_000, requestTimeout: 400_000 })
    t.like(make({ ...kind, requestTimeout: 10_000 }), { headersTimeout: 10_000, requestTimeout: 10_000 })
    t.like(make({ ...kind, requestTimeout: 0 }), { headersTimeout: 20_000, requestTimeout: 0 })
    t.throws(() => make({ ...kind, headersTimeout: 'x' }), { code: 'AMPHIS_ERR_INVALID_OPTIONS' } as never)
  }
})

const quick = { headersTimeout: 300, connectionsCheckingInterval: 100 }

test('a head that comes too slowly, or not at all, is a 408', async (t) => {
  const { port } = await listen(t, createServer(scope, quick))
  for (const begun of ['', 'GET / HT', 'GET / HTTP/1.1\r\nHost: a\r\n']) {
    const raw = await RawConnection.open(t, port)
    raw.write(begun)
    const { text, end } = await raw.rest()
    t.regex(text, /^HTTP\/1\.1 408 Request Timeout\r\n/)
    t.is(end, 'end')
  }
})

test('so it is in the HTTP/1.1 of a server of HTTP/2, where a Host is asked for as well', async (t) => {
  const { port } = await listen(t, createServer(scope, { cert, key, http2: true, ...quick }))
  const ask = async (text: string) => {
    const socket = connectSecurely({ port, host: '127.0.0.1', ca: cert, ALPNProtocols: ['http/1.1'] })
    t.teardown(() => socket.destroy())
    socket.write(text)
    let got = ''
    for await (const chunk of socket) got += String(chunk)
    return got
  }
  t.regex(await ask('GET / HT'), /^HTTP\/1\.1 408/)
  t.regex(await ask('GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400/)
  t.regex(await ask(`GET / HTTP/1.0\r\nX: ${'x'.repeat(60_000)}\r\n\r\n`), /^HTTP\/1\.1 200/)
  t.regex(await ask(`GET / HTTP/1.0\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`), /^HTTP\/1\.1 431/)
})

test('over HTTP/2 heads have the same room', async (t) => {
  const { url } = await listen(t, createServer(scope, { http2: true, maxHeaderSize: 200_000 }))
  const session = await openSession(t, url, { maxSendHeaderBlockLength: 1_000_000 })
  const large = Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`x-${index}`, 'x'.repeat(30_000)]))
  t.is((await request(session, { ':path': '/', ...large })).status, 200)
})

test('the limit is for the head alone: an app may take its time, and a client with its body', async (t) => {
  const { port } = await listen(t, createServer(script, { headersTimeout: 1_000, connectionsCheckingInterval: 50 }))
  const played = new Script(probe, [
    receive,
    ['tell', 'first'],
    receive,
    ['send', { type: 'http.response.start', status: 200, headers: [] }],
    ['send', { type: 'http.response.body', body: bytes('ok') }],
  ])
  const raw = await RawConnection.open(t, port)
  raw.write(`POST ${played.target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx`)
  await played.wait('first')
  // Longer than a head may take: it is the time of another one.
  const slow = await RawConnection.open(t, port)
  t.regex((await slow.rest()).text, /408/)
  raw.write('y')
  t.is((await raw.response()).body, 'ok')
})

test('part of a next head does not put a 408 in the place of an answer', async (t) => {
  const { port } = await listen(t, createServer(script, { headersTimeout: 1_000, connectionsCheckingInterval: 50 }))
  const played = new Script(probe, [
    receive,
    ['wait', 'go'],
    ['send', { type: 'http.response.start', status: 200, headers: [] }],
    ['send', { type: 'http.response.body', body: bytes('ok') }],
  ])
  const raw = await RawConnection.open(t, port)
  raw.write(`GET ${played.target} HTTP/1.1\r\nHost: a\r\n\r\nGET / HT`)
  const slow = await RawConnection.open(t, port)
  t.regex((await slow.rest()).text, /408/)
  await played.open('go')
  t.is((await raw.response()).body, 'ok')
  t.regex((await raw.rest()).text, /^HTTP\/1\.1 408/)
})

for (const [how, flags] of [
  ['alone', []],
  ['in workers', ['--workers', '2']],
  ['under --reload', ['--reload']],
] as const) {
  test.serial(`the command line has both limits as options, ${how}`, async (t) => {
    const limits = ['--timeout-headers', '0.5', '--max-header-size', '100000']
    const { port } = await serveByCommand(t, 'scope:app', '--lifespan', 'off', ...limits, ...flags)
    const began = performance.now()
    const slow = await RawConnection.open(t, port)
    slow.write('GET / HTTP/1.1\r\n')
    t.regex((await slow.rest()).text, /^HTTP\/1\.1 408/)
    t.true(performance.now() - began < 10_000)
    for (const [size, status] of [
      [90_000, 200],
      [110_000, 431],
    ] as const) {
      const raw = await RawConnection.open(t, port)
      raw.write(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(size)}\r\n\r\n`)
      t.is((await raw.response()).status, status)
    }
  })
}

/** A client that never answers a close; gives how long its connection lasts. */
async function unanswered(t: ExecutionContext, port: number, target: string): Promise<number> {
  const began = performance.now()
  const raw = await RawWebSocket.open(t, port, target)
  t.is((await raw.next()).opcode, opcode.close)
  await raw.connection.rest()
  return performance.now() - began
}

const closing = () => new Script(probe, [receive, accept, closes()]).target

test('a close that is not answered ends its connection after wsCloseTimeout', async (t) => {
  const handler = createHandler(t, { app: 'asgi_script:app', wsCloseTimeout: 200 })
  const { port } = await listen(t, createServer(handler))
  const took = await unanswered(t, port, closing())
  t.true(took >= 150 && took < 5_000, `${took} ms`)
  // One that is answered ends at once.
  const raw = await RawWebSocket.open(t, port, closing())
  await raw.next()
  raw.write(closeFrame(1000))
  t.is((await raw.connection.rest()).end, 'end')
})

test('the command line has --ws-close-timeout', async (t) => {
  const { port } = await serveByCommand(t, 'asgi_script:app', '--lifespan', 'off', '--ws-close-timeout', '0.2')
  t.true((await unanswered(t, port, closing())) < 5_000)
})

test('wsCloseTimeout is a number of milliseconds', (t) => {
  t.throws(() => createHandler(t, { app: 'main:app', wsCloseTimeout: -1 }), { message: /wsCloseTimeout/ })
})
