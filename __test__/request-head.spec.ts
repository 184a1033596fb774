import type { IncomingMessage, ServerResponse } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import connect from 'connect'
import express from 'express'
import Koa from 'koa'
import mount from 'koa-mount'
import type { PythonHandler } from '../index.js'
import { Http2WebSocket } from './helpers/http2-websocket.js'
import { RawWebSocket } from './helpers/frames.js'
import { express4 } from './helpers/hosts.js'
import { openSession, request as requestHttp2 } from './helpers/http2-client.js'
import { request } from './helpers/client.js'
import { createHandler } from './helpers/python.js'
import { serve, serveH2c } from './helpers/server.js'

// The head of a request is what it is when the handler is called, also where that has to wait for Python to start.

type Mounted = IncomingMessage & { baseUrl?: string }

const fresh = (t: ExecutionContext, app = 'scope:app') => createHandler(t, app)
const expected = { root_path: '/api', path: '/api/x', query_string: { bytes: 'q' } }

/** Passes on what is below `/api`, and puts everything back at once, as koa-mount does. */
function passOn(handler: PythonHandler, req: Mounted, res: ServerResponse, how: 'listener' | 'middleware'): void {
  const { url = '', method } = req
  req.baseUrl = '/api'
  req.url = url.slice('/api'.length)
  if (how === 'listener') void handler.listener(req, res)
  else handler.middleware(req, res, () => res.writeHead(599).end())
  delete req.baseUrl
  req.url = url
  req.headers = { 'x-other': 'request' }
  req.method = method === 'POST' ? 'GET' : 'POST'
}

for (const how of ['listener', 'middleware'] as const) {
  test(`the ${how} reads url, baseUrl, method and headers at once`, async (t) => {
    const handler = fresh(t)
    const { url } = await serve(t, (req, res) => passOn(handler, req, res, how))
    const seen = await Promise.all([1, 2].map(() => request(`${url}/api/x?q`, { headers: { 'x-mine': '1' } })))
    for (const answer of seen) {
      t.is(answer.status, 200, answer.text)
      t.like(answer.json(), { ...expected, method: 'GET' })
      t.true(answer.text.includes('x-mine'))
      t.false(answer.text.includes('x-other'))
    }
  })
}

test('over HTTP/2 as well', async (t) => {
  const handler = fresh(t)
  const { url } = await serveH2c(t, (req, res) => {
    const mounted = req as Mounted
    mounted.baseUrl = '/api'
    mounted.url = '/x?q'
    void handler.listener(req, res)
    mounted.url = '/other'
    mounted.baseUrl = ''
  })
  const session = await openSession(t, url)
  t.like((await requestHttp2(session, { ':path': '/api/x?q' })).json(), expected)
})

for (const [name, make] of [
  ['Express 5', express],
  ['Express 4', express4],
] as const) {
  test(`${name}: the first request has the prefix of its mount`, async (t) => {
    const app = make().use('/api', fresh(t).middleware)
    t.like((await request(`${(await serve(t, app)).url}/api/x?q`)).json(), expected)
  })
}

test('Connect: the first request has the prefix that it was given', async (t) => {
  const handler = fresh(t)
  const app = connect().use('/api', (req, res, next) => {
    ;(req as Mounted).baseUrl = '/api'
    handler.middleware(req, res, next)
  })
  t.like((await request(`${(await serve(t, app)).url}/api/x?q`)).json(), expected)
})

test('koa-mount: the first request has the prefix of its mount', async (t) => {
  const handler = fresh(t)
  const koa = new Koa()
  koa.use(
    mount('/api', (ctx) => {
      ctx.respond = false
      ;(ctx.req as Mounted).baseUrl = '/api'
      void handler.listener(ctx.req, ctx.res)
    }),
  )
  // Koa's own listener lets its errors out by itself.
  const callback = koa.callback()
  const { url } = await serve(t, (req, res) => void callback(req, res))
  t.like((await request(`${url}/api/x?q`)).json(), expected)
  t.like((await request(`${url}/api/x?q`)).json(), expected)
})

test('a body that others read while Python starts is an error, not a request that hangs', async (t) => {
  const handler = fresh(t, 'echo:app')
  const { url } = await serve(t, (req, res) => {
    handler.middleware(req, res, (error) => res.writeHead(599).end((error as { code: string }).code))
    req.resume()
  })
  const answer = await request(url, { method: 'POST', body: 'x'.repeat(100) })
  t.is(answer.text, 'AMPHIS_ERR_BODY_CONSUMED')
})

for (const way of ['upgrade', 'attach'] as const) {
  test(`${way} reads url, baseUrl and headers at once`, async (t) => {
    const handler = fresh(t, 'websocket_app:app')
    const { server, port } = await serve(t, (_req, res) => res.end())
    server.on('upgrade', (req: Mounted) => {
      if (way === 'upgrade') {
        req.baseUrl = '/api'
        req.url = '/show_scope?q'
      }
    })
    if (way === 'attach') handler.attach(server, { path: '/api' })
    else server.on('upgrade', handler.upgrade)
    server.on('upgrade', (req: Mounted) => {
      req.baseUrl = '/other'
      req.url = '/other'
      req.headers['x-mine'] = 'other'
    })
    const client = await RawWebSocket.open(t, port, '/api/show_scope?q', ['x-mine: 1'])
    const seen = String(await client.message())
    t.like(JSON.parse(seen), { ...expected, path: '/api/show_scope' })
    t.false(seen.includes('other'))
  })
}

test('a WebSocket over HTTP/2 as well', async (t) => {
  const handler = fresh(t, 'websocket_app:app')
  const { server, url } = await serveH2c(t, (_req, res) => res.end(), { settings: { enableConnectProtocol: true } })
  handler.attach(server, { path: '/api' })
  server.on('connect', (req: Mounted) => {
    req.url = '/other'
    req.headers['x-mine'] = 'other'
  })
  const session = await openSession(t, url)
  const client = await Http2WebSocket.open(session, '/api/show_scope?q', { 'x-mine': '1' })
  const seen = String(await client.message())
  t.like(JSON.parse(seen), { ...expected, path: '/api/show_scope' })
  t.false(seen.includes('other'))
})
