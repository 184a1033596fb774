import { createServer } from 'node:http'
import { createContext, runInContext } from 'node:vm'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { createApp, eventHandler, toNodeListener, toWebRequest } from 'h3'
import { Request as OtherRequest } from 'undici'
import { AmphisError, type FetchOptions, type PythonHandler } from '../index.js'
import { request, requestHead } from './helpers/client.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// `fetch()`: a Request of the fetch standard, answered with a Response.

const quiet = (app: string) => shareHandler({ app, logger: new Recorder() })
const scope = shareHandler('scope:app')
const body = shareHandler('body:app')
const quietBody = quiet('body:app')
const echo = shareHandler('echo:app')
const stream = quiet('stream:app')
const slow = quiet('stream:slow_upload')
const responses = quiet('responses:app')
const disconnect = quiet('disconnect:app')
const error = quiet('error:app')
const limits = quiet('limits:app')
const fastapi = shareHandler('fastapi_app:app')
const probe = shareProbe()

interface Pair {
  tuple: [{ bytes: string }, { bytes: string }]
}
type Scope = Record<string, unknown> & { headers: unknown }

/** The scope that a request comes to. */
async function scopeOf(given: Request, options?: FetchOptions): Promise<Scope> {
  const response = await scope.fetch(given, options)
  return (await response.json()) as Scope
}

/** Its headers, as pairs. */
async function headersOf(given: Request, options?: FetchOptions): Promise<[string, string][]> {
  const { headers } = await scopeOf(given, options)
  return JSON.parse(JSON.stringify(headers), (_key, value: unknown) =>
    typeof value === 'object' && value !== null && 'bytes' in value
      ? value.bytes
      : typeof value === 'object' && value !== null && 'tuple' in value
        ? value.tuple
        : value,
  ) as [string, string][]
}

const at = (path: string, init?: RequestInit) => new Request(`http://host.test${path}`, init)
const post = (path: string, content: RequestInit['body'], headers: Record<string, string> = {}) =>
  at(path, { method: 'POST', body: content!, headers, duplex: 'half' })
const code = async (promise: Promise<unknown>) => {
  try {
    await promise
    return 'resolved'
  } catch (thrown) {
    return (thrown as AmphisError).code
  }
}

/** A body that a test writes piece by piece. */
function written() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  return { readable, write: (text: string) => writer.write(Buffer.from(text)), writer }
}

test('answers with a Response', async (t) => {
  const response = await responses.fetch(at('/with_length'))
  t.true(response instanceof Response)
  t.is(response.status, 200)
  t.is(response.headers.get('content-length'), '5')
  t.is(await response.text(), '12345')
})

test('needs no this, and takes no options at all', async (t) => {
  const { fetch } = responses
  t.is(await (await fetch(at('/no_headers'))).text(), 'ok')
})

test('method, path, query and headers are those of the request', async (t) => {
  const found = await scopeOf(at('/a%20b/ä?x=1&y=%20', { method: 'PATCH' }))
  t.is(found['method'], 'PATCH')
  t.is(found['path'], '/a b/ä')
  t.deepEqual(found['raw_path'], { bytes: '/a%20b/%C3%A4' })
  t.deepEqual(found['query_string'], { bytes: 'x=1&y=%20' })
  t.deepEqual(await headersOf(at('/', { headers: { 'X-One': '1', cookie: 'a=1; b=2' } })), [
    ['host', 'host.test'],
    ['cookie', 'a=1; b=2'],
    ['x-one', '1'],
  ])
})

test('a host header of the request goes before the host of its URL', async (t) => {
  const pairs = await headersOf(at('/', { headers: { host: 'said.test' } }))
  t.deepEqual(pairs, [['host', 'said.test']])
})

// Client, scheme and server.

test('client, scheme and server come from nothing but the options', async (t) => {
  const forged = new Request('https://forged.test:444/', {
    headers: {
      host: 'forged.test',
      'x-forwarded-for': '203.0.113.1',
      'x-forwarded-proto': 'https',
      forwarded: 'for=1',
    },
  })
  const found = await scopeOf(forged)
  t.is(found['client'], null)
  t.is(found['server'], null)
  t.is(found['scheme'], 'http')
})

