import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import { createRequire } from 'node:module'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import type { PythonHandler } from '../index.js'
import { hono } from '../lib/hono.js'
import { request, requestHead } from './helpers/client.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, DO_NOT_START, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/hono`, on Hono and its server for Node.js.

interface Context {
  req: { raw: Request }
  env: unknown
  res: Response
  set(name: string, value: unknown): void
  get(name: string): unknown
  body(data: null): Response
  header(name: string, value: string, options?: { append: boolean }): void
  text(text: string, status?: number): Response
}
type Handler = (context: Context, next: () => Promise<void>) => unknown
interface App {
  all(path: string, handler: Handler): App
  use(path: string, handler: Handler): App
  get(path: string, handler: Handler): App
  onError(handler: (error: Error, context: Context) => Response): App
  route(path: string, app: App): App
  fetch(request: Request): Response | Promise<Response>
}

/** It is in a project of its own. */
const host = createRequire(fileURLToPath(new URL('hosts/hono/package.json', import.meta.url)))
const load = async <T>(name: string) => (await import(pathToFileURL(host.resolve(name)).href)) as T
const { Hono } = await load<{ Hono: new () => App }>('hono')
const { cors } = await load<{ cors(options: object): Handler }>('hono/cors')
const { secureHeaders } = await load<{ secureHeaders(): Handler }>('hono/secure-headers')
const { createAdaptorServer } = await load<{ createAdaptorServer(options: object): Server }>('@hono/node-server')

const quiet = (app: string) => shareHandler({ app, logger: new Recorder() })
const fastapi = shareHandler('fastapi_app:app')
const scope = shareHandler('scope:app')
const echo = shareHandler('echo:app')
const digest = shareHandler('echo:digest')
const responses = quiet('responses:app')
const events = quiet('stream:server_sent')
const cookies = shareHandler('cookies:app')
const disconnect = quiet('disconnect:app')
const error = quiet('error:app')
const webSocket = shareHandler('websocket_app:app')
const falls = shareHandler({ app: 'falls:app', fallthrough: true })
const strict = shareHandler('falls:app')
const probe = shareProbe()

/** Serves an app of Hono's in which Python has `/api`. */
async function serve(t: ExecutionContext, python: PythonHandler, app = new Hono()) {
  app.all('/api/*', hono(python, { prefix: '/api' }))
  return listen(t, createAdaptorServer({ fetch: (...args: [Request]) => app.fetch(...args) }))
}

test('the app is mounted, and the rest stays with Hono', async (t) => {
  const { url, port } = await serve(
    t,
    scope,
    new Hono().get('/', (c) => c.text('from Hono')),
  )
  t.is((await request(url)).text, 'from Hono')
  t.is((await request(`${url}/elsewhere`)).status, 404)
  const found = (await request(`${url}/api/a%20b?x=1`)).json() as Record<string, unknown>
  t.is(found['root_path'], '/api')
  t.is(found['path'], '/api/a b')
  t.is(found['scheme'], 'http')
  t.deepEqual(found['server'], { tuple: ['127.0.0.1', port] })
  t.is((found['client'] as { tuple: [string, number] }).tuple[0], '127.0.0.1')
})

test('below route() the prefix is the whole of it', async (t) => {
  const below = new Hono().all('/py/*', hono(scope, { prefix: '/v1/py' }))
  const { url } = await serve(t, scope, new Hono().route('/v1', below))
  const found = (await request(`${url}/v1/py/x`)).json() as Record<string, unknown>
  t.is(found['root_path'], '/v1/py')
  t.is(found['path'], '/v1/py/x')
})

test('forwarded headers set neither client nor scheme', async (t) => {
  const { url } = await serve(t, scope)
  const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }
  const found = (await request(`${url}/api/`, { headers })).json() as Record<string, unknown>
  t.is((found['client'] as { tuple: [string, number] }).tuple[0], '127.0.0.1')
  t.is(found['scheme'], 'http')
})

test('the app is given the headers of the client, but for those of its connection, with what the host has changed', async (t) => {
  // The last but one says that the last ends with the connection (RFC 9110 7.6.1).
  const sent = ['host', 'example.org', 'x-twice', 'a', 'x-twice', 'b', 'connection', 'x-once', 'x-once', '1']
  const seen = async (url: string): Promise<string[]> => {
    const { headers } = (await request(`${url}/api/`, { method: 'POST', headers: sent, body: 'abc' })).json() as {
      headers: { tuple: { bytes: string }[] }[]
    }
    return headers.map(({ tuple }) => tuple.map(({ bytes }) => bytes).join(': ')).toSorted()
  }
  // As they came.
  const { url } = await serve(t, scope)
  t.deepEqual(await seen(url), ['content-length: 3', 'host: example.org', 'x-twice: a', 'x-twice: b'])
  // As the Headers joins them that somebody has asked for.
  const changing = new Hono().use('*', (c, next) => {
    c.req.raw.headers.set('x-user', 'ada')
    return next()
  })
  const changed = await serve(t, scope, changing)
  t.deepEqual(await seen(changed.url), ['content-length: 3', 'host: example.org', 'x-twice: a, b', 'x-user: ada'])
})

