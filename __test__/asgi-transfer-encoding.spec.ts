// ASGI, "Response Start": "The server will ignore any Transfer-Encoding header in the response".
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { createServer } from '../index.js'
import { valuesOf } from './helpers/client.js'
import { handshake } from './helpers/frames.js'
import { openSession, request } from './helpers/http2-client.js'
import { Http2WebSocket } from './helpers/http2-websocket.js'
import { listen } from './helpers/listen.js'
import { shareProbe } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { bytes, Script, type Step } from './helpers/script.js'
import { serve, serveH2c } from './helpers/server.js'
import { serveWebSockets } from './helpers/websocket-client.js'

const logger = new Recorder()
const script = shareHandler({ app: 'asgi_script:app', logger })
const probe = shareProbe()

type Fields = readonly (readonly [name: string, value: string])[]

/** What an app may say, by what is said of it here. */
const said: Record<string, Fields> = {
  'chunked beside a length': [
    ['content-length', '5'],
    ['transfer-encoding', 'chunked'],
  ],
  'the same before the length, in capitals': [
    ['TRANSFER-ENCODING', 'Chunked'],
    ['Content-Length', '5'],
  ],
  'chunked alone': [['Transfer-Encoding', 'chunked']],
  identity: [['transfer-encoding', 'identity']],
  'several codings': [['transfer-encoding', 'gzip, chunked']],
  'several of them': [
    ['transfer-encoding', 'gzip'],
    ['content-length', '5'],
    ['Transfer-Encoding', 'chunked'],
  ],
  nothing: [
    ['transfer-encoding', ''],
    ['content-length', '5'],
  ],
  'what nobody knows': [['Transfer-encoding', '\u00ff;q="1", x']],
}

const start = (fields: Fields, status = 200, kind = 'http'): Step => [
  'send',
  {
    type: `${kind === 'http' ? 'http' : 'websocket.http'}.response.start`,
    status,
    headers: [...fields, ['x-kept', 'yes'] as const].map(([name, value]) => [bytes(name), bytes(value)]),
  },
]
const piece = (text: string, more = false, kind = 'http'): Step => [
  'send',
  {
    type: `${kind === 'http' ? 'http' : 'websocket.http'}.response.body`,
    body: bytes(text),
    more_body: more,
  },
]

const whole = (fields: Fields, status = 200) => new Script(probe, [start(fields, status), piece('hello')])
const streamed = (fields: Fields) => new Script(probe, [start(fields), piece('he', true), piece('llo')])
const denial = (fields: Fields) =>
  new Script(probe, [['receive'], start(fields, 401, 'websocket'), piece('hello', false, 'websocket')])

/** Two requests, one behind the other: the second answer begins where the first one ends. */
async function twice(t: ExecutionContext, port: number, target: string): Promise<void> {
  const connection = await RawConnection.open(t, port)
  connection.write(`GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`.repeat(2))
  for (const _ of [1, 2]) {
    const { status, headers, body } = await connection.response()
    t.like({ status, body }, { status: 200, body: 'hello' })
    t.deepEqual(valuesOf(headers.flat(), 'x-kept'), ['yes'])
    const framing = headers.filter(([name]) => name === 'content-length' || name === 'transfer-encoding')
    t.is(framing.length, 1)
    t.regex(framing[0]![1], /^(5|chunked)$/)
  }
}

