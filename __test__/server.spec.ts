import { once } from 'node:events'
import { Agent, Server as HttpServer } from 'node:http'
import {
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type SecureClientSessionOptions,
} from 'node:http2'
import { request as secureRequest, Server as HttpsServer } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { connect as connectSocket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { createServer, type PythonHandler, type ServerOptions } from '../index.js'
import { createCertificate } from './helpers/certificate.js'
import { request, readAnswer, valuesOf } from './helpers/client.js'
import { listen, listenOnSocket } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'

const served = shareHandler('served:app')
const proxied = shareHandler({ app: 'served:app', forwardedAllowIps: '*' })
const probe = shareProbe()
const { certificate: cert, key } = createCertificate()

type Headers2 = IncomingHttpHeaders & IncomingHttpStatusHeader

interface Told {
  type: 'http' | 'websocket'
  http_version: string
  scheme: string
  client: [string, number] | null
  server: [string, number | null]
}

/** One request over TLS, HTTP/1.1. */
async function requestSecurely(url: string) {
  const outgoing = secureRequest(url, { ca: cert, agent: false }).end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  return readAnswer(response)
}

/** One request over HTTP/2. */
async function requestHttp2(
  t: ExecutionContext,
  url: string,
  path: string,
  { body = '', ...options }: SecureClientSessionOptions & { body?: string } = {},
) {
  const session = connect(url, { ca: cert, ...options })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': path, ':method': body === '' ? 'GET' : 'POST' })
  if (body !== '') stream.end(body)
  const [headers] = (await once(stream, 'response')) as [Headers2]
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return { headers, text, json: () => JSON.parse(text) as Told }
}

test('serves HTTP and WebSockets on one port', async (t) => {
  const server = createServer(served)
  t.true(server instanceof HttpServer)
  const { url, port } = await listen(t, server)
  t.like((await request(`${url}/scope`)).json(), {
    type: 'http',
    http_version: '1.1',
    scheme: 'http',
    server: ['127.0.0.1', port],
  })
  const client = await WebSocketClient.open(t, url.replace('http', 'ws'))
  t.like(await client.json(), { type: 'websocket', http_version: '1.1', scheme: 'ws' })
})

test('a certificate makes it HTTPS', async (t) => {
  const server = createServer(served, { cert, key })
  t.true(server instanceof HttpsServer)
  const { url } = await listen(t, server)
  t.like((await requestSecurely(`${url}/scope`)).json(), { http_version: '1.1', scheme: 'https' })
  const client = await WebSocketClient.open(t, url.replace('http', 'ws'), { ca: cert })
  t.like(await client.json(), { type: 'websocket', scheme: 'wss' })
})

test('http2 with a certificate speaks HTTP/2 and HTTP/1.1', async (t) => {
  const { url } = await listen(t, createServer(served, { cert, key, http2: true }))
  t.like((await requestHttp2(t, url, '/scope')).json(), { http_version: '2', scheme: 'https' })
  t.like((await requestSecurely(`${url}/scope`)).json(), { http_version: '1.1', scheme: 'https' })
  const client = await WebSocketClient.open(t, url.replace('http', 'ws'), { ca: cert })
  t.like(await client.json(), { http_version: '1.1', scheme: 'wss' })
})

test('http2 without a certificate is h2c', async (t) => {
  const { url } = await listen(t, createServer(served, { http2: true }))
  t.like((await requestHttp2(t, url, '/scope')).json(), { http_version: '2', scheme: 'http' })
})

test('http2 announces WebSockets over HTTP/2, and keeps the other settings', async (t) => {
  const { url } = await listen(t, createServer(served, { http2: true, settings: { maxConcurrentStreams: 7 } }))
  const session = connect(url)
  t.teardown(() => session.destroy())
  const [settings] = (await once(session, 'remoteSettings')) as [Record<string, unknown>]
  t.like(settings, { enableConnectProtocol: true, maxConcurrentStreams: 7 })

  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/scope',
    'sec-websocket-version': '13',
  })
  const [head] = (await once(stream, 'response')) as [Headers2]
  t.is(head[':status'], 200)
  stream.destroy()
})

