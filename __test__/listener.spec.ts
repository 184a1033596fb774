import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import { connect as connectHttp2, constants, createServer as createHttp2Server } from 'node:http2'
import { request as secureRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { PythonError } from '../index.js'
import { pairsOf, readAnswer, request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve, serveSecurely } from './helpers/server.js'

const main = shareHandler('main:app')
const echo = shareHandler('echo:app')
const status = shareHandler('status:app')
const stream = shareHandler('stream:app')
const scope = shareHandler('scope:app')
const probe = shareProbe()

test('serves an app over node:http', async (t) => {
  const { url } = await serve(t, main.listener)
  const answer = await request(url)
  t.is(answer.status, 200)
  t.is(answer.reason, 'OK')
  t.is(answer.headers['content-type'], 'text/plain')
  t.is(answer.headers['content-length'], '13')
  t.is(answer.text, 'Hello, world!')
})

test('needs no this', async (t) => {
  const { listener } = main
  const { url } = await serve(t, (req, res) => listener(req, res))
  t.is((await request(url)).text, 'Hello, world!')
})

test('starts Python at the first request', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:state', lifespan: 'on' })
  const { url } = await serve(t, handler.listener)
  t.like((await request(url)).json(), { name: 'from startup' })
})

for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY']) {
  test(`carries ${method} with a body`, async (t) => {
    const { url } = await serve(t, echo.listener)
    const headers = { 'content-type': 'text/x-test', 'content-length': '4' }
    const answer = await request(url, { method, headers, body: 'body' })
    t.is(answer.headers['x-method'], method)
    t.is(answer.headers['content-type'], 'text/x-test')
    t.is(answer.text, 'body')
  })
}

for (const code of [200, 201, 299, 302, 400, 404, 500, 511, 599]) {
  test(`carries the status ${code}`, async (t) => {
    const { url } = await serve(t, status.listener)
    const answer = await request(`${url}/${code}`)
    t.is(answer.status, code)
    t.is(answer.text, `status ${code}`)
  })
}

test('keeps a connection for many requests', async (t) => {
  const { url, server } = await serve(t, main.listener)
  let connections = 0
  server.on('connection', () => connections++)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let index = 0; index < 50; index++) t.is((await request(url, { agent })).text, 'Hello, world!')
  t.is(connections, 1)
})