test('… not even where the handler trusts proxies', async (t) => {
  const trusting = createHandler(t, { app: 'scope:app', proxyHeaders: true, forwardedAllowIps: '*' })
  const headers = { 'x-forwarded-for': '203.0.113.1', 'x-forwarded-proto': 'https' }
  const found = (await (await trusting.fetch(at('/', { headers }))).json()) as Scope
  t.is(found['client'], null)
  t.is(found['scheme'], 'http')
})

test('client, scheme and server of the options reach the app', async (t) => {
  const found = await scopeOf(at('/'), { client: ['192.0.2.1', 5], scheme: 'https', server: ['unix.sock', null] })
  t.deepEqual(found['client'], { tuple: ['192.0.2.1', 5] })
  t.is(found['scheme'], 'https')
  t.deepEqual(found['server'], { tuple: ['unix.sock', null] })
})

// Mounting.

for (const [url, options, rootPath, path] of [
  ['/api/x', { rootPath: '/api' }, '/api', '/api/x'],
  ['/api/x', { rootPath: '/api/' }, '/api', '/api/x'],
  ['/api', { rootPath: '/api' }, '/api', '/api/'],
  ['/x', { rootPath: '/api' }, '/api', '/api/x'],
  ['/apis/x', { rootPath: '/api' }, '/api', '/api/apis/x'],
  ['/api/api/x', { rootPath: '/api' }, '/api', '/api/api/x'],
  ['/x', { rootPath: '' }, '', '/x'],
  ['/x', {}, '', '/x'],
] as const) {
  test(`${url} with ${JSON.stringify(options)} is ${path} below ${JSON.stringify(rootPath)}`, async (t) => {
    const found = await scopeOf(at(url), options)
    t.is(found['root_path'], rootPath)
    t.is(found['path'], path)
  })
}

test('an app that is mounted there by its own rootPath is mounted there once', async (t) => {
  const mounted = createHandler(t, { app: 'scope:app', rootPath: '/api' })
  for (const options of [{}, { rootPath: '/api' }, { rootPath: '/api/' }]) {
    const found = (await (await mounted.fetch(at('/api/x'), options)).json()) as Scope
    t.is(found['root_path'], '/api')
    t.is(found['path'], '/api/x')
  }
})

// Framing.

test('fields of a connection and of framing do not reach the app', async (t) => {
  const given = Object.defineProperty(at('/'), 'headers', {
    value: new Headers({
      connection: 'close, X-Named',
      expect: '100-continue',
      'keep-alive': 'timeout=5',
      'proxy-connection': 'keep-alive',
      te: 'trailers',
      trailer: 'x-t',
      'transfer-encoding': 'chunked',
      upgrade: 'h2c',
      'x-named': '1',
      'x-kept': '1',
    }),
  })
  t.deepEqual(await headersOf(given), [
    ['host', 'host.test'],
    ['x-kept', '1'],
  ])
})

test('the length of a body that is there is counted, whatever its headers say', async (t) => {
  for (const headers of [{}, { 'content-length': '99' }, { 'content-length': '1' }] as Record<string, string>[]) {
    const pairs = await headersOf(post('/', 'héllo', headers))
    t.deepEqual(
      pairs.filter(([name]) => name === 'content-length'),
      [['content-length', '6']],
    )
  }
})

test('a body that comes later has the length that was given, or none', async (t) => {
  for (const [given, expected] of [
    ['3', ['3']],
    [undefined, []],
    ['many', []],
  ] as const) {
    const { readable, writer } = written()
    const pairs = await headersOf(post('/', readable, given === undefined ? {} : { 'content-length': given }))
    // The app has answered without it.
    await writer.close().catch(() => {})
    const lengths = pairs.filter(([name]) => name === 'content-length').map(([, value]) => value)
    t.deepEqual(lengths, [...expected])
  }
})