test('FastAPI finds its own pages below the mount', async (t) => {
  const { url } = await serve(t, fastapi)
  t.regex((await request(`${url}/api/docs`)).text, /'\/api\/openapi\.json'/)
  t.is((await request(`${url}/api/nothing-here`)).status, 404)
})

test('bodies of all sizes go both ways', async (t) => {
  const { url } = await serve(t, echo)
  for (const size of [0, 1, 70_000, 20 * 2 ** 20]) {
    const body = Buffer.alloc(size, 'abc')
    const answer = await request(`${url}/api/`, { method: 'POST', body })
    t.true(answer.body.equals(body), String(size))
  }
  const hashed = await serve(t, digest)
  t.is((await request(`${hashed.url}/api/`, { method: 'POST', body: 'x' })).status, 200)
})

test('bodies are those of Node’s own request, unless somebody has looked at them before', async (t) => {
  const made: boolean[] = []
  const app = new Hono()
    .use('/api/looked', async (c, next) => {
      t.truthy(c.req.raw.body)
      await next()
    })
    .use('*', async (c, next) => {
      await next()
      const values = Object.getOwnPropertySymbols(c.req.raw).map(
        (key) => (c.req.raw as unknown as Record<symbol, unknown>)[key],
      )
      made.push(values.some((value) => value instanceof Request))
    })
  const { url } = await serve(t, digest, app)
  const body = Buffer.alloc(20 * 2 ** 20, 'abc')
  const expected = createHash('sha256').update(body).digest('hex')
  for (const path of ['x', 'looked']) {
    for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }] as const) {
      const answer = await request(`${url}/api/${path}`, { method: 'POST', body, headers: headers as never })
      t.true(answer.text.includes(expected), answer.text.slice(0, 200))
    }
  }
  t.deepEqual(made, [false, false, true, true])
})

test('bodies over HTTP/2, which need not say that they come, reach the app', async (t) => {
  const app = new Hono().all('/api/*', hono(echo, { prefix: '/api' }))
  const fetched = (...args: [Request]) => app.fetch(...args)
  const { url } = await listen(t, createAdaptorServer({ fetch: fetched, createServer: createHttp2Server }))
  const session = connect(url)
  t.teardown(() => session.destroy())
  for (const size of [3, 300_000]) {
    const stream = session.request({ ':method': 'POST', ':path': '/api/' })
    stream.end('x'.repeat(size))
    t.is((await buffer(stream)).length, size)
  }
})

test('a body that is too large is a 413, however it comes', async (t) => {
  const bounded = createHandler(t, { app: 'echo:app', maxBodySize: 1000, logger: new Recorder() })
  const { url } = await serve(t, bounded)
  for (const size of [1001, 300_000]) {
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
      const answer = await request(`${url}/api/`, { method: 'POST', body: Buffer.alloc(size), headers })
      t.is(answer.status, 413, `${size} ${JSON.stringify(headers)}`)
    }
  }
  t.is((await request(`${url}/api/`, { method: 'POST', body: Buffer.alloc(1000) })).status, 200)
})

test('HEAD has the headers of the app and no body', async (t) => {
  const { url } = await serveAtRoot(t, responses)
  const answer = await request(`${url}/with_length`, { method: 'HEAD' })
  t.is(answer.status, 200)
  t.is(answer.headers['content-length'], '5')
  t.is(answer.text, '')
})

test('headers of middleware are kept, before and after, and cookies of both', async (t) => {
  const app = new Hono()
    .use('*', cors({ origin: 'https://a.test', credentials: true }))
    .use('*', secureHeaders())
    .use('*', (c, next) => {
      c.header('vary', 'origin', { append: true })
      c.header('set-cookie', 'host=1', { append: true })
      return next()
    })
  const { url } = await serveAtRoot(t, cookies, app)
  const { status, headers } = await request(`${url}/api/cookies`, { headers: { origin: 'https://a.test' } })
  t.is(status, 200)
  t.is(headers['access-control-allow-origin'], 'https://a.test')
  t.is(headers['x-content-type-options'], 'nosniff')
  t.regex(headers.vary ?? '', /origin.*accept/i)
  t.deepEqual(headers['set-cookie']?.toSorted(), ['host=1', 'python=1; Path=/', 'second=2; Path=/'])
})