for (const http2 of [false, true]) {
  test(`serves on a Unix socket over ${http2 ? 'h2c' : 'HTTP/1.1'}`, async (t) => {
    const { path } = await listenOnSocket(t, createServer(served, { http2 }))
    const told = http2
      ? (await requestHttp2(t, 'http://localhost', '/scope', { createConnection: () => connectSocket(path) })).json()
      : ((await request('http://localhost/scope', { socketPath: path })).json() as Told)
    t.is(told.client, null)
    t.deepEqual(told.server, [path, null])
  })
}

test('serves WebSockets on a Unix socket', async (t) => {
  const { path } = await listenOnSocket(t, createServer(served))
  const client = await WebSocketClient.open(t, `ws+unix:${path}:/scope`)
  t.like(await client.json(), { scheme: 'ws', client: null, server: [path, null] })
})

const claims = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }

test('believes the proxies of its handler, in HTTP and WebSockets alike', async (t) => {
  const { url } = await listen(t, createServer(served))
  const client = ['203.0.113.9', 0]
  t.like((await request(`${url}/scope`, { headers: claims })).json(), { client, scheme: 'https' })
  for (const [proto, scheme] of [
    ['https', 'wss'],
    ['wss', 'wss'],
    ['http', 'ws'],
    ['ws', 'ws'],
  ] as const) {
    const headers = { ...claims, 'x-forwarded-proto': proto }
    const socket = await WebSocketClient.open(t, url.replace('http', 'ws'), { headers })
    t.like(await socket.json(), { client, scheme }, proto)
  }
  const { path } = await listenOnSocket(t, createServer(proxied))
  const socket = await WebSocketClient.open(t, `ws+unix:${path}:/scope`, { headers: claims })
  t.like(await socket.json(), { client, scheme: 'wss', server: [path, null] })
})

test('believes them over HTTP/2', async (t) => {
  const { url } = await listen(t, createServer(served, { http2: true }))
  const session = connect(url)
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/scope', ...claims })
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  t.like(JSON.parse(text) as Told, { client: ['203.0.113.9', 0], scheme: 'https' })
})

// Headers

/** The values of a header in the answer of an app that sends these headers. */
async function answered(url: string, name: string, own: [string, string][] = []): Promise<string[]> {
  const { status, rawHeaders } = await request(`${url}/headers`, { method: 'POST', body: JSON.stringify(own) })
  if (status !== 200) throw new Error(`status ${status}`)
  return valuesOf(rawHeaders, name)
}

test('names itself and the date where the app does not', async (t) => {
  const { url } = await listen(t, createServer(served))
  t.deepEqual(await answered(url, 'server'), ['amphis'])
  t.deepEqual(await answered(url, 'server', [['x-server', 'x']]), ['amphis'])
  t.deepEqual(await answered(url, 'server', [['server', 'own']]), ['own'])
  t.deepEqual(await answered(url, 'server', [['SERVER', 'own']]), ['own'])
  const [date = ''] = await answered(url, 'date')
  t.true(Math.abs(Date.now() - Date.parse(date)) < 10_000)
  t.deepEqual(await answered(url, 'date', [['Date', 'own']]), ['own'])
})

test('leaves both out if told so', async (t) => {
  const { url } = await listen(t, createServer(served, { serverHeader: false, dateHeader: false }))
  t.deepEqual(await answered(url, 'server'), [])
  t.deepEqual(await answered(url, 'date'), [])
  t.deepEqual(await answered(url, 'server', [['server', 'own']]), ['own'])
  t.deepEqual(await answered(url, 'date', [['date', 'own']]), ['own'])
})

test('adds its headers where the app gives none of the name', async (t) => {
  const headers = { 'X-Frame-Options': 'DENY', link: ['</a>', '</b>'], vary: 'origin', server: 'shop', Date: 'today' }
  const { url } = await listen(t, createServer(served, { headers }))
  t.deepEqual(await answered(url, 'x-frame-options'), ['DENY'])
  t.deepEqual(await answered(url, 'x-frame-options', [['X-FRAME-OPTIONS', 'own']]), ['own'])
  t.deepEqual(await answered(url, 'link'), ['</a>', '</b>'])
  t.deepEqual(await answered(url, 'link', [['Link', '</c>']]), ['</c>'])
  t.deepEqual(await answered(url, 'vary', [['vary', 'accept']]), ['accept', 'origin'])
  t.deepEqual(await answered(url, 'server'), ['shop'])
  t.deepEqual(await answered(url, 'date'), ['today'])
  t.deepEqual(await answered(url, 'date', [['date', 'own']]), ['own'])

  const listed = await listen(t, createServer(served, { headers: ['x', '1', 'x', '2'], serverHeader: false }))
  t.deepEqual(await answered(listed.url, 'x'), ['1', '2'])
  t.deepEqual(await answered(listed.url, 'server'), [])
})