test('a request without a body has no length but 0', async (t) => {
  const lengths = async (length: string) =>
    (await headersOf(at('/', { method: 'POST', headers: { 'content-length': length } }))).filter(
      ([name]) => name === 'content-length',
    )
  t.deepEqual(await lengths('5'), [])
  t.deepEqual(await lengths('0'), [['content-length', '0']])
})

test('a stream that is longer or shorter than its content-length fails the request', async (t) => {
  for (const length of ['4', '2']) {
    const name = unique()
    const { readable, write, writer } = written()
    const answer = code(quietBody.fetch(post(`/late?${name}`, readable, { 'content-length': length })))
    await probe.wait(`${name}:started`)
    const sent = write('abc').then(() => writer.close())
    t.is(await answer, 'AMPHIS_ERR_INVALID_REQUEST')
    await sent.catch(() => {})
    await probe.tell(`${name}:go`)
  }
})

test('connection fields of the app do not reach the caller', async (t) => {
  const { headers } = await responses.fetch(at('/hop_by_hop'))
  for (const name of [
    'connection',
    'keep-alive',
    'proxy-connection',
    'transfer-encoding',
    'upgrade',
    'te',
    'trailer',
  ]) {
    t.is(headers.get(name), null, name)
  }
})

// Bodies of requests.

for (const [what, content, expected] of [
  ['a string', 'héllo', 'h\u00C3\u00A9llo'],
  ['bytes', Buffer.from('bytes'), 'bytes'],
  ['nothing', '', ''],
  ['a Blob', new Blob(['blob']), 'blob'],
  ['a form', new URLSearchParams({ a: '1' }), 'a=1'],
] as const) {
  test(`the body is ${what}`, async (t) => {
    t.is(await (await body.fetch(post('/joined', content))).json(), expected)
  })
}

test('a form with a file', async (t) => {
  const form = new FormData()
  form.set('file', new File(['content'], 'a.txt'))
  t.regex((await (await body.fetch(post('/joined', form))).json()) as string, /filename="a\.txt"[^]*content/)
})

test('a Request of another library and of another realm is one', async (t) => {
  const other = new OtherRequest('http://host.test/joined', { method: 'POST', body: 'undici' })
  t.is(await (await body.fetch(other as unknown as Request)).json(), 'undici')
  const realm = createContext({ Request })
  const made = runInContext('new (class extends Request {})("http://host.test/x")', realm) as Request
  t.is((await scopeOf(made))['path'], '/x')
})

test('a streamed body reaches the app piece by piece, before it is whole', async (t) => {
  const name = unique()
  const { readable, write, writer } = written()
  const answer = body.fetch(post(`/stepwise?${name}`, readable))
  await write('one')
  t.is(await probe.wait(`${name}:0`), 'one')
  await write('two')
  t.is(await probe.wait(`${name}:1`), 'two')
  await writer.close()
  t.is(await (await answer).json(), 3)
})

test('the response comes while the request is still being sent', async (t) => {
  const { readable, write, writer } = written()
  const answer = limits.fetch(post(`/echoing/${unique()}`, readable))
  await write('zero')
  const reader = (await answer).body!.getReader()
  t.is(Buffer.from((await reader.read()).value).toString(), 'zero')
  for (const text of ['one', 'two']) {
    const [, { value }] = await Promise.all([write(text), reader.read()])
    t.is(Buffer.from(value).toString(), text)
  }
  await writer.close()
  t.true((await reader.read()).done)
})

test('no more is taken of a streamed body than the app reads', async (t) => {
  const name = unique()
  let pulled = 0
  const piece = new Uint8Array(64 * 1024)
  const content = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve))
      pulled += 1
      if (pulled > 320) controller.close()
      else controller.enqueue(piece)
    },
  })
  const answer = slow.fetch(post(`/${name}`, content))
  await probe.wait(`${name}:first`)
  // As much as is on its way, and not the 20 MiB that there are.
  for (let turn = 0; turn < 400; turn++) await new Promise((resolve) => setImmediate(resolve))
  t.true(pulled < 40, `${pulled} pieces were taken`)
  await probe.tell(`${name}:go`)
  t.is(await (await answer).json(), 320 * piece.length)
})

