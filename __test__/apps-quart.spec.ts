import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { PATIENCE } from './helpers/patience.js'
import { type RequestOptions, request, requestHead, valuesOf } from './helpers/client.js'
import { EventStream } from './helpers/event-stream.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, fixtures, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { type ClientSettings, serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const logger = new Recorder()
// A factory: each handler has an app, and a lifespan, of its own.
const app = { app: 'apps.quart_tickets.main:create_app', factory: true, lifespan: 'on' } as const
const handler = shareHandler({ ...app, logger })
const probe = shareProbe()

async function start(t: ExecutionContext, python = handler) {
  const { url, ws } = await serveWebSockets(t, python)
  return {
    url,
    ws,
    ask: (path: string, options?: RequestOptions) => request(`${url}${path}`, options),
    open: (path: string, settings?: ClientSettings) => WebSocketClient.open(t, `${ws}${path}`, settings),
  }
}

const json = (value: unknown): RequestOptions => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

test('answers with what its lifespan opened, and passes its hooks', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/?tag=a&tag=%C3%A9')
  t.like(answer.json(), { args: ['a', 'é'], g: true })
  t.is(answer.headers['x-office'], 'open')
  const sold = await ask('/tickets', json({ to: 'Tokyo' }))
  t.like(sold, { status: 201 })
  t.like(sold.json(), { to: 'Tokyo' })
  t.is(sold.headers['x-ticket'], 'yes')
})

test('runs its lifespan from the start to close()', async (t) => {
  const python = createHandler(t, { ...app, logger })
  await python.ready()
  await probe.wait('quart:opened')
  await probe.wait('quart:serving')
  await python.close()
  await t.notThrowsAsync(probe.wait('quart:closed'))
})

test('runs a plain def in a thread', async (t) => {
  const { ask } = await start(t)
  t.deepEqual((await ask('/sync')).json(), { 'main thread': false })
})

test('keeps a session in a signed cookie', async (t) => {
  const { ask } = await start(t)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const login = await ask('/login', { method: 'POST', headers, body: 'user=Ada+L%C3%B8velace' })
  t.is(login.status, 302)
  t.is(login.headers.location, '/home')
  const cookie = valuesOf(login.rawHeaders, 'set-cookie')[0]?.split(';')[0] ?? ''
  t.deepEqual((await ask('/home', { headers: { cookie } })).json(), {
    user: 'Ada Løvelace',
    flashed: ['welcome Ada Løvelace'],
    url: '/home',
  })
  t.like((await ask('/home')).json(), { user: null })
})

test('takes uploads, whole and streamed, up to its own limit', async (t) => {
  const { url, ask } = await start(t)
  const body = new FormData()
  body.append('files', new Blob([randomBytes(2_000_000)], { type: 'image/png' }), 'naïve.png')
  body.append('files', new Blob(['small'], { type: 'text/plain' }), 'small.txt')
  body.append('caption', 'two files')
  const response = await fetch(`${url}/upload`, { method: 'POST', body })
  t.deepEqual(await response.json(), {
    files: [
      ['naïve.png', 'image/png', 2_000_000],
      ['small.txt', 'text/plain', 5],
    ],
    caption: 'two files',
  })
  t.deepEqual((await ask('/raw', { method: 'POST', body: randomBytes(3_000_000) })).json(), { length: 3_000_000 })
  t.is((await ask('/raw', { method: 'POST', body: Buffer.alloc(4_000_001) })).status, 413)
})

test('streams, with the context of the request', async (t) => {
  const { ask } = await start(t)
  t.is((await ask('/lines/1000')).text, Array.from({ length: 1000 }, (_, index) => `line ${index}\n`).join(''))
  t.is((await ask('/context?a=one%20&b=two')).text, 'one two')
})

test('ends a stream of events whose client leaves', async (t) => {
  const { url } = await start(t)
  const name = unique()
  const stream = await requestHead(`${url}/events/${name}`)
  t.deepEqual(await new EventStream(stream).next(), { event: 'hello', data: 'first' })
  await probe.wait(`${name}:idle`)
  const left = performance.now()
  stream.destroy()
  await probe.wait(`${name}:finally`)
  t.true(performance.now() - left < PATIENCE)
})