test('a server of the host is not renamed', async (t) => {
  const { url } = await serve(t, served.listener)
  t.deepEqual(await answered(url, 'server'), [])
})

test('one handler has servers that differ', async (t) => {
  const named = await listen(t, createServer(served))
  const bare = await listen(t, createServer(served, { serverHeader: false }))
  t.deepEqual(await answered(named.url, 'server'), ['amphis'])
  t.deepEqual(await answered(bare.url, 'server'), [])
})

for (const isOn of [true, false]) {
  const healthPath = '/healthz'
  const options: ServerOptions = { serverHeader: isOn, dateHeader: isOn, headers: { 'X-Extra': '1' }, healthPath }
  const has = (headers: Record<string, unknown>) => {
    return { server: headers.server, hasDate: headers.date !== undefined, extra: headers['x-extra'] }
  }
  const expected = { server: isOn ? 'amphis' : undefined, hasDate: isOn, extra: '1' }

  test(`${isOn ? 'all are' : 'only its own are'} in errors, over HTTP/2, in answers to probes and to WebSockets`, async (t) => {
    const handler = createHandler(t, { app: 'served:app', maxBodySize: 100, logger: new Recorder() })
    const { url } = await listen(t, createServer(handler, options))
    t.deepEqual(has((await request(`${url}/fail`)).headers), expected)
    const large = await request(url, { method: 'POST', body: 'x'.repeat(101) })
    t.is(large.status, 413)
    t.deepEqual(has(large.headers), expected)
    t.deepEqual(has((await request(url + healthPath)).headers), expected)
    const denied = await WebSocketClient.refused(t, `${url.replace('http', 'ws')}/denied`)
    t.is(denied.status, 418)
    t.deepEqual(has(denied.headers), expected)
    const { response } = await WebSocketClient.open(t, url.replace('http', 'ws'))
    t.like(response?.headers, { server: expected.server, 'x-extra': '1' })

    const over2 = await listen(t, createServer(handler, { ...options, http2: true }))
    const { headers } = await requestHttp2(t, over2.url, '/headers', { body: '[]' })
    t.deepEqual(has(headers), expected)
    const failed = await requestHttp2(t, over2.url, '/fail')
    t.is(failed.headers[':status'], 500)
    t.deepEqual(has(failed.headers), expected)
    t.deepEqual(has((await requestHttp2(t, over2.url, healthPath)).headers), expected)
  })
}

test('a header that HTTP/2 takes once may be given twice', async (t) => {
  const headers = ['x-content-type-options', 'nosniff', 'x-content-type-options', 'again']
  const handler = createHandler(t, { app: 'served:app', logger: new Recorder() })
  const { url } = await listen(t, createServer(handler, { headers, http2: true, healthPath: '/healthz' }))
  for (const path of ['/scope', '/fail', '/healthz']) {
    const answer = await requestHttp2(t, url, path)
    t.is(answer.headers['x-content-type-options'], 'nosniff', path)
  }
})

// Connections

test('an idle connection is closed after keepAliveTimeout', async (t) => {
  const every: ServerOptions[] = [{ keepAliveTimeout: 1 }, { keepAliveTimeout: 1, cert, key, http2: true }]
  for (const options of every) {
    const { url, server } = await listen(t, createServer(served, options))
    const closed = new Promise((resolve) => {
      server.on(options.http2 ? 'secureConnection' : 'connection', (socket) => {
        socket.on('close', resolve)
      })
    })
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    if (options.http2) await requestSecurely(`${url}/scope`)
    else await request(`${url}/scope`, { agent })
    await closed
  }
  t.pass()
})

