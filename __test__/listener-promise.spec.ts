import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { createApp, fromNodeMiddleware, toNodeListener, useBase } from 'h3'
import Koa from 'koa'
import type { PythonHandler } from '../index.js'
import { readAnswer, request, requestHead } from './helpers/client.js'
import { express4 } from './helpers/hosts.js'
import { openSession, request as requestHttp2 } from './helpers/http2-client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve, serveH2c } from './helpers/server.js'

// `listener` returns a promise that resolves when the response is over, for hosts that await it.

const main = shareHandler('main:app')
const echo = shareHandler('echo:app')
const stream = shareHandler('stream:app')
const responses = shareHandler('responses:app')
const error = shareHandler({ app: 'error:app', logger: new Recorder() })
const disconnect = shareHandler({ app: 'disconnect:app', logger: new Recorder() })
const barrier = shareHandler('barrier:app')
const probe = shareProbe()

type Way = 'listener' | 'middleware'
type Call = (handler: PythonHandler, req: IncomingMessage, res: ServerResponse) => Promise<void>
const ways: Record<Way, Call> = {
  listener: ({ listener }, req, res) => listener(req, res),
  middleware: ({ middleware }, req, res) => middleware(req, res),
}

/** Serves, and gives the promises of what was served with whether the response was finished when they resolved. */
async function watch(t: ExecutionContext, handler: PythonHandler, way: Way = 'listener') {
  const over: Promise<{ isFinished: boolean; isGone: boolean }>[] = []
  let wake = (): void => {}
  const running = await serve(t, (req, res) => {
    const promise = ways[way](handler, req, res)
    over.push(promise.then(() => ({ isFinished: res.writableFinished, isGone: res.destroyed || !req.socket.writable })))
    wake()
  })
  const nth = async (n: number) => {
    while (over.length <= n) await new Promise<void>((resolve) => (wake = resolve))
    return over[n]!
  }
  return { ...running, nth }
}

for (const way of Object.keys(ways) as Way[]) {
  test(`${way}: resolves when the response is finished`, async (t) => {
    const { url, nth } = await watch(t, main, way)
    t.is((await request(url)).text, 'Hello, world!')
    t.deepEqual(await nth(0), { isFinished: true, isGone: true })
  })

  test(`${way}: resolves for an error that it has answered, before Python and in it`, async (t) => {
    const { url, nth } = await watch(t, error, way)
    t.is((await request(url)).status, 500)
    t.true((await nth(0)).isFinished)
    const failing = createHandler(t, { app: 'nowhere:app', logger: new Recorder() })
    const other = await watch(t, failing, way)
    t.is((await request(other.url)).status, 500)
    t.is((await request(other.url)).status, 500)
    t.true((await other.nth(0)).isFinished)
    t.true((await other.nth(1)).isFinished)
  })
}

test('resolves only at the end of a stream', async (t) => {
  const { url, nth } = await watch(t, responses)
  const head = await requestHead(`${url}/empty_chunks`)
  await readAnswer(head)
  t.true((await nth(0)).isFinished)
})

