import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import connect from 'connect'
import express from 'express'
import { createApp, fromNodeMiddleware, toNodeListener } from 'h3'
import { WebSocket } from 'ws'
import { placeOf } from '../lib/http/mount.js'
import { request } from './helpers/client.js'
import { express4 } from './helpers/hosts.js'
import { listen } from './helpers/listen.js'
import { createHandler, shareHandler } from './helpers/python.js'

// `mount()`: where the app is, in hosts that do not say so.

const scope = shareHandler('scope:app')
const api = scope.mount('/api')
const fastapi = shareHandler('fastapi_app:app').mount('/api')
const webSocket = shareHandler('websocket_app:app')

type Serve = (mounted: typeof api) => (req: IncomingMessage, res: ServerResponse) => unknown

const rest = (_req: unknown, res: ServerResponse) => res.end('Node')

/** One rule for all of them. */
const hosts: Record<string, Serve> = {
  'Connect, which cuts the path off': (mounted) => connect().use('/api', mounted).use(rest),
  'Connect, which leaves it': (mounted) => connect().use(mounted).use(rest),
  'Express 5 at the path': (mounted) => express().use('/api', mounted).use(rest),
  'Express 5 without one': (mounted) => express().use(mounted).use(rest),
  'Express 5 at a wildcard': (mounted) => express().use('/api{/*splat}', mounted).use(rest),
  'a route of Express 5': (mounted) => express().all('/api{/*splat}', mounted).use(rest),
  'Express 4 at a wildcard': (mounted) => express4().use('/api*', mounted).use(rest),
  'nested routers of Express 5': (mounted) => express().use('/', express.Router().use('/api', mounted)).use(rest),
  h3: (mounted) =>
    toNodeListener(
      createApp()
        .use('/api', fromNodeMiddleware(mounted))
        .use(fromNodeMiddleware(rest as never)),
    ),
  'node:http': (mounted) => (req, res) => mounted(req, res, () => res.end('Node')),
}

const serve = (t: ExecutionContext, host: Serve, mounted = api) => listen(t, createServer(host(mounted) as never))

interface Seen {
  root_path: string
  path: string
  raw_path: { bytes: string }
  query_string: { bytes: string }
}

for (const [name, host] of Object.entries(hosts)) {
  test(`${name}: the app knows where it is`, async (t) => {
    const { url } = await serve(t, host)
    const look = async (target: string) => {
      const found = (await request(url + target)).json() as Seen
      return [found.root_path, found.raw_path.bytes, found.query_string.bytes]
    }
    t.deepEqual(await look('/api/a%20b?x=1'), ['/api', '/api/a%20b', 'x=1'])
    t.deepEqual(await look('/api/a/'), ['/api', '/api/a/', ''])
    t.deepEqual(await look('/api/a'), ['/api', '/api/a', ''])
    t.deepEqual(await look('/api/api/api'), ['/api', '/api/api/api', ''])
    t.deepEqual(await look('/api/'), ['/api', '/api/', ''])
    t.deepEqual(await look('/api'), ['/api', '/api/', ''])
    t.deepEqual(await look('/api?x=/'), ['/api', '/api/', 'x=/'])
    t.is((await request(`${url}/other/api`)).text, 'Node')
    const pages = await serve(t, host, fastapi)
    t.regex((await request(`${pages.url}/api/docs`)).text, /'\/api\/openapi\.json'/)
  })
}

test('below a longer path the whole of it is named', async (t) => {
  const mounted = scope.mount('/v1/api/')
  const app = connect().use('/v1', connect().use('/api', mounted) as never)
  const { url } = await listen(t, createServer(app))
  const found = (await request(`${url}/v1/api/x`)).json() as Seen
  t.deepEqual([found.root_path, found.path], ['/v1/api', '/v1/api/x'])
})

test('a handler with the same rootPath is there once', async (t) => {
  const handler = createHandler(t, { app: 'scope:app', rootPath: '/api' })
  const { url } = await listen(t, createServer(connect().use('/api', handler.mount('/api'))))
  const found = (await request(`${url}/api/x`)).json() as Seen
  t.deepEqual([found.root_path, found.path], ['/api', '/api/x'])
})

test('without a next it has a promise, and what is not below it is a 404', async (t) => {
  let over: unknown
  const server = createServer((req, res) => {
    over = api(req, res)
  })
  const { url } = await listen(t, server)
  const found = (await request(`${url}/api/x`)).json() as Seen
  t.deepEqual([found.root_path, found.path], ['/api', '/api/x'])
  t.is(await (over as Promise<void>), undefined)
  t.is((await request(`${url}/other`)).status, 404)
})

test('the host finds the request as it was', async (t) => {
  const seen: unknown[] = []
  const app = connect().use('/api', (req, res, next) => {
    api(req, res, next)
    seen.push(req.url, (req as { baseUrl?: unknown }).baseUrl)
  })
  await request(`${(await listen(t, createServer(app))).url}/api/x`)
  t.deepEqual(seen, ['/x', undefined])
})

test('where a request is', (t) => {
  const at = (url: string, originalUrl?: string, baseUrl?: string) => {
    const place = placeOf({ url, originalUrl, baseUrl } as never, '/api')
    return place && `${place.prefix}|${place.url}`
  }
  t.is(at('/x', '/API/x'), '/API|/x')
  t.is(at('/x', '/API/x', '/API'), '/API|/x')
  t.is(at('/API/x'), '/API|/x')
  t.is(at('/', '/api/items', '/api/items'), '/api|/items')
  t.is(at('/?a', '/api/items?a', '/api/items'), '/api|/items?a')
  t.is(at('/', '/api/items/', '/api/items'), '/api|/items/')
  t.is(at('/x', '/v1/api/x', '/v1/api'), '/v1/api|/x')
  t.is(at('/apis', '/apis'), undefined)
  t.is(at('/x', '/x'), undefined)
  t.is(at('/x'), undefined)
  t.is(at('/', '/api/api/api', '/api/api/api'), '/api|/api/api')
  // A rewrite before the mount: what is left is below it.
  t.is(at('/x', '/old/x'), '/api|/x')
  t.is(at('/api/x', '/old/x'), '/api|/x')
})

test('WebSockets of the same path go with it', async (t) => {
  const mounted = webSocket.mount('/api')
  const { url, server } = await listen(t, createServer(connect().use('/api', mounted)))
  const take = async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/show_scope`)
    const [message] = (await once(socket, 'message')) as [Buffer]
    const { root_path: rootPath, path } = JSON.parse(message.toString()) as Seen
    socket.close()
    return [rootPath, path]
  }
  const detach = mounted.attach(server)
  t.deepEqual(await take(), ['/api', '/api/show_scope'])
  detach()
  await t.throwsAsync(take())
})

test('a path is no pattern', (t) => {
  for (const path of ['api', '/api/*', '/:id', '/a//b', '/api?x', undefined, {}]) {
    t.throws(() => scope.mount(path as string), {
      code: 'AMPHIS_ERR_INVALID_OPTIONS',
      message: /^mount takes the path/,
    })
  }
  t.notThrows(() => [scope.mount('/'), scope.mount('')])
})
