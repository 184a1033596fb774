import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect } from 'node:http2'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import express, { type ErrorRequestHandler } from 'express'
import { type AmphisError, createServer } from '../index.js'
import { request } from './helpers/client.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder, textOf } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'

const probe = shareProbe()

// limitConcurrency

async function limited(t: ExecutionContext, limitConcurrency: number) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'limits:app', limitConcurrency, logger })
  return { handler, logger, ...(await serve(t, handler.listener)) }
}

/** A request that the app holds until the test lets it go. */
async function held(url: string) {
  const name = unique()
  const answer = request(`${url}/hold/${name}`)
  await probe.wait(`${name}:started`)
  return {
    release: async () => {
      await probe.tell(`${name}:go`)
      return answer
    },
  }
}

test('requests beyond limitConcurrency are told to come again', async (t) => {
  const { url, logger } = await limited(t, 2)
  const holders = [await held(url), await held(url)]
  const refused = await request(`${url}/read/${unique()}`)
  t.is(refused.status, 503)
  t.is(refused.headers['retry-after'], '1')
  t.is(refused.headers.connection, 'close')
  t.is(refused.text, 'Service Unavailable')
  const [warning, ...more] = logger.at('warn')
  t.regex(warning ? textOf(warning) : '', /limitConcurrency allows \(2\).*raise limitConcurrency/)
  t.is(more.length, 0)
  for (const holder of holders) t.is((await holder.release()).status, 200)
  t.deepEqual(logger.at('error'), [])
})

test('a place is free again once its app has returned, however it ended', async (t) => {
  const { url, port } = await limited(t, 1)
  t.is((await (await held(url)).release()).status, 200)
  t.is((await request(`${url}/fail/x`)).status, 500)

  const name = unique()
  const leaving = await RawConnection.open(t, port)
  leaving.write(`POST /read/${name} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab`)
  await probe.wait(`${name}:reading`)
  t.is((await request(`${url}/fail/x`)).status, 503)
  leaving.leave()
  await probe.wait(`${name}:end`)

  const holder = await held(url)
  t.is((await request(`${url}/fail/x`)).status, 503)
  t.is((await request(`${url}/fail/x`)).status, 503)
  t.is((await holder.release()).status, 200)
  t.is((await request(`${url}/fail/x`)).status, 500)
})

test('an app that works on after its answer keeps its place', async (t) => {
  const { url } = await limited(t, 1)
  const name = unique()
  t.is((await request(`${url}/linger/${name}`)).status, 200)
  t.is((await request(`${url}/fail/x`)).status, 503)
  await probe.tell(`${name}:go`)
  // The app returns in its own time.
  let status = 503
  while (status === 503) ({ status } = await request(`${url}/fail/x`))
  t.is(status, 500)
})

test('a refused upload does not hold up its connection', async (t) => {
  const { url, port } = await limited(t, 1)
  const holder = await held(url)
  const connection = await RawConnection.open(t, port)
  connection.write(`POST /read/x HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n${'x'.repeat(300_000)}`)
  t.is((await connection.response()).status, 503)
  await holder.release()
})

test('WebSockets take places until they are closed, and are refused where there are none', async (t) => {
  const { handler, url, server, logger } = await limited(t, 2)
  handler.attach(server)
  const ws = url.replace('http', 'ws')
  const holder = await held(url)
  const client = await WebSocketClient.open(t, ws)

  const refused = await WebSocketClient.refused(t, ws)
  t.is(refused.status, 503)
  t.is(refused.headers['retry-after'], '1')
  t.is(refused.text, 'Service Unavailable')
  t.is((await request(`${url}/fail/x`)).status, 503)
  t.is(logger.at('warn').length, 2)

  client.close()
  await client.closed()
  // The app returns in its own time.
  let status = 503
  while (status === 503) ({ status } = await request(`${url}/fail/x`))
  t.is(status, 500)
  await WebSocketClient.open(t, ws)
  t.is((await WebSocketClient.refused(t, ws)).status, 503)
  await holder.release()
})

test('calls of handle() are not counted', async (t) => {
  const { handler, url } = await limited(t, 1)
  const holder = await held(url)
  const response = await handler.handle({ method: 'POST', url: `/read/${unique()}`, body: 'abc' })
  t.is(await response.json(), 3)
  await holder.release()
})

test('handlers count for themselves', async (t) => {
  const one = await limited(t, 1)
  const other = await limited(t, 1)
  const holders = [await held(one.url), await held(other.url)]
  for (const holder of holders) t.is((await holder.release()).status, 200)
})