test('headers are kept that middleware has set on its response', async (t) => {
  const app = new Hono().use('*', (c, next) => {
    c.res.headers.set('x-host', '1')
    c.res.headers.append('set-cookie', 'host=1')
    return next()
  })
  const { url } = await serveAtRoot(t, cookies, app)
  const { text, headers } = await request(url)
  t.deepEqual([text, headers['x-host']], ['cookies', '1'])
  t.deepEqual(headers['set-cookie']?.toSorted(), ['host=1', 'python=1; Path=/', 'second=2; Path=/'])
})

test('where nobody has set headers before, the response of the app is passed on and not copied', async (t) => {
  const answer = hono(scope)
  let given: unknown
  let passed: unknown
  const app = new Hono()
    .use('*', async (c, next) => {
      await next()
      passed = c.res
    })
    .all('*', async (c, next) => (given = await answer(c, next)))
  const { url } = await listen(t, createAdaptorServer({ fetch: (...args: [Request]) => app.fetch(...args) }))
  t.is((await request(`${url}/x`)).status, 200)
  t.is(passed, given)
})

/** The same with Python at its root. */
function serveAtRoot(t: ExecutionContext, python: PythonHandler, app = new Hono()) {
  app.all('*', hono(python))
  return listen(t, createAdaptorServer({ fetch: (...args: [Request]) => app.fetch(...args) }))
}

test('a stream arrives piece by piece', async (t) => {
  const { url } = await serveAtRoot(t, events)
  const name = unique()
  await probe.tell(`${name}:0`)
  const response = await requestHead(`${url}/${name}`)
  for (const n of [0, 1, 2]) {
    await probe.tell(`${name}:${n}`)
    const [piece] = (await once(response, 'data')) as [Buffer]
    t.is(piece.toString(), `data: ${n}\n\n`)
  }
})

