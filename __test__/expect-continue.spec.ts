import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, type ClientHttp2Stream } from 'node:http2'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { createServer, type PythonHandler } from '../index.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const bodies = shareHandler('body:app')
const probe = shareProbe()

const INTERIM = 'HTTP/1.1 100 Continue\r\n\r\n'

function head(target: string, length = 4, version = '1.1', expect = '100-continue'): string {
  const lines = [`POST ${target} HTTP/${version}`, 'host: a', `expect: ${expect}`, `content-length: ${length}`]
  return `${lines.join('\r\n')}\r\n\r\n`
}

async function connectTo(t: ExecutionContext, handler: PythonHandler): Promise<RawConnection> {
  const { port } = await listen(t, createServer(handler))
  return RawConnection.open(t, port)
}

/** Asks, and checks that the interim response comes when the app receives and no sooner. */
async function isAskedFor(t: ExecutionContext, connection: RawConnection): Promise<void> {
  const name = unique()
  const before = connection.socket.bytesRead
  connection.write(head(`/late?${name}`))
  await probe.wait(`${name}:started`)
  // A turn of the server in which it could have sent something.
  await probe.peek(name)
  t.is(connection.socket.bytesRead, before)
  await probe.tell(`${name}:go`)
  t.is(await connection.bytes(INTERIM.length), INTERIM)
  connection.write('body')
  const { status, body } = await connection.response()
  t.deepEqual([status, body], [200, '4'])
}

test('the client is asked for its body when the app first receives, again and again on one connection', async (t) => {
  const connection = await connectTo(t, bodies)
  await isAskedFor(t, connection)
  await isAskedFor(t, connection)
})

test('the client is asked once, however often the app receives', async (t) => {
  const connection = await connectTo(t, bodies)
  const name = unique()
  connection.write(head(`/stepwise?${name}`))
  t.is(await connection.bytes(INTERIM.length), INTERIM)
  connection.write('bo')
  t.is(await probe.wait(`${name}:0`), 'bo')
  connection.write('dy')
  t.is(await probe.wait(`${name}:1`), 'dy')
  t.regex((await connection.response()).head, /^HTTP\/1\.1 200 OK/)
})

test('an answer without having received closes the connection, without an interim response', async (t) => {
  const connection = await connectTo(t, bodies)
  connection.write(head('/ignores'))
  const { text, end } = await connection.rest()
  t.regex(text, /^HTTP\/1\.1 413 [^]*\r\nconnection: close\r\n[^]*"not interested"$/i)
  t.is(end, 'end')
})

test('an app that raises without having received gives a 500 and closes', async (t) => {
  const handler = createHandler(t, { app: 'error:app', logger: new Recorder() })
  const connection = await connectTo(t, handler)
  connection.write(head('/'))
  const { text } = await connection.rest()
  t.regex(text, /^HTTP\/1\.1 500 [^]*\r\nconnection: close\r\n/i)
})

test('a client that does not wait is not asked', async (t) => {
  const connection = await connectTo(t, bodies)
  connection.write(`${head('/joined')}body`)
  const { status, body } = await connection.response()
  t.deepEqual([status, body], [200, '"body"'])
})

test('a connection whose bodies have come without waiting is kept, as any other', async (t) => {
  const connection = await connectTo(t, bodies)
  const large = 'x'.repeat(300_000)
  for (const [target, sent, read] of [
    ['/joined', 'body', '"body"'],
    ['/joined', large, `"${large}"`],
    ['/ignores', 'body', '"not interested"'],
  ] as const) {
    connection.write(head(target, sent.length) + sent)
    const answer = await connection.response()
    // A large one may come so late that it is asked for.
    const { headers, body } = answer.status === 100 ? await connection.response() : answer
    t.is(body, read)
    t.notRegex(headers.flat().join('\n'), /connection\nclose/i)
  }
  const chunks = 'POST /joined HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n'
  connection.write(`${chunks}4\r\nbody\r\n0\r\n\r\n`)
  const answer = await connection.response()
  const { headers, body } = answer.status === 100 ? await connection.response() : answer
  t.is(body, '"body"')
  t.notRegex(headers.flat().join('\n'), /connection\nclose/i)
})

test('a body that comes while the app is at work keeps the connection too', async (t) => {
  const connection = await connectTo(t, bodies)
  const name = unique()
  connection.write(`${head(`/late?${name}`)}body`)
  await probe.wait(`${name}:started`)
  await probe.tell(`${name}:go`)
  const { headers, body } = await connection.response()
  t.is(body, '4')
  t.notRegex(headers.flat().join('\n'), /connection\nclose/i)
})