test('answers pipelined requests in their order', async (t) => {
  const barrier = createHandler(t, 'barrier:app')
  const { port } = await serve(t, barrier.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`
  // The first is slow: the others have long been answered when it is.
  connection.write(get(`/slow/${name}`) + get('/fast/b') + get('/fast/c'))
  await probe.wait(`${name}:started`)
  await probe.tell(`${name}:go`)
  t.deepEqual(
    [await connection.response(), await connection.response(), await connection.response()].map(({ body }) => body),
    [`"${name}"`, '"b"', '"c"'],
  )
})

test('delivers chunks as they are sent', async (t) => {
  const { port } = await serve(t, stream.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`GET /gated/${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
  t.regex(await connection.until('\r\n\r\n'), /transfer-encoding: chunked/i)
  for (let index = 0; index < 3; index++) {
    await probe.tell(`${name}:${index}`)
    t.is(await connection.until('\n\r\n'), `8\r\nchunk ${index}\n\r\n`)
  }
  t.is(await connection.until('\r\n\r\n'), '0\r\n\r\n')
})

test('answers HTTP/1.0 without chunks and ends the connection', async (t) => {
  const { port } = await serve(t, stream.listener)
  const connection = await RawConnection.open(t, port)
  connection.write('GET /count/3 HTTP/1.0\r\n\r\n')
  const { text, end } = await connection.rest()
  const [head, body] = text.split('\r\n\r\n')
  t.notRegex(String(head), /transfer-encoding/i)
  t.is(body, 'chunk 0\nchunk 1\nchunk 2\n')
  t.is(end, 'end')
})

test('ends the connection when the client asks for it', async (t) => {
  const { port } = await serve(t, main.listener)
  const connection = await RawConnection.open(t, port)
  connection.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  const { text } = await connection.rest()
  t.regex(text, /connection: close/i)
  t.true(text.endsWith('\r\n\r\nHello, world!'))
})

test('answers 500 in plain text when the app fails, and logs the Python error', async (t) => {
  const logger = new Recorder()
  const { url } = await serve(t, createHandler(t, { app: 'error:app', logger }).listener)
  const answer = await request(`${url}/before`)
  t.is(answer.status, 500)
  t.regex(String(answer.headers['content-type']), /^text\/plain/)
  t.is(answer.text, 'Internal Server Error')
  const error = await logger.waitForError()
  t.true(error instanceof PythonError)
  t.like(error, { type: 'ValueError', message: 'before the response' })
})

test('keeps the connection after a 500', async (t) => {
  const { port } = await serve(t, createHandler(t, { app: 'error:app', logger: new Recorder() }).listener)
  const connection = await RawConnection.open(t, port)
  for (let index = 0; index < 2; index++) {
    connection.write('GET /before HTTP/1.1\r\nHost: test\r\n\r\n')
    t.is((await connection.response()).status, 500)
  }
})

test('destroys the connection when the app fails in the middle of its response', async (t) => {
  const logger = new Recorder()
  const { port } = await serve(t, createHandler(t, { app: 'error:app', logger }).listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`GET /during?${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
  await connection.until('partial\r\n')
  await probe.tell(name)
  // Whatever may still come, it is not the chunk that would end the body cleanly.
  t.notRegex((await connection.rest()).text, /0\r\n\r\n/)
  t.is((await logger.waitForError()).message, 'in the middle of the response')
})

test('a failure after the whole response is only logged', async (t) => {
  const logger = new Recorder()
  const { port } = await serve(t, createHandler(t, { app: 'error:app', logger }).listener)
  const connection = await RawConnection.open(t, port)
  for (let index = 0; index < 2; index++) {
    connection.write('GET /after HTTP/1.1\r\nHost: test\r\n\r\n')
    t.like(await connection.response(), { status: 200, body: 'complete' })
  }
  t.is((await logger.waitForError()).message, 'after the response')
})

test('answers 503 once closed', async (t) => {
  const handler = createHandler(t, 'main:app')
  const { url } = await serve(t, handler.listener)
  t.is((await request(url)).status, 200)
  await handler.close()
  t.is((await request(url)).status, 503)
})

test('answers 500 and logs the reason when the app cannot be imported', async (t) => {
  const logger = new Recorder()
  const { url } = await serve(t, createHandler(t, { app: 'nowhere_to_be_found:app', logger }).listener)
  t.is((await request(url)).status, 500)
  t.like(await logger.waitForError(), { code: 'AMPHIS_ERR_APP_NOT_FOUND' })
})

test('tells nothing of the error to the client', async (t) => {
  const { url } = await serve(t, createHandler(t, { app: 'error:app', logger: new Recorder() }).listener)
  const answer = await request(`${url}/before`)
  t.notRegex(answer.text + answer.rawHeaders.join(' '), /before the response|ValueError|Traceback/)
})

test('serves over TLS', async (t) => {
  const { port, certificate } = await serveSecurely(t, scope.listener)
  const outgoing = secureRequest({ port, host: '127.0.0.1', ca: certificate, agent: false }).end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.like((await readAnswer(response)).json(), { scheme: 'https', http_version: '1.1' })
})

test('serves over the HTTP/2 compatibility of Node', async (t) => {
  const server = createHttp2Server((req, res) => {
    const listener = req.url.startsWith('/scope')
      ? scope.listener
      : req.url.startsWith('/hop')
        ? hop.listener
        : echo.listener
    void listener(req as never, res as never)
  })
  const hop = createHandler(t, 'responses:app')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })

  const seen = (await ask('/scope?q')).json() as {
    http_version: string
    headers: { tuple: [{ bytes: string }, unknown] }[]
  }
  t.is(seen.http_version, '2')
  // Pseudo headers are no headers, but every ASGI app may count on a host.
  t.deepEqual(
    seen.headers.map(({ tuple: [name] }) => name.bytes).filter((name) => name.startsWith(':')),
    [],
  )
  t.true(seen.headers.some(({ tuple: [name] }) => name.bytes === 'host'))

  t.is((await ask('/echo', 'POST', 'over h2')).text, 'over h2')

  async function ask(path: string, method = 'GET', body?: string) {
    const outgoing = session.request({ [constants.HTTP2_HEADER_PATH]: path, [constants.HTTP2_HEADER_METHOD]: method })
    outgoing.end(body)
    let text = ''
    for await (const chunk of outgoing.setEncoding('utf8')) text += String(chunk)
    return { text, json: () => JSON.parse(text) as unknown }
  }
})

test('a request to upgrade is an ordinary one to an app of HTTP', async (t) => {
  const { port } = await serve(t, scope.listener)
  const connection = await RawConnection.open(t, port)
  connection.write(
    'GET /socket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )
  const { status: code, body } = await connection.response()
  t.is(code, 200)
  t.like(JSON.parse(body), { type: 'http', path: '/socket' })
})

test('leaves a response alone that somebody has already ended', async (t) => {
  const server = createServer((req, res) => {
    res.end('by somebody else')
    void main.listener(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  t.is((await request(`http://127.0.0.1:${port}`)).text, 'by somebody else')
  t.is(await (await main.handle({ url: '/' })).text(), 'Hello, world!')
})

test('merges headers set on the response before, the app winning', async (t) => {
  const { url } = await serve(t, (req, res) => {
    res.setHeader('X-Host', 'kept')
    res.setHeader('Content-Type', 'application/overruled')
    void main.listener(req, res)
  })
  const answer = await request(url)
  t.deepEqual(
    pairsOf(answer.rawHeaders)
      .filter(([name]) => /^(x-host|content-type)$/i.test(name))
      .map(([, value]) => value)
      .toSorted(),
    ['kept', 'text/plain'],
  )
})