test('an app hears when the client leaves a stream', async (t) => {
  const { url } = await serveAtRoot(t, disconnect)
  const name = unique()
  const response = await requestHead(`${url}/idle_during?${name}`)
  await probe.wait(`${name}:idle`)
  response.destroy()
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('a client that leaves before the response is a disconnect, and no error', async (t) => {
  const failing = new Hono().onError((thrown, c) => {
    t.fail(String(thrown))
    return c.text('', 500)
  })
  const { url } = await serveAtRoot(t, disconnect, failing)
  const name = unique()
  const leaving = new AbortController()
  const answer = fetch(`${url}/idle_before?${name}`, { signal: leaving.signal })
  await probe.wait(`${name}:idle`)
  leaving.abort()
  t.is(await answer.catch(() => 'gone'), 'gone')
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('an error of the app goes to onError', async (t) => {
  const app = new Hono().all('*', hono(error))
  app.onError((thrown, c) => c.text(`Hono: ${thrown.message}`, 500))
  const { url } = await listen(t, createAdaptorServer({ fetch: (...args: [Request]) => app.fetch(...args) }))
  const answer = await request(`${url}/before`)
  t.is(answer.status, 500)
  t.is(answer.text, 'Hono: before the response')
})

for (const [what, options, expected] of DO_NOT_START) {
  test(`${what} is an error of every request, and the rest of Hono goes on`, async (t) => {
    const broken = createHandler(t, { ...options, logger: new Recorder() })
    const codes: unknown[] = []
    const app = new Hono()
      .get('/', (c) => c.text('Hono'))
      .onError((thrown, c) => {
        codes.push((thrown as Error & { code: string }).code)
        return c.text('onError', 500)
      })
    const { url } = await serve(t, broken, app)
    for (let n = 0; n < 2; n++) t.is((await request(`${url}/api/`, { method: 'POST', body: 'x' })).text, 'onError')
    t.deepEqual(codes, [expected, expected])
    t.is((await request(url)).text, 'Hono')
  })
}

test('a client that leaves in the middle of its upload is a disconnect, and no error', async (t) => {
  const told: unknown[] = []
  const app = new Hono().onError((thrown, c) => {
    told.push(thrown)
    return c.text('onError', 500)
  })
  const { port } = await serve(t, disconnect, app)
  const name = unique()
  const connection = await RawConnection.open(t, port)
  connection.write(`POST /api/upload?${name} HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nsome`)
  await probe.wait(`${name}:idle`)
  connection.reset()
  const messages = (await probe.wait(`${name}:message`)) as [string, number][]
  t.is(messages.at(-1)![0], 'http.disconnect')
  t.deepEqual(told, [])
})

test('an error that stands for a status has it, also without onError', async (t) => {
  const bounded = createHandler(t, { app: 'echo:app', maxBodySize: 5, logger: new Recorder() })
  const { url } = await serve(t, bounded)
  const answer = await request(`${url}/api/`, { method: 'POST', body: 'longer' })
  t.is(answer.status, 413)
  t.is(answer.text, 'Content Too Large')
  const closed = createHandler(t, 'echo:app')
  await closed.close()
  const other = await serve(t, closed)
  t.is((await request(`${other.url}/api/`)).status, 503)
})

test('a body that middleware has read is an error that says so', async (t) => {
  let code: unknown
  const app = new Hono().use('*', async (c, next) => {
    await c.req.raw.text()
    await next()
  })
  app.onError((thrown, c) => {
    code = (thrown as Error & { code: string }).code
    return c.text('refused', 500)
  })
  const { url } = await serve(t, echo, app)
  t.is((await request(`${url}/api/`, { method: 'POST', body: 'x' })).status, 500)
  t.is(code, 'AMPHIS_ERR_BODY_CONSUMED')
})

test('WebSockets go by attach', async (t) => {
  const { server, port } = await serve(t, webSocket)
  webSocket.attach(server, { path: '/api' })
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/echo`)
  await once(socket, 'open')
  socket.send('hello')
  const [message] = (await once(socket, 'message')) as [Buffer]
  t.is(message.toString(), 'hello')
  socket.close()
  await once(socket, 'close')
})

test('without a server it answers as fetch does', async (t) => {
  const app = new Hono().all('/api/*', hono(scope, { prefix: '/api' }))
  const response = await app.fetch(new Request('https://said.test/api/x'))
  const found = (await response.json()) as Record<string, unknown>
  t.is(found['client'], null)
  t.is(found['scheme'], 'http')
})

test('the app finds what Hono knows of a request', async (t) => {
  const app = new Hono().use('*', async (c, next) => {
    c.set('user', new URL(c.req.raw.url).pathname)
    await next()
  })
  app.all(
    '/api/*',
    hono(scope, {
      prefix: '/api',
      context: async (c: Context) => {
        if (c.get('user') === '/api/nobody') throw new Error('nobody')
        return { user: c.get('user') }
      },
    }),
  )
  app.onError((thrown, c) => c.text(`Hono: ${thrown.message}`, 401))
  const { url } = await listen(t, createAdaptorServer({ fetch: (...args: [Request]) => app.fetch(...args) }))
  const { extensions } = (await request(`${url}/api/ada`)).json() as { extensions: Record<string, unknown> }
  t.deepEqual(extensions['amphis.context'], { user: '/api/ada' })
  const refused = await request(`${url}/api/nobody`)
  t.deepEqual([refused.status, refused.text], [401, 'Hono: nobody'])
})

test('what a handler that falls through does not have is the next handler’s', async (t) => {
  for (const [python, options] of [
    [falls, {}],
    [strict, { fallthrough: true }],
  ] as const) {
    const app = new Hono()
    app.all('/api/*', hono(python, { prefix: '/api', ...options }))
    app.all('*', (c) => c.text('Hono'))
    const { url } = await listen(t, createAdaptorServer({ fetch: (...args: [Request]) => app.fetch(...args) }))
    const answer = await request(`${url}/api/x`)
    t.deepEqual([answer.status, answer.text, answer.headers['x-python']], [200, 'Hono', undefined])
    t.is((await request(`${url}/api/there`)).text, 'python')
    t.is((await request(`${url}/api/x`, { method: 'POST' })).status, 404)
    t.is((await request(`${url}/api/x`, { method: 'POST', body: 'x' })).status, 404)
  }
  const { url } = await serve(t, strict)
  t.is((await request(`${url}/api/x`)).headers['x-python'], 'yes')
})

test('what middleware says of another body does not go with the app’s', async (t) => {
  const app = new Hono().use('*', async (c, next) => {
    c.header('etag', '"host"')
    c.header('content-encoding', 'gzip')
    await next()
  })
  const { url } = await serve(t, echo, app)
  const { headers, text } = await request(`${url}/api/`, { method: 'POST', body: '12345' })
  t.deepEqual([headers['etag'], headers['content-encoding'], text], [undefined, undefined, '12345'])
})

test('what is none of its arguments is refused', (t) => {
  t.throws(() => hono(undefined as never), { code: 'AMPHIS_ERR_INVALID_OPTIONS', message: /takes a PythonHandler/ })
  t.throws(() => hono(scope, { prefx: '/api' } as never), { message: /Did you mean prefix/ })
  t.throws(() => hono(scope, { context: {} as never }), { message: /context of hono must be a function/ })
  t.throws(() => hono(scope, { prefix: '/api/*' }), { message: /without a wildcard/ })
})