test('an idle session of HTTP/2 is closed after keepAliveTimeout, one with a stream is not', async (t) => {
  const { url } = await listen(t, createServer(served, { http2: true, keepAliveTimeout: 500 }))
  const session = connect(url)
  t.teardown(() => session.destroy())
  const name = unique()
  const stream = session.request({ ':path': `/hold/${name}` })
  await probe.wait(`${name}:started`)
  // Another idle session comes and goes meanwhile: time enough for this one.
  const other = connect(url)
  await once(other, 'close')
  t.false(session.closed)
  await probe.tell(`${name}:go`)
  const [headers] = (await once(stream, 'response')) as [Headers2]
  t.is(headers[':status'], 200)
  stream.resume()
  await once(session, 'close')
})

test("hands Node's own options on", async (t) => {
  const { port } = await listen(t, createServer(served, { maxHeaderSize: 200 }))
  const connection = await RawConnection.open(t, port)
  connection.write(`GET / HTTP/1.1\r\nhost: a\r\nx-long: ${'x'.repeat(300)}\r\n\r\n`)
  t.is((await connection.response()).status, 431)
})

test('leaves closing to the caller, and answers 503 once the handler is closed', async (t) => {
  const handler = createHandler(t, 'served:app')
  const { url } = await listen(t, createServer(handler))
  t.is((await request(`${url}/scope`)).status, 200)
  await handler.close()
  t.is((await request(`${url}/scope`)).status, 503)
})

// Options

const other = createCertificate()

const wrong: [what: string, options: unknown, message: RegExp][] = [
  ['a flag that is none', { http2: 'yes' }, /^Option http2 must be true or false, but it is yes\.$/],
  ['a serverHeader that is none', { serverHeader: 'x' }, /^Option serverHeader must be true or false/],
  ['a dateHeader that is none', { dateHeader: 1 }, /^Option dateHeader must be true or false/],
  ['headers that are none', { headers: 'x: 1' }, /^Option headers must be an object, or a list .*, but it is x: 1\.$/],
  ['half a header', { headers: ['x'] }, /^Option headers must be a list of names and values in turn.*odd length\.$/],
  [
    'a header that forges another',
    { headers: { x: '1\r\ny: 2' } },
    /^Option headers must be made of .*"x: 1\\r\\ny: 2"\.$/,
  ],
  ['a header that is a number', { headers: { x: 1 } }, /^Option headers must be made of .*"x: 1"\.$/],
  [
    'a header of one message',
    { headers: { 'Content-Length': '1' } },
    /^Option headers must be made of .*Content-Length/,
  ],
  [
    'a misspelt option',
    { serverheader: false },
    /^There is no option serverheader of createServer.*mean serverHeader\?$/,
  ],
  ['a misspelt option of Node.js', { keepAliveTimeOut: 1 }, /no option keepAliveTimeOut .*mean keepAliveTimeout\?$/],
  ['a key alone', { key }, /^Option key needs the certificate/],
  ['a certificate alone', { cert }, /^Option cert needs its private key/],
  ['a certificate that is none', { cert: 'x', key }, /^The options of TLS cannot be used: .*Check cert, key/],
  ['a key of another certificate', { cert, key: other.key }, /^The options of TLS cannot be used: .*mismatch/],
  ['TLS over HTTP/2 that is none', { cert, key: 'x', http2: true }, /^The options of TLS cannot be used: /],
  ['an option out of range', { keepAliveTimeout: -1 }, /^Node\.js does not take an option of the server: .*keepAlive/],
  ['one of HTTP/2', { http2: true, keepAliveTimeout: -1 }, /^Node\.js does not take an option.*keepAlive/],
  ['a setting', { http2: true, settings: { maxFrameSize: 1 } }, /^Node\.js does not take an option.*maxFrameSize/],
]

for (const [what, options, message] of wrong) {
  test(`refuses ${what}`, (t) => {
    t.throws(() => createServer(served, options as ServerOptions), { code: 'AMPHIS_ERR_INVALID_OPTIONS', message })
  })
}

test('leaves options to Node.js that a newer one may know', (t) => {
  t.notThrows(() => createServer(served, { somethingQuiteNew: true } as ServerOptions).close())
})

test('needs a handler', (t) => {
  t.throws(() => createServer('main:app' as unknown as PythonHandler), {
    code: 'AMPHIS_ERR_INVALID_OPTIONS',
    message: "createServer needs a PythonHandler: createServer(new PythonHandler('module:attribute')).",
  })
})