test('runs background tasks after the response', async (t) => {
  const { ask } = await start(t)
  const name = unique()
  t.is((await ask(`/background/${name}`)).text, 'scheduled')
  await probe.tell(`${name}:go`)
  await t.notThrowsAsync(probe.wait(`${name}:done`))
})

test('sends files, with validators and ranges', async (t) => {
  const { ask } = await start(t)
  const content = await readFile(join(fixtures, 'static/hello.txt'))
  const answer = await ask('/file')
  t.deepEqual(answer.body, content)
  t.like(await ask('/file', { headers: { 'if-none-match': String(answer.headers.etag) } }), { status: 304, text: '' })
  const range = await ask('/file', { headers: { range: 'bytes=2-5' } })
  t.is(range.status, 206)
  t.deepEqual(range.body, content.subarray(2, 6))
  t.deepEqual((await ask('/static/hello.txt')).body, content)
  t.like(await ask('/static/hello.txt', { method: 'HEAD' }), { status: 200, text: '' })
})

test('answers errors by its own handlers', async (t) => {
  const { ask } = await start(t)
  t.like(await ask('/gone'), { status: 410, text: '{"sorry":"sold out"}\n' })
  t.is((await ask('/none')).status, 404)
  t.is((await ask('/tickets', json({}))).status, 422)
  t.is((await ask('/', { method: 'DELETE' })).status, 405)
})

test('an unhandled error is a 500 of Quart', async (t) => {
  const { ask } = await start(t)
  t.is((await ask('/boom')).status, 500)
})

test('works below a mount', async (t) => {
  const { server, url } = await serve(t, express().use('/office', handler.middleware))
  t.deepEqual((await request(`${url}/office/where`)).json(), {
    url: `${url}/office/where`,
    root_path: '/office',
    url_for: '/office/where',
    client: '127.0.0.1',
  })
  handler.attach(server, { path: '/office' })
  const client = await WebSocketClient.open(t, `${url.replace('http', 'ws')}/office/json?name=ada`)
  t.deepEqual(await client.json(), { hello: 'ada' })
})

test('a WebSocket reads and writes at the same time', async (t) => {
  const { open } = await start(t)
  const name = unique()
  const client = await open(`/queue/${name}`, { subprotocols: ['tickets'] })
  t.is(client.socket.protocol, 'tickets')
  t.is(client.response?.headers['x-queue'], name)
  const numbers = Array.from({ length: 200 }, (_, number) => String(number))
  for (const number of numbers) client.send(number)
  t.deepEqual(
    (await client.take(numbers.length)).map((message) => JSON.parse(String(message)) as unknown),
    numbers.map((turn) => ({ turn })),
  )
  client.send(Buffer.from([1, 2, 3]))
  t.deepEqual(await client.next(), Buffer.from([3, 2, 1]))
  client.send('close')
  t.deepEqual(await client.closed(), { code: 4000, reason: 'your turn is over' })
})

test('a WebSocket that is not accepted by name is accepted by sending', async (t) => {
  const { open } = await start(t)
  const client = await open('/json?name=bob')
  t.deepEqual(await client.json(), { hello: 'bob' })
  client.send('[1,2]')
  t.deepEqual(await client.json(), { got: [1, 2] })
})

test('a WebSocket function is cancelled when its client leaves', async (t) => {
  const { open } = await start(t)
  for (const leave of [
    (client: WebSocketClient) => client.close(1000),
    (client: WebSocketClient) => client.socket.terminate(),
  ]) {
    const name = unique()
    leave(await open(`/queue/${name}`))
    await t.notThrowsAsync(probe.wait(`${name}:cancelled`))
  }
})

test('abort() before the accept is the answer to the handshake', async (t) => {
  const { ws } = await start(t)
  const answer = await WebSocketClient.refused(t, `${ws}/queue/x`, { headers: { 'x-ban': 'yes' } })
  t.is(answer.status, 451)
  t.regex(answer.text, /not you/)
  t.is((await WebSocketClient.refused(t, `${ws}/none`)).status, 404)
})

test('an unhandled error in a WebSocket is Quart’s own, which closes with 1000', async (t) => {
  const { open } = await start(t)
  const client = await open(`/queue/${unique()}`)
  client.send('boom')
  t.is((await client.closed()).code, 1000)
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})