for (const [name, fields] of Object.entries(said)) {
  const length = fields.some(([field]) => field.toLowerCase() === 'content-length')

  test(`${name}: the body is framed by the server`, async (t) => {
    const { port } = await serve(t, script.listener)
    await twice(t, port, whole(fields).target)
    await twice(t, port, streamed(fields).target)
  })

  test(`${name}: the same in Express, and in a server of amphis`, async (t) => {
    for (const { port } of [await serve(t, express().use(script.middleware)), await listen(t, createServer(script))]) {
      await twice(t, port, whole(fields).target)
    }
  })

  test(`${name}: over HTTP/1.0 the body is there as it is`, async (t) => {
    const { port } = await serve(t, script.listener)
    const connection = await RawConnection.open(t, port)
    connection.write(`GET ${streamed(fields).target} HTTP/1.0\r\n\r\n`)
    const { text } = await connection.rest()
    t.regex(text, /^HTTP\/1\.1 200 OK\r\n(?!.*transfer-encoding).*\r\n\r\nhello$/is)
  })

  test(`${name}: HEAD, 204 and 304 have no body`, async (t) => {
    const { port } = await serve(t, script.listener)
    const connection = await RawConnection.open(t, port)
    connection.write(`HEAD ${whole(fields).target} HTTP/1.1\r\nHost: test\r\n\r\n`)
    const head = await connection.response('head')
    t.is(head.status, 200)
    t.deepEqual(valuesOf(head.headers.flat(), 'content-length'), length ? ['5'] : [])
    for (const status of [204, 304]) {
      connection.write(`GET ${whole(fields, status).target} HTTP/1.1\r\nHost: test\r\n\r\n`)
      const answer = await connection.response()
      t.is(answer.status, status)
      t.deepEqual(valuesOf(answer.headers.flat(), 'transfer-encoding'), [])
    }
    connection.write(`GET ${whole(fields).target} HTTP/1.1\r\nHost: test\r\n\r\n`)
    t.is((await connection.response()).body, 'hello')
  })

  test(`${name}: over HTTP/2`, async (t) => {
    const { url } = await serveH2c(t, script.listener)
    const session = await openSession(t, url)
    for (const { target } of [whole(fields), streamed(fields)]) {
      const { status, headers, text } = await request(session, { ':path': target })
      t.like({ status, text }, { status: 200, text: 'hello' })
      t.false('transfer-encoding' in headers)
    }
  })

  test(`${name}: handle() has the body, and no such header`, async (t) => {
    for (const { target } of [whole(fields), streamed(fields)]) {
      const answer = await script.handle({ url: target })
      t.is(answer.status, 200)
      t.deepEqual(valuesOf(answer.rawHeaders, 'transfer-encoding'), [])
      t.is(await answer.text(), 'hello')
    }
  })

  test(`${name}: a refused WebSocket has the app's answer`, async (t) => {
    const { port } = await serveWebSockets(t, script)
    const connection = await RawConnection.open(t, port)
    connection.write(handshake(denial(fields).target))
    t.like(await connection.response(), { status: 401, body: 'hello' })
  })

  test(`${name}: a WebSocket refused over HTTP/2 too`, async (t) => {
    const { url } = await listen(t, createServer(script, { http2: true }))
    const { status, headers, text } = await Http2WebSocket.refused(await openSession(t, url), denial(fields).target)
    t.like({ status, text }, { status: 401, text: 'hello' })
    t.false('transfer-encoding' in headers)
  })
}

test('an accepted WebSocket has none of it', async (t) => {
  const headers = [[bytes('Transfer-Encoding'), bytes('chunked')]]
  const { port } = await serveWebSockets(t, script)
  const connection = await RawConnection.open(t, port)
  connection.write(
    handshake(new Script(probe, [['receive'], ['send', { type: 'websocket.accept', headers }], ['receive']]).target),
  )
  const answer = await connection.response()
  t.is(answer.status, 101)
  t.deepEqual(valuesOf(answer.headers.flat(), 'transfer-encoding'), [])
})

test('a WSGI app that names both has its answer sent', async (t) => {
  const { url, port } = await serve(t, createHandler(t, { app: 'wsgi:encoded', interface: 'wsgi' }).listener)
  t.is(await (await fetch(url)).text(), 'hello')
  await twice(t, port, '/')
})

test('the length that stands beside it still holds the app to it', async (t) => {
  const played = new Script(probe, [
    start([
      ['content-length', '4'],
      ['transfer-encoding', 'chunked'],
    ]),
    ['try', { type: 'http.response.body', body: bytes('hello') }],
    piece('four'),
  ])
  const { url } = await serve(t, script.listener)
  t.is(await (await fetch(`${url}${played.target}`)).text(), 'four')
  t.like((await played.outcome())[0], { error: 'RuntimeError' })
})
