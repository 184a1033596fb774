import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { serve, serveSecurely } from './helpers/server.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

// Advertised is exactly what the connection at hand can do: an app asks here before it uses an extension.

const scope = shareHandler('scope:app')
const sender = shareHandler({ app: 'scope:app', pathsend: true })
const defaced = shareHandler({ app: 'scope:defaced', pathsend: true })
const websocket = shareHandler('websocket_app:app')

interface SeenScope {
  extensions?: Record<string, unknown>
}

const file = { 'http.response.pathsend': {} }
const usual = { 'http.response.trailers': {}, 'http.response.early_hint': {} }
const all = { ...file, ...usual }

async function seenByRequest(t: ExecutionContext, version: string, handler = scope): Promise<SeenScope> {
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(`GET / HTTP/${version}\r\nHost: test\r\nConnection: close\r\n\r\n`)
  return JSON.parse((await raw.response()).body) as SeenScope
}

test('HTTP/1.1 advertises trailers and early hints, and files where they are asked for', async (t) => {
  t.deepEqual((await seenByRequest(t, '1.1')).extensions, usual)
  t.deepEqual((await seenByRequest(t, '1.1', sender)).extensions, all)
})

test('HTTP/1.0 advertises files only: it has neither chunks nor informational responses', async (t) => {
  t.deepEqual((await seenByRequest(t, '1.0')).extensions ?? {}, {})
  t.deepEqual((await seenByRequest(t, '1.0', sender)).extensions, file)
})

test('two handlers that share a connection advertise what each was asked for', async (t) => {
  const app = express().use('/files', sender.middleware).use('/', scope.middleware)
  const { port } = await serve(t, app)
  const raw = await RawConnection.open(t, port)
  for (const [path, expected] of [
    ['/', usual],
    ['/files', all],
    ['/', usual],
  ] as const) {
    raw.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
    t.deepEqual((JSON.parse((await raw.response()).body) as SeenScope).extensions, expected)
  }
})

for (const [python, expected] of [
  [scope, usual],
  [sender, all],
] as const) {
  test(`HTTP/2 advertises ${Object.keys(expected).join(', ')}`, async (t) => {
    const seen = await seenByHttp2(t, python)
    t.deepEqual(seen.extensions, expected)
  })
}

async function seenByHttp2(t: ExecutionContext, handler: typeof scope): Promise<SeenScope> {
  const server = createHttp2Server(handler.listener as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  const stream = session.request({ ':path': '/' })
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += String(chunk)
  return JSON.parse(text) as SeenScope
}

test('handle() advertises none', async (t) => {
  const { extensions = {} } = (await (await sender.handle({ url: '/' })).json()) as SeenScope
  t.deepEqual(extensions, {})
})

test('TLS adds its own extension and takes none away', async (t) => {
  const { url, certificate } = await serveSecurely(t, sender.listener)
  const { get } = await import('node:https')
  const text = await new Promise<string>((resolve, reject) => {
    get(url, { ca: certificate, agent: false }, (response) => {
      let read = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (read += chunk))
      response.on('end', () => resolve(read))
    }).on('error', reject)
  })
  const { extensions = {} } = JSON.parse(text) as SeenScope
  const { tls, ...others } = extensions
  t.deepEqual(others, all)
  t.is(typeof tls, 'object')
})

test('a WebSocket advertises denial responses only', async (t) => {
  const { ws } = await serveWebSockets(t, websocket)
  const client = await WebSocketClient.open(t, `${ws}/show_scope`)
  t.deepEqual(((await client.json()) as SeenScope).extensions, { 'websocket.http.response': {} })
})

test('what is disputed or dropped elsewhere is never advertised', async (t) => {
  const { extensions = {} } = await seenByRequest(t, '1.1')
  for (const name of ['http.response.zerocopysend', 'http.response.push', 'http.response.debug']) {
    t.false(name in extensions, name)
  }
})

test('every scope has extensions of its own', async (t) => {
  const { url } = await serve(t, defaced.listener)
  const ask = async () => ((await (await fetch(url)).json()) as SeenScope).extensions
  t.deepEqual(await ask(), all)
  t.deepEqual(await ask(), all)
})
