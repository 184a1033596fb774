import { createServer } from 'node:http'
import test from 'ava'
import express from 'express'
import { PythonHandler } from '../index.js'
import { request } from './helpers/client.js'
import { express4 } from './helpers/hosts.js'
import { openSession, request as http2Request } from './helpers/http2-client.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

// `fallthrough`: what the app answers with 404 goes to the host's next handler.

const logger = new Recorder()
const python = shareHandler({ app: 'falls:app', fallthrough: true, logger })
const strict = shareHandler('falls:app')
const probe = shareProbe()

/** Python first, then whatever is left. */
const behind = (middleware: PythonHandler['middleware'], of = express) =>
  of()
    .use('/api', middleware)
    .use((req, res) => {
      res.status(200).send(`Express: ${req.method} ${req.originalUrl} ${req.baseUrl}`)
    })

for (const [name, of] of [
  ['Express 5', express],
  ['Express 4', express4],
] as const) {
  test(`${name} has what the app does not, with nothing of the app's answer`, async (t) => {
    const { url } = await serve(t, behind(python.middleware, of))
    for (const path of ['/api/x', '/api/raise', `/api/hints`]) {
      const answer = await request(url + path)
      t.is(answer.text, `Express: GET ${path} `)
      t.is(answer.headers['set-cookie'], undefined)
      t.is(answer.headers['x-python'], undefined)
      t.is(answer.headers['cache-control'], undefined)
      t.regex(answer.headers['content-type']!, /text\/html/)
    }
    t.is((await request(`${url}/api/there`)).text, 'python')
  })
}

test('HEAD falls through as GET does', async (t) => {
  const { url } = await serve(t, behind(python.middleware))
  const answer = await request(`${url}/api/x`, { method: 'HEAD' })
  t.deepEqual([answer.status, answer.headers['x-python']], [200, undefined])
})

test('what changes something never falls through, nor does what has a body', async (t) => {
  const { url } = await serve(t, behind(python.middleware))
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const answer = await request(`${url}/api/x`, { method })
    t.deepEqual([answer.status, answer.text], [404, 'python'], method)
  }
  for (const [name, value] of [
    ['content-length', '1'],
    ['transfer-encoding', 'chunked'],
  ] as const) {
    const headers = { [name]: value }
    const answer = await request(`${url}/api/x`, { method: 'GET', body: 'x', headers })
    t.deepEqual([answer.status, answer.text], [404, 'python'])
  }
})

test('no other status falls through', async (t) => {
  const { url } = await serve(t, behind(python.middleware))
  t.is((await request(`${url}/api/gone`)).status, 410)
})

test('without the option a 404 is final', async (t) => {
  const { url } = await serve(t, behind(strict.middleware))
  const answer = await request(`${url}/api/x`)
  t.deepEqual([answer.status, answer.text, answer.headers['x-python']], [404, 'python', 'yes'])
  t.throws(() => new PythonHandler({ app: 'falls:app', fallthrough: 1 as never }), {
    message: /fallthrough must be true/,
  })
})

test('an app that goes on with its 404 hears that nobody listens', async (t) => {
  const { url } = await serve(t, behind(python.middleware))
  const name = unique()
  t.regex((await request(`${url}/api/stream?${name}`)).text, /^Express: /)
  t.is(await probe.wait(name), 'left')
})

test('early hints of an app that may fall through are not sent', async (t) => {
  const { port } = await serve(t, behind(python.middleware))
  const connection = await RawConnection.open(t, port)
  connection.write('GET /api/hints HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  t.regex((await connection.rest()).text, /^HTTP\/1\.1 200 OK/)
})

test('an error behind a 404 is told', async (t) => {
  const own = new Recorder()
  const handler = createHandler(t, { app: 'falls:app', fallthrough: true, logger: own })
  const { url } = await serve(t, behind(handler.middleware))
  await request(`${url}/api/raise`)
  t.is((await own.waitForError()).message, 'behind a 404')
})

test('several apps may follow each other, and a connection goes on', async (t) => {
  const app = express().use(python.middleware).use(createHandler(t, 'scope:app').middleware)
  const { port } = await serve(t, app)
  const connection = await RawConnection.open(t, port)
  for (const path of ['/one', '/there', '/two']) {
    connection.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`)
    await connection.until(path === '/there' ? 'python' : `"path": "${path}"`)
  }
  t.pass()
})

test('listener has no next handler: its 404 is final', async (t) => {
  const { url } = await listen(t, createServer(python.listener))
  t.is((await request(`${url}/x`)).text, 'python')
})

test('a WebSocket is no matter of it, nor is HTTP/2 different', async (t) => {
  const { createServer: createHttp2Server } = await import('node:http2')
  const server = createHttp2Server((req, res) => {
    python.middleware(req as never, res as never, () => res.end('Node'))
  })
  const { url } = await listen(t, server)
  const session = await openSession(t, url)
  t.is((await http2Request(session, { ':path': '/x' })).text, 'Node')
  t.is((await http2Request(session, { ':path': '/there' })).text, 'python')
  t.is((await http2Request(session, { ':path': '/x', ':method': 'POST' }, 'x')).status, 404)
})
