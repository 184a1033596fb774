import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { serve, serveSecurely } from './helpers/server.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

// Advertised is exactly what the connection at hand can do: an app asks here before it uses an extension.

const scope = shareHandler('scope:app')
const defaced = shareHandler('scope:defaced')
const websocket = shareHandler('websocket_app:app')

interface SeenScope {
  extensions?: Record<string, unknown>
}

const file = { 'http.response.pathsend': {} }
const all = { ...file, 'http.response.trailers': {}, 'http.response.early_hint': {} }

async function seenByRequest(t: ExecutionContext, version: string, method = 'GET'): Promise<SeenScope> {
  const { port } = await serve(t, scope.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(`${method} / HTTP/${version}\r\nHost: test\r\nConnection: close\r\n\r\n`)
  return JSON.parse((await raw.response()).body) as SeenScope
}

test('HTTP/1.1 advertises files, trailers and early hints', async (t) => {
  t.deepEqual((await seenByRequest(t, '1.1')).extensions, all)
})

test('HTTP/1.0 advertises files only: it has neither chunks nor informational responses', async (t) => {
  t.deepEqual((await seenByRequest(t, '1.0')).extensions, file)
})

test('HTTP/2 advertises files, trailers and early hints', async (t) => {
  const server = createHttp2Server(scope.listener as never)
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
  t.deepEqual((JSON.parse(text) as SeenScope).extensions, all)
})

test('handle() advertises none', async (t) => {
  const { extensions = {} } = (await (await scope.handle({ url: '/' })).json()) as SeenScope
  t.deepEqual(extensions, {})
})

test('TLS adds its own extension and takes none away', async (t) => {
  const { url, certificate } = await serveSecurely(t, scope.listener)
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