test('resolves when the client leaves in the middle', async (t) => {
  const { port, nth } = await watch(t, disconnect)
  const name = unique()
  const client = await RawConnection.open(t, port)
  client.write(`GET /idle_during?${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
  await probe.wait(`${name}:idle`)
  client.reset()
  t.deepEqual(await nth(0), { isFinished: false, isGone: true })
})

test('resolves when the client leaves while Python starts', async (t) => {
  const handler = createHandler(t, 'main:app')
  const { port, nth } = await watch(t, handler)
  const client = await RawConnection.open(t, port)
  client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n')
  const first = nth(0)
  client.reset()
  t.false((await first).isFinished)
})

test('resolves when the host ends the response in its place', async (t) => {
  const name = unique()
  let response: ServerResponse | undefined
  let over: Promise<void> | undefined
  const { url } = await serve(t, (req, res) => {
    response = res
    over = disconnect.listener(req, res)
  })
  const pending = request(`${url}/idle_before?${name}`)
  await probe.wait(`${name}:idle`)
  response!.writeHead(200).end('of the host')
  t.is((await pending).text, 'of the host')
  await t.notThrowsAsync(over!)
})

test('resolves for each of many pipelined requests, also when the connection goes before their turn', async (t) => {
  const { port, nth } = await watch(t, barrier)
  const name = unique()
  const client = await RawConnection.open(t, port)
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`
  client.write(get(`/slow/${name}`) + get('/fast/b') + get('/fast/c'))
  await probe.wait(`${name}:started`)
  const all = [nth(0), nth(1), nth(2)]
  // Python is through with the later ones once it has answered a request that came after them.
  t.is((await barrier.handle({ url: '/fast/d' })).status, 200)
  t.deepEqual(await Promise.all(all.map((one) => Promise.race([one, Promise.resolve('pending')]))), [
    'pending',
    'pending',
    'pending',
  ])
  client.reset()
  for (const n of [0, 1, 2]) t.false((await nth(n)).isFinished)
})

test('leaves nothing at a connection of many requests', async (t) => {
  const { port, server } = await watch(t, main)
  let socket: { listenerCount: (event: string) => number } | undefined
  server.on('connection', (one: typeof socket) => (socket = one))
  const client = await RawConnection.open(t, port)
  const get = 'GET / HTTP/1.1\r\nHost: test\r\n\r\n'
  client.write(get)
  await client.response()
  const before = socket!.listenerCount('close')
  client.write(get.repeat(50))
  for (let i = 0; i < 50; i++) await client.response()
  t.true(socket!.listenerCount('close') <= before + 1)
})

test('over HTTP/2 as well', async (t) => {
  const over: Promise<void>[] = []
  const { url } = await serveH2c(t, (req, res) => void over.push(main.listener(req, res)))
  const session = await openSession(t, url)
  t.is((await requestHttp2(session, { ':path': '/' })).text, 'Hello, world!')
  await t.notThrowsAsync(Promise.all(over))
})

test('a request with a body that ends early, and one that is too large', async (t) => {
  const handler = createHandler(t, { app: 'echo:app', maxBodySize: 5, logger: new Recorder() })
  const { url, nth } = await watch(t, handler)
  t.is((await request(url, { method: 'POST', body: 'too large' })).status, 413)
  await nth(0)
  t.is((await request(url, { method: 'POST', body: 'fine' })).text, 'fine')
  await nth(1)
})

test('middleware with next returns nothing, so that hosts wait for next', async (t) => {
  t.is(main.middleware.length, 3)
  t.is(main.listener.length, 2)
  let returned: unknown = 'not called'
  const { url } = await serve(t, (req, res) => {
    returned = main.middleware(req, res, () => {})
  })
  await request(url)
  t.is(returned, undefined)
})

for (const how of ['listener', 'middleware'] as const) {
  test(`h3: fromNodeMiddleware(python.${how})`, async (t) => {
    for (const [handler, path, expected] of [
      [main, '/', 'Hello, world!'],
      [stream, '/burst/3', undefined],
      [echo, '/', ''],
    ] as const) {
      const app = createApp().use('/api', useBase('/api', fromNodeMiddleware(handler[how])))
      const { url } = await serve(t, toNodeListener(app))
      const answer = await request(`${url}/api${path}`)
      t.is(answer.status, 200)
      if (expected !== undefined) t.is(answer.text, expected)
    }
  })

  test(`h3: the first request, while Python starts, with python.${how}`, async (t) => {
    const handler = createHandler(t, 'main:app')
    const app = createApp().use(fromNodeMiddleware(handler[how]))
    const { url } = await serve(t, toNodeListener(app))
    t.like(await request(url), { status: 200, text: 'Hello, world!' })
  })
}

test('Koa: middleware that awaits the listener goes on when the response is over', async (t) => {
  const koa = new Koa()
  const seen: boolean[] = []
  koa.use(async (ctx, next) => {
    await next()
    seen.push(ctx.res.writableFinished)
  })
  koa.use(async (ctx) => {
    ctx.respond = false
    await main.listener(ctx.req, ctx.res)
  })
  const callback = koa.callback()
  const { url } = await serve(t, (req, res) => void callback(req, res))
  t.is((await request(url)).text, 'Hello, world!')
  t.deepEqual(seen, [true])
})

for (const [name, make] of [
  ['Express 5', express],
  ['Express 4', express4],
] as const) {
  test(`${name}: the listener as a handler`, async (t) => {
    const app = make()
    app.use('/api', main.listener)
    t.is((await request(`${(await serve(t, app)).url}/api`)).text, 'Hello, world!')
  })
}

test('node:http takes the listener as before', async (t) => {
  const server = createHttpServer(main.listener)
  t.is(server.listenerCount('request'), 1)
})