test('a body that fails rejects with its error, and is a disconnect', async (t) => {
  const name = unique()
  const content = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await probe.wait(`${name}:idle`)
      controller.error(new Error('the source broke'))
    },
    start: (controller) => controller.enqueue(Buffer.from('some')),
  })
  await t.throwsAsync(disconnect.fetch(post(`/upload?${name}`, content)), { message: 'the source broke' })
  const messages = (await probe.wait(`${name}:message`)) as [string, number][]
  t.deepEqual(messages.at(-1), ['http.disconnect', 0])
})

test('a body that was read, or is being read, is refused', async (t) => {
  const used = post('/joined', 'x')
  await used.text()
  t.is(await code(body.fetch(used)), 'AMPHIS_ERR_BODY_CONSUMED')
  const locked = post('/joined', 'x')
  locked.body!.getReader()
  t.is(await code(body.fetch(locked)), 'AMPHIS_ERR_BODY_CONSUMED')
})

test('a body larger than maxBodySize is refused, said or not', async (t) => {
  const bounded = createHandler(t, { app: 'body:app', maxBodySize: 10, logger: new Recorder() })
  t.is(await (await bounded.fetch(post('/joined', 'x'.repeat(10)))).json(), 'x'.repeat(10))
  t.is(await code(bounded.fetch(post('/joined', 'x'.repeat(11)))), 'AMPHIS_ERR_BODY_TOO_LARGE')
  const { readable, write } = written()
  write('x').catch(() => {})
  t.is(await code(bounded.fetch(post('/joined', readable, { 'content-length': '11' }))), 'AMPHIS_ERR_BODY_TOO_LARGE')
  const name = unique()
  const later = written()
  const answer = bounded.fetch(post(`/stepwise?${name}`, later.readable))
  await later.write('12345')
  await probe.wait(`${name}:0`)
  later.write('678901').catch(() => {})
  t.is(await code(answer), 'AMPHIS_ERR_BODY_TOO_LARGE')
})

// Responses.

test('cookies are kept apart', async (t) => {
  const { headers } = await responses.fetch(at('/duplicates'))
  t.deepEqual(headers.getSetCookie(), ['a=1; Path=/', 'b=2; Path=/', 'a=4; Path=/'])
  t.is(headers.get('x-one'), '1, 3')
})

for (const status of [204, 205, 304]) {
  test(`${status} has no body`, async (t) => {
    const response = await responses.fetch(at(`/bodyless_status?${status}`))
    t.is(response.status, status)
    t.is(response.body, null)
    if (status !== 304) t.is(response.headers.get('content-length'), null)
  })
}

test('HEAD has no body, and the length that GET would have', async (t) => {
  const response = await responses.fetch(at('/with_length', { method: 'HEAD' }))
  t.is(response.body, null)
  t.is(response.headers.get('content-length'), '5')
})

test('a status that no Response can have is an error that says so', async (t) => {
  const thrown = await t.throwsAsync(responses.fetch(at('/bodyless_status?799')), { code: 'AMPHIS_ERR_CONVERSION' })
  t.regex(thrown.message, /status 799/)
})

test('a response is streamed, piece by piece', async (t) => {
  const name = unique()
  const response = await stream.fetch(at(`/gated/${name}`))
  const reader = response.body!.getReader()
  for (const n of [0, 1, 2]) {
    await probe.tell(`${name}:${n}`)
    const { value } = await reader.read()
    t.is(Buffer.from(value).toString(), `chunk ${n}\n`)
  }
  t.true((await reader.read()).done)
})

test('no more is taken from the app than is read', async (t) => {
  const name = unique()
  const response = await stream.fetch(at(`/flood/${name}`))
  await probe.wait(`${name}:started`)
  const reader = response.body!.getReader()
  await reader.read()
  for (let asked = 0; asked < 20; asked++) await probe.peek(name)
  t.true(((await probe.peek(name)) as number) < 8)
  await reader.cancel()
})

