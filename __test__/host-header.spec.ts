// RFC 9112 3.2 and RFC 9113 8.3.1: a request is for one host, and says so once.
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http2'
import test, { type ExecutionContext } from 'ava'
import { createServer } from '../index.js'
import { serveByCommand } from './helpers/command-line.js'
import { handshake } from './helpers/frames.js'
import { openSession, request } from './helpers/http2-client.js'
import { extendedConnect, Http2WebSocket } from './helpers/http2-websocket.js'
import { listen } from './helpers/listen.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const scope = shareHandler('scope:app')
const websocket = shareHandler({ app: 'websocket_app:app', logger: new Recorder() })

async function answerTo(t: ExecutionContext, port: number, text: string) {
  const raw = await RawConnection.open(t, port)
  raw.write(text)
  const answer = await raw.response()
  return { ...answer, raw }
}

const lines: Record<string, string> = {
  'two that differ': 'Host: a\r\nHost: b',
  'two that are equal': 'Host: a\r\nHost: a',
  'two in other letters, with others between': 'HOST: a\r\nX-Other: 1\r\nhOst: b',
  three: 'Host: a\r\nHost: a\r\nHost: a',
  'one that is empty': 'Host:\r\nHost: a',
}

for (const [what, hosts] of Object.entries(lines)) {
  test(`${what} is a 400 in HTTP/1.1 and 1.0, and ends the connection`, async (t) => {
    const { port } = await listen(t, createServer(scope, { healthPath: '/healthz' }))
    for (const version of ['1.1', '1.0']) {
      for (const path of ['/', '/healthz']) {
        const { status, raw } = await answerTo(t, port, `GET ${path} HTTP/${version}\r\n${hosts}\r\n\r\n`)
        t.is(status, 400)
        t.is((await raw.rest()).end, 'end')
      }
      const body = `POST / HTTP/${version}\r\n${hosts}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody`
      t.is((await answerTo(t, port, body)).status, 400)
    }
  })

  test(`${what} is a 400 for a WebSocket`, async (t) => {
    const { port } = await listen(t, createServer(websocket))
    const { status } = await answerTo(t, port, handshake('/echo').replace('Host: test', hosts))
    t.is(status, 400)
  })
}

test('one is one, and the host’s own server decides for itself', async (t) => {
  const own = await listen(t, createServer(scope))
  const one = 'GET / HTTP/1.1\r\nX-Host: a\r\nHost: b\r\nHosts: c\r\n\r\n'
  t.is((await answerTo(t, own.port, one)).status, 200)
  // In HTTP/1.0 there may be none.
  t.is((await answerTo(t, own.port, 'GET / HTTP/1.0\r\n\r\n')).status, 200)
  const { port } = await serve(t, scope.listener)
  t.is((await answerTo(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')).status, 200)
})

test('over HTTP/2 a host that is not the authority is a 400', async (t) => {
  const { url } = await listen(t, createServer(scope, { http2: true }))
  const session = await openSession(t, url)
  const ask = async (authority: string, host?: string) =>
    (await request(session, { ':path': '/', ':authority': authority, ...(host !== undefined && { host }) })).status
  t.is(await ask('a.example'), 200)
  t.is(await ask('a.example', 'a.example'), 200)
  t.is(await ask('A.example:80', 'a.Example'), 200)
  t.is(await ask('a.example', 'b.example'), 400)
  t.is(await ask('a.example', 'a.example:81'), 400)
})

test('over HTTP/2 a WebSocket too', async (t) => {
  const { url } = await listen(t, createServer(websocket, { http2: true }))
  const session = await openSession(t, url)
  const headers = { ':authority': 'a.example', host: 'b.example' }
  t.is((await Http2WebSocket.refused(session, '/echo', headers)).status, 400)
  const stream = session.request(extendedConnect('/echo', { ...headers, host: 'a.example' }), { endStream: false })
  t.teardown(() => stream.close(8))
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status'?: number }]
  t.is(answer[':status'], 200)
})

test('the command line says so in its log', async (t) => {
  const { process: server, port } = await serveByCommand(t, 'scope:app', '--lifespan', 'off')
  t.is((await answerTo(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')).status, 400)
  await server.prints('malformed request 400 127.0.0.1 (more than one Host)')
})