test('middleware hands the refusal to next, with status and headers', async (t) => {
  const handler = createHandler(t, { app: 'limits:app', limitConcurrency: 1 })
  const seen: unknown[] = []
  const note: ErrorRequestHandler = (error: AmphisError, _request, _response, next) => {
    seen.push(error.code)
    next(error)
  }
  const { url } = await serve(t, express().set('env', 'test').use(handler.middleware, note))
  const holder = await held(url)
  const refused = await request(`${url}/read/x`)
  t.is(refused.status, 503)
  t.is(refused.headers['retry-after'], '1')
  t.deepEqual(seen, ['AMPHIS_ERR_OVERLOADED'])
  await holder.release()
})

// maxBodySize

const LIMIT = 100

async function sized(t: ExecutionContext, maxBodySize = LIMIT) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'limits:app', maxBodySize, logger })
  return { handler, logger, ...(await serve(t, handler.listener)) }
}

const post = (path: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n${'x'.repeat(length)}`
const postChunked = (path: string, ...sizes: number[]) =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${sizes.map(chunk).join('')}`
const chunk = (size: number) => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
const end = '0\r\n\r\n'
const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`

test('a body of maxBodySize is let through', async (t) => {
  const { port } = await sized(t)
  const connection = await RawConnection.open(t, port)
  connection.write(post('/read/a', LIMIT))
  t.is((await connection.response()).body, String(LIMIT))
  connection.write(postChunked('/read/b', 50, 50) + end)
  t.is((await connection.response()).body, String(LIMIT))
})

test('a larger content-length is refused before the app starts', async (t) => {
  const { url, logger } = await sized(t)
  const name = unique()
  const refused = await request(`${url}/read/${name}`, { method: 'POST', body: 'x'.repeat(LIMIT + 1) })
  t.is(refused.status, 413)
  t.is(refused.text, 'Content Too Large')
  t.deepEqual(await probe.marks(name), [])
  const [warning] = logger.at('warn')
  t.regex(warning ? textOf(warning) : '', /POST \/read\/.*larger than maxBodySize \(100 bytes\).*raise maxBodySize/)
  t.deepEqual(logger.at('error'), [])
})

test('a larger content-length is refused before the body is sent', async (t) => {
  const { port } = await sized(t)
  const connection = await RawConnection.open(t, port)
  connection.write(`POST /read/x HTTP/1.1\r\nhost: a\r\ncontent-length: ${10 ** 12}\r\n\r\n`)
  t.is((await connection.response()).status, 413)
})

test('chunks that come at once and are too large are refused before the app starts', async (t) => {
  const { port } = await sized(t)
  const name = unique()
  const connection = await RawConnection.open(t, port)
  connection.write(postChunked(`/read/${name}`, LIMIT + 1) + end)
  t.is((await connection.response()).status, 413)
  t.deepEqual(await probe.marks(name), [])
})

test('chunks are refused the moment they are too large, and the app sees its client gone', async (t) => {
  const { port, logger } = await sized(t)
  const name = unique()
  const connection = await RawConnection.open(t, port)
  connection.write(postChunked(`/read/${name}`, LIMIT))
  t.is(await probe.wait(`${name}:reading`), LIMIT)
  connection.write(chunk(1))
  t.is((await connection.response()).status, 413)
  t.is(await probe.wait(`${name}:end`), LIMIT)
  t.deepEqual(await probe.marks(name), ['started', 'disconnected'])
  t.deepEqual(logger.at('error'), [])

  // The rest of the body is dropped, and the connection serves on.
  connection.write(chunk(1000) + end + get('/read/after'))
  t.is((await connection.response()).body, '0')
})

test('a body that turns out too large while the response is under way costs the connection', async (t) => {
  const { port, logger } = await sized(t)
  const name = unique()
  const connection = await RawConnection.open(t, port)
  connection.write(postChunked(`/echoing/${name}`, LIMIT))
  await connection.until('x'.repeat(LIMIT))
  connection.write(chunk(1))
  t.notRegex((await connection.rest()).text, /0\r\n\r\n$/)
  t.is(await probe.wait(`${name}:end`), 'http.disconnect')
  await logger.waitFor('warn', /maxBodySize/)
  t.deepEqual(logger.at('error'), [])
})

test('pipelined requests around a refused one are answered in their order', async (t) => {
  const { port } = await sized(t)
  const connection = await RawConnection.open(t, port)
  connection.write(
    post('/read/a', 1) +
      post('/read/b', LIMIT + 1) +
      post('/read/c', 2) +
      postChunked('/read/d', 60, 60) +
      end +
      post('/read/e', 3) +
      get('/read/f'),
  )
  const answers = []
  for (let index = 0; index < 6; index++) {
    const { status, body } = await connection.response()
    answers.push(status === 200 ? body : status)
  }
  t.deepEqual(answers, ['1', 413, '2', 413, '3', '0'])
})

test('a connection is kept after a refused body of any length', async (t) => {
  const { url, server } = await sized(t)
  let connections = 0
  server.on('connection', () => connections++)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (const [size, status] of [
    [LIMIT, 200],
    [LIMIT + 1, 413],
    [1_000_000, 413],
    [0, 200],
  ] as const) {
    const answer = await request(`${url}/read/x`, { method: 'POST', body: Buffer.alloc(size), agent })
    t.is(answer.status, status)
  }
  t.is(connections, 1)
})

test('a maxBodySize of 0 lets only requests without a body through', async (t) => {
  const { url } = await sized(t, 0)
  t.is((await request(`${url}/read/x`)).text, '0')
  t.is((await request(`${url}/read/x`, { method: 'POST', body: 'x' })).status, 413)
})

test('middleware hands the refusal to next, and Express answers it', async (t) => {
  const handler = createHandler(t, { app: 'limits:app', maxBodySize: LIMIT })
  const seen: unknown[] = []
  const note: ErrorRequestHandler = (error: AmphisError & { status?: number }, _request, _response, next) => {
    seen.push([error.code, error.status])
    next(error)
  }
  const { port } = await serve(t, express().set('env', 'test').use(handler.middleware, note))
  const connection = await RawConnection.open(t, port)
  connection.write(post('/read/a', LIMIT + 1) + postChunked('/read/b', LIMIT + 1) + end + post('/read/c', LIMIT))
  t.is((await connection.response()).status, 413)
  t.is((await connection.response()).status, 413)
  t.is((await connection.response()).body, String(LIMIT))
  t.deepEqual(seen, [
    ['AMPHIS_ERR_BODY_TOO_LARGE', 413],
    ['AMPHIS_ERR_BODY_TOO_LARGE', 413],
  ])
})

test('what a body parser has left counts as it is, unpacked', async (t) => {
  const handler = createHandler(t, { app: 'limits:app', maxBodySize: LIMIT })
  const { url } = await serve(
    t,
    express()
      .set('env', 'test')
      .use(express.raw({ type: '*/*' }), handler.middleware),
  )
  const send = (body: Buffer) =>
    request(`${url}/read/x`, {
      method: 'POST',
      headers: { 'content-type': 'text/x', 'content-encoding': 'gzip', 'content-length': String(body.length) },
      body,
    })
  t.is((await send(gzipSync('x'.repeat(LIMIT)))).text, String(LIMIT))
  t.is((await send(gzipSync('x'.repeat(LIMIT + 1)))).status, 413)
})

test('bodies over HTTP/2 are limited with and without a content-length', async (t) => {
  const handler = createHandler(t, { app: 'limits:app', maxBodySize: LIMIT, logger: new Recorder() })
  const { url } = await listen(t, createServer(handler, { http2: true }))
  const session = connect(url)
  t.teardown(() => session.destroy())
  const send = async (size: number, headers: Record<string, string>) => {
    const stream = session.request({ ':method': 'POST', ':path': '/read/x', ...headers })
    stream.on('error', () => {})
    stream.end('x'.repeat(size))
    const [head] = (await once(stream, 'response')) as [Record<string, unknown>]
    stream.resume()
    return head[':status']
  }
  t.is(await send(LIMIT, {}), 200)
  t.is(await send(LIMIT + 1, {}), 413)
  t.is(await send(LIMIT, { 'content-length': String(LIMIT) }), 200)
  t.is(await send(LIMIT + 1, { 'content-length': String(LIMIT + 1) }), 413)
  t.is(await send(1_000_000, {}), 413)
  t.is(await send(LIMIT, {}), 200)
})

// Options

const wrong: [option: string, values: unknown[], expected: string][] = [
  ['limitConcurrency', [0, -1, 1.5, '1', 2 ** 31, NaN], 'a whole number from 1 to 2147483647'],
  ['maxBodySize', [-1, 0.5, '1', Infinity], 'a whole number of bytes from 0 to 9007199254740991'],
  ['wsMaxSize', [0, -1, '1', 2 ** 31], 'a whole number of bytes from 1 to 2147483647'],
  ['wsMaxQueue', [0, -1, '1'], 'a whole number of messages from 1 to 2147483647'],
  ['wsPingInterval', [-1, '1', 2 ** 31], 'a whole number of milliseconds from 0 to 2147483647'],
  ['wsPingTimeout', [-1, '1', 2 ** 31], 'a whole number of milliseconds from 0 to 2147483647'],
  ['wsPerMessageDeflate', ['true', 1], 'true or false'],
  ['gcFreeze', ['true', 1], 'true or false'],
  ['proxyHeaders', ['true', 1], 'true or false'],
]

for (const [option, values, expected] of wrong) {
  test(`refuses a wrong ${option}`, (t) => {
    for (const value of values) {
      t.throws(() => createHandler(t, { app: 'limits:app', [option]: value as never }), {
        code: 'AMPHIS_ERR_INVALID_OPTIONS',
        message: `Option ${option} must be ${expected}, but it is ${typeof value === 'string' ? `'${value}'` : String(value)}.`,
      })
    }
  })
}
