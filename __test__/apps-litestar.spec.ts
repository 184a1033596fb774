import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { PATIENCE } from './helpers/patience.js'
import { type RequestOptions, request, requestHead } from './helpers/client.js'
import { EventStream } from './helpers/event-stream.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, fixtures, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { type ClientSettings, serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const logger = new Recorder()
// A factory: each handler has an app, and a lifespan, of its own.
const app = { app: 'apps.litestar_board.main:create_app', factory: true, lifespan: 'on' } as const
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

test('routes, validates and injects what the lifespan made', async (t) => {
  const { ask } = await start(t)
  const created = await ask('/tasks', json({ title: 'tea', points: 3 }))
  t.is(created.status, 201)
  const { number } = created.json() as { number: number }
  t.deepEqual((await ask(`/tasks/${number}`)).json(), { title: 'tea', points: 3 })
  t.like(await ask('/tasks', json({ points: 'many' })), { status: 400 })
  t.deepEqual((await ask('/tasks/search?words=t%C3%A9a&tag=a&tag=b')).json(), { words: 'téa', tag: ['a', 'b'] })
  t.is((await ask('/tasks/search?words=x')).status, 400)
  t.is((await ask('/tasks', { method: 'DELETE' })).status, 405)
})

test('runs its lifespan from the start to close()', async (t) => {
  const python = createHandler(t, { ...app, logger })
  await python.ready()
  await probe.wait('litestar:started')
  await python.close()
  await t.notThrowsAsync(probe.wait('litestar:stopped'))
})

test('closes dependencies, and runs background tasks after the response', async (t) => {
  const { ask } = await start(t)
  const name = unique()
  t.is((await ask(`/session?name=${name}`)).text, `session of ${name}`)
  await probe.wait(`${name}:closed`)
  t.is((await ask(`/background/${name}`)).text, 'scheduled')
  await probe.tell(`${name}:go`)
  await t.notThrowsAsync(probe.wait(`${name}:done`))
})

test('runs a sync handler in a thread', async (t) => {
  const { ask } = await start(t)
  t.not((await ask('/sync')).text, 'MainThread')
})

test('streams, also Server-Sent Events whose client leaves', async (t) => {
  const { url, ask } = await start(t)
  t.is((await ask('/lines/1000')).text, Array.from({ length: 1000 }, (_, index) => `line ${index}\n`).join(''))
  const name = unique()
  const stream = await requestHead(`${url}/events/${name}`)
  t.like(await new EventStream(stream).next(), { event: 'hello', id: '1', data: 'first' })
  await probe.wait(`${name}:idle`)
  const left = performance.now()
  stream.destroy()
  await probe.wait(`${name}:finally`)
  t.true(performance.now() - left < PATIENCE)
})

test('takes uploads, whole and streamed', async (t) => {
  const { url, ask } = await start(t)
  const body = new FormData()
  body.append('data', new Blob([randomBytes(2_000_000)], { type: 'image/png' }), 'naïve.png')
  body.append('data', new Blob(['small'], { type: 'text/plain' }), 'small.txt')
  const response = await fetch(`${url}/upload`, { method: 'POST', body })
  t.deepEqual(await response.json(), [
    { name: 'naïve.png', type: 'image/png', size: 2_000_000 },
    { name: 'small.txt', type: 'text/plain', size: 5 },
  ])
  t.is((await ask('/raw', { method: 'POST', body: randomBytes(3_000_000) })).text, '3000000')
})

test('sends files, static and as a download', async (t) => {
  const { ask } = await start(t)
  const content = await readFile(join(fixtures, 'static/hello.txt'))
  const download = await ask('/download')
  t.deepEqual(download.body, content)
  t.is(download.headers['content-disposition'], 'attachment; filename="hello.txt"')
  t.is(download.headers['content-length'], String(content.length))
  t.deepEqual((await ask('/static/hello.txt')).body, content)
  t.like(await ask('/static/hello.txt', { method: 'HEAD' }), { status: 200, text: '' })
  t.is((await ask('/static/none.txt')).status, 404)
})