test('an answer in the place of the app keeps it where the body has come', async (t) => {
  const handler = createHandler(t, { app: 'error:app', logger: new Recorder() })
  const connection = await connectTo(t, handler)
  connection.write(`${head('/')}body`)
  const { status, headers } = await connection.response()
  t.is(status, 500)
  t.notRegex(headers.flat().join('\n'), /connection\nclose/i)
})

test('a client that stops waiting is served', async (t) => {
  const connection = await connectTo(t, bodies)
  const name = unique()
  connection.write(head(`/late?${name}`))
  await probe.wait(`${name}:started`)
  connection.write('body')
  await probe.tell(`${name}:go`)
  const first = await connection.response()
  // Whether it is still asked depends on which of the two came first.
  const { status, body } = first.status === 100 ? await connection.response() : first
  t.deepEqual([status, body], [200, '4'])
})

test('a client that leaves while it waits is a disconnect', async (t) => {
  const handler = createHandler(t, 'limits:app')
  const connection = await connectTo(t, handler)
  const name = unique()
  connection.write(head(`/read/${name}`))
  t.is(await connection.bytes(INTERIM.length), INTERIM)
  connection.leave()
  t.is(await probe.wait(`${name}:end`), 0)
  t.deepEqual(await probe.marks(name), ['started', 'disconnected'])
})

test('a body that is too large is refused instead of asked for', async (t) => {
  const handler = createHandler(t, { app: 'limits:app', maxBodySize: 3, logger: new Recorder() })
  const connection = await connectTo(t, handler)
  connection.write(head('/read/x'))
  const { text } = await connection.rest()
  t.regex(text, /^HTTP\/1\.1 413 [^]*\r\nconnection: close\r\n/i)
})

test('an HTTP/1.0 client is never asked', async (t) => {
  const connection = await connectTo(t, bodies)
  connection.write(head('/joined', 4, '1.0'))
  connection.write('body')
  const { text } = await connection.rest()
  t.regex(text, /^HTTP\/1\.1 200 OK\r\n[^]*"body"$/)
})

test('an expectation of anything else is refused by Node', async (t) => {
  const connection = await connectTo(t, bodies)
  connection.write(head('/joined', 4, '1.1', 'a-miracle'))
  t.is((await connection.response()).status, 417)
})

test("any server can leave it to the app by its 'checkContinue' event", async (t) => {
  const server = createHttpServer(bodies.listener)
  server.on('checkContinue', bodies.listener)
  const { port } = await listen(t, server)
  await isAskedFor(t, await RawConnection.open(t, port))
})

test('so can a server of Express', async (t) => {
  const app = express().use(bodies.middleware)
  const server = createHttpServer(app)
  server.on('checkContinue', app)
  const { port } = await listen(t, server)
  await isAskedFor(t, await RawConnection.open(t, port))
})

test('without it Node asks at once', async (t) => {
  const { port } = await serve(t, bodies.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(head(`/late?${name}`))
  t.is(await connection.bytes(INTERIM.length), INTERIM)
  connection.write('body')
  await probe.tell(`${name}:go`)
  const { status, body } = await connection.response()
  t.deepEqual([status, body], [200, '4'])
})

/** A request of HTTP/2 that waits, and what has come to it so far. */
async function expectOverHttp2(
  t: ExecutionContext,
  path: string,
): Promise<{ stream: ClientHttp2Stream; came: string[] }> {
  const { url } = await listen(t, createServer(bodies, { http2: true }))
  const session = connect(url)
  t.teardown(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': path, expect: '100-continue' })
  const came: string[] = []
  stream.on('continue', () => came.push('continue'))
  stream.on('response', (headers) => came.push(String(headers[':status'])))
  return { stream, came }
}

test('over HTTP/2 too the client is asked when the app receives', async (t) => {
  const name = unique()
  const { stream, came } = await expectOverHttp2(t, `/late?${name}`)
  await probe.wait(`${name}:started`)
  await probe.peek(name)
  t.deepEqual(came, [])
  await probe.tell(`${name}:go`)
  await once(stream, 'continue')
  stream.end('body')
  await once(stream, 'response')
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  t.is(text, '4')
  t.deepEqual(came, ['continue', '200'])
})

test('over HTTP/2 too an answer needs no asking', async (t) => {
  const { stream, came } = await expectOverHttp2(t, '/ignores')
  await once(stream, 'response')
  t.deepEqual(came, ['413'])
})