test('a large response is whole', async (t) => {
  const response = await responses.fetch(at('/large'))
  const expected = await (await responses.handle({ url: '/large' })).bytes()
  t.true(Buffer.from(await response.arrayBuffer()).equals(expected))
})

test('a response can be cloned, and read as a stream of bytes', async (t) => {
  const response = await stream.fetch(at('/count/3'))
  const twin = response.clone()
  t.is(await response.text(), 'chunk 0\nchunk 1\nchunk 2\n')
  t.is((await (await twin.blob()).arrayBuffer()).byteLength, 24)
})

// Disconnects.

test('cancelling the body of the response is a disconnect', async (t) => {
  const name = unique()
  const response = await disconnect.fetch(at(`/idle_during?${name}`))
  await probe.wait(`${name}:idle`)
  await response.body!.cancel()
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('aborting the request before the response rejects, and is a disconnect', async (t) => {
  const name = unique()
  const aborting = new AbortController()
  const answer = disconnect.fetch(at(`/idle_before?${name}`, { signal: aborting.signal }))
  await probe.wait(`${name}:idle`)
  const why = new Error('no longer needed')
  aborting.abort(why)
  const thrown = await t.throwsAsync(answer, { code: 'AMPHIS_ERR_ABORTED' })
  t.is(thrown.cause, why)
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('aborting the request during the response fails its body, and is a disconnect', async (t) => {
  const name = unique()
  const aborting = new AbortController()
  const response = await disconnect.fetch(at(`/idle_during?${name}`, { signal: aborting.signal }))
  await probe.wait(`${name}:idle`)
  aborting.abort()
  await t.throwsAsync(response.text(), { code: 'AMPHIS_ERR_ABORTED' })
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('the signal of a Request is heard for as long as the app runs, whoever else has the Request', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (const way of ['fetch', 'handle'] as const) {
    const name = unique()
    const aborting = new AbortController()
    const response = await disconnect[way](at(`/idle_during?${name}`, { signal: aborting.signal }))
    await probe.wait(`${name}:idle`)
    for (let round = 0; round < 3; round++) {
      await new Promise(setImmediate)
      collect()
    }
    aborting.abort()
    await t.throwsAsync(response.text(), { code: 'AMPHIS_ERR_ABORTED' }, way)
    t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
  }
})

test('a request that was aborted before never reaches the app', async (t) => {
  t.is(await code(scope.fetch(at('/', { signal: AbortSignal.abort() }))), 'AMPHIS_ERR_ABORTED')
})

test('an app that never ends its answer to HEAD is told that nobody is there', async (t) => {
  const name = unique()
  const response = await disconnect.fetch(at(`/idle_during?${name}`, { method: 'HEAD' }))
  t.is(response.body, null)
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

// Errors.

test('errors before the response are those of handle()', async (t) => {
  for (const path of ['/before', '/no_response']) {
    const asked = await t.throwsAsync(error.fetch(at(path)))
    const handled = await t.throwsAsync(error.handle({ url: path }))
    t.is((asked as AmphisError).code, (handled as AmphisError).code)
    t.is(asked.message, handled.message)
  }
})

test('an error in the middle fails the body', async (t) => {
  const name = unique()
  const response = await error.fetch(at(`/during?${name}`))
  const reader = response.body!.getReader()
  t.is(Buffer.from((await reader.read()).value).toString(), 'partial')
  await probe.tell(name)
  await t.throwsAsync(reader.read(), { message: /in the middle of the response/ })
})

test('a handler that does not start, and one that is closed, reject', async (t) => {
  const broken = createHandler(t, 'raises_on_import:app')
  t.is(await code(broken.fetch(at('/'))), 'AMPHIS_ERR_APP_IMPORT')
  const closed = createHandler(t, 'scope:app')
  await closed.close()
  t.is(await code(closed.fetch(at('/'))), 'AMPHIS_ERR_CLOSED')
})

test('timeoutRequest holds', async (t) => {
  const handler = createHandler(t, { app: 'error:app', timeoutRequest: 50, logger: new Recorder() })
  t.is(await code(handler.fetch(at(`/never?${unique()}`))), 'AMPHIS_ERR_REQUEST_TIMEOUT')
})

test('limitConcurrency holds, and every way out gives its place back', async (t) => {
  const handler = createHandler(t, { app: 'limits:app', limitConcurrency: 1, maxBodySize: 5, logger: new Recorder() })
  const name = unique()
  const first = handler.fetch(at(`/hold/${name}`))
  await probe.wait(`${name}:started`)
  t.is(await code(handler.fetch(at(`/hold/${name}`))), 'AMPHIS_ERR_OVERLOADED')
  await probe.tell(`${name}:go`)
  t.is(await (await first).json(), name)
  t.is(await code(handler.fetch(at('/fail/x'))), 'AMPHIS_ERR_PYTHON')
  t.is(await code(handler.fetch(post('/read/x', 'too long'))), 'AMPHIS_ERR_BODY_TOO_LARGE')
  t.is(await code(handler.fetch(at('/x', { signal: AbortSignal.abort() }))), 'AMPHIS_ERR_ABORTED')
  t.is(await (await handler.fetch(post(`/read/${unique()}`, 'four'))).json(), 4)
})

for (const [what, call, pattern] of [
  ['a url', (python: PythonHandler) => python.fetch('/hello' as never), /fetch takes a Request.*a string/],
  ['nothing', (python: PythonHandler) => python.fetch(undefined as never), /fetch takes a Request.*undefined/],
  [
    'a misspelt option',
    (python: PythonHandler) => python.fetch(at('/'), { rootpath: '/' } as never),
    /Did you mean rootPath/,
  ],
  [
    'the environment of a host',
    (python: PythonHandler) => python.fetch(at('/'), { incoming: {} } as never),
    /no option incoming of fetch.*rootPath, client/,
  ],
  [
    'a rootPath without slash',
    (python: PythonHandler) => python.fetch(at('/'), { rootPath: 'api' }),
    /begins with '\/'/,
  ],
  [
    'a client that is none',
    (python: PythonHandler) => python.fetch(at('/'), { client: '::1' as never }),
    /client of fetch/,
  ],
  [
    'a scheme that is none',
    (python: PythonHandler) => python.fetch(at('/'), { scheme: 1 as never }),
    /scheme of fetch/,
  ],
] as const) {
  test(`${what} is refused with words that help`, async (t) => {
    const thrown = await t.throwsAsync(call(scope), { instanceOf: TypeError, message: pattern })
    t.true(thrown instanceof AmphisError)
  })
}

test('what one request says is never seen by another', async (t) => {
  const asked = Array.from({ length: 50 }, (_, n) =>
    scopeOf(at(`/${n}`, { headers: { 'x-n': String(n) } }), { client: [`192.0.2.${n}`, n], rootPath: `/p${n}` }),
  )
  for (const [n, found] of (await Promise.all(asked)).entries()) {
    t.is(found['path'], `/p${n}/${n}`)
    t.deepEqual(found['client'], { tuple: [`192.0.2.${n}`, n] })
    t.true((found.headers as Pair[] | { tuple: Pair[] }) && JSON.stringify(found.headers).includes(`"${n}"`))
  }
})

test('FastAPI answers its own Node code', async (t) => {
  const response = await fastapi.fetch(at('/openapi.json'))
  t.is(response.headers.get('content-type'), 'application/json')
  t.is(((await response.json()) as { openapi: string }).openapi.slice(0, 2), '3.')
})

// Hosts: the recipes of docs/mounting.md.

test('h3: a request and its streamed body', async (t) => {
  const app = createApp()
  app.use(
    '/api',
    eventHandler((event) => echo.fetch(toWebRequest(event), { rootPath: '/api' })),
  )
  const { url } = await listen(t, createServer(toNodeListener(app)))
  const answer = await request(`${url}/api/x`, { method: 'POST', body: 'through h3' })
  t.is(answer.text, 'through h3')
  t.is((await requestHead(`${url}/elsewhere`)).statusCode, 404)
})