test('compresses, and answers CORS', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/big', { headers: { 'accept-encoding': 'gzip', origin: 'https://example.org' } })
  t.is(answer.headers['content-encoding'], 'gzip')
  t.is(answer.headers['access-control-allow-origin'], 'https://example.org')
  t.deepEqual(JSON.parse(gunzipSync(answer.body).toString()), { text: 'compress me '.repeat(1000) })
})

test('answers errors as Litestar does', async (t) => {
  const { ask } = await start(t)
  t.deepEqual((await ask('/tasks/999')).json(), { status_code: 404, detail: 'no task 999' })
  t.like(await ask('/forbidden'), { status: 403 })
  const teapot = await ask('/teapot')
  t.is(teapot.status, 418)
  t.is(teapot.headers['x-why'], 'because')
  t.like(await ask('/boom'), { status: 500, text: '{"status_code":500,"detail":"Internal Server Error"}' })
  t.is((await ask('/old')).headers.location, '/new')
})

test('works below a mount', async (t) => {
  const { server, url } = await serve(t, express().use('/board', handler.middleware))
  t.like((await request(`${url}/board/where`)).json(), { root_path: '/board' })
  handler.attach(server, { path: '/board' })
  const client = await WebSocketClient.open(t, `${url.replace('http', 'ws')}/board/listen`)
  client.send('{"below":"a mount"}')
  t.deepEqual(await client.json(), { heard: { below: 'a mount' } })
})

test('a WebSocket listener answers message by message', async (t) => {
  const { open } = await start(t)
  const client = await open('/listen')
  const values = Array.from({ length: 200 }, (_, number) => ({ number, text: 'ü'.repeat(number) }))
  for (const value of values) client.send(JSON.stringify(value))
  const heard = (await client.take(values.length)).map((message) => JSON.parse(String(message)) as unknown)
  t.deepEqual(
    heard,
    values.map((value) => ({ heard: value })),
  )
  client.close(1000)
  t.is((await client.closed()).code, 1000)
})

test('a WebSocket handler chooses a subprotocol, adds headers, sends text and bytes', async (t) => {
  const { open } = await start(t)
  const client = await open(`/talk/${unique()}`, { subprotocols: ['other', 'board.v1'] })
  t.is(client.socket.protocol, 'board.v1')
  t.is(client.response?.headers['x-talk'], 'yes')
  client.send('hi')
  t.deepEqual(await client.json(), { echo: 'hi' })
  client.send('bytes')
  t.deepEqual(await client.next(), Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)))
  client.send('close')
  t.deepEqual(await client.closed(), { code: 4000, reason: 'you asked' })
})

test('a WebSocket handler is told how its client left', async (t) => {
  const { open } = await start(t)
  for (const [leave, code] of [
    [(client: WebSocketClient) => client.close(4123), 4123],
    [(client: WebSocketClient) => client.close(), 1005],
    [(client: WebSocketClient) => client.socket.terminate(), 1006],
  ] as const) {
    const name = unique()
    leave(await open(`/talk/${name}`))
    t.is(await probe.wait(`${name}:gone`), code)
  }
})

test('WebSocketException closes with its code; before the accept it refuses', async (t) => {
  const { ws, open } = await start(t)
  const client = await open(`/talk/${unique()}`)
  client.send('refuse')
  t.deepEqual(await client.closed(), { code: 4402, reason: 'no more' })
  t.is((await WebSocketClient.refused(t, `${ws}/talk/nobody`)).status, 403)
  t.is((await WebSocketClient.refused(t, `${ws}/no/such/route`)).status, 403)
})

test('an unhandled error closes a WebSocket with a code for errors', async (t) => {
  const { open } = await start(t)
  const client = await open(`/talk/${unique()}`)
  client.send('boom')
  // Litestar handles it itself: 4500 is its code for an internal error.
  t.is((await client.closed()).code, 4500)
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})
