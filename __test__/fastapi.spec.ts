import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { PATIENCE } from './helpers/patience.js'
import { type RequestOptions, request, requestHead, valuesOf } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, fixtures, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const logger = new Recorder()
const handler = shareHandler({ app: 'fastapi_app:app', lifespan: 'on', logger })
const probe = shareProbe()

/** Asks the app where it is mounted at `/api`, next to a route of Express. */
async function start(t: ExecutionContext) {
  const app = express()
  app.get('/js', (_req, res) => void res.json('JavaScript'))
  app.use('/api', handler.middleware)
  const { url, port } = await serve(t, app)
  return {
    port,
    url: `${url}/api`,
    ask: (path: string, options?: RequestOptions) => request(`${url}/api${path}`, options),
  }
}

const json = (value: unknown): RequestOptions => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

test('finds its routes below the mount', async (t) => {
  const { ask } = await start(t)
  t.deepEqual((await ask('/')).json(), { hello: 'world' })
  t.deepEqual((await ask('')).json(), { hello: 'world' })
  t.deepEqual((await ask('/items/3?q=x&tag=a&tag=b')).json(), { item_id: 3, q: 'x', tag: ['a', 'b'] })
  t.is((await ask('/no/such/route')).status, 404)
})

test('validates parameters and bodies', async (t) => {
  const { ask } = await start(t)
  const invalid = await ask('/items/three')
  t.is(invalid.status, 422)
  t.like(invalid.json(), { detail: [{ loc: ['path', 'item_id'], type: 'int_parsing' }] })
  const created = await ask('/items', json({ name: 'pen', price: 1.5 }))
  t.is(created.status, 201)
  t.deepEqual(created.json(), { name: 'pen', price: 1.5, tags: [] })
  t.is((await ask('/items', json({ name: 'pen', price: -1 }))).status, 422)
  t.is((await ask('/items', { ...json(null), body: '{not json' })).status, 422)
})

for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
  test(`routes ${method}`, async (t) => {
    const { ask } = await start(t)
    t.is((await ask('/method', { method })).json(), method)
  })
}

test('answers a wrong method with 405 and what is allowed', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/items', { method: 'GET' })
  t.is(answer.status, 405)
  t.is(answer.headers.allow, 'POST')
})

test('reads forms', async (t) => {
  const { ask } = await start(t)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  t.deepEqual((await ask('/form', { method: 'POST', headers, body: 'name=Ada+L%C3%B8velace&age=36' })).json(), {
    name: 'Ada Løvelace',
    age: 36,
  })
})

test('takes uploads of several files', async (t) => {
  const { url } = await start(t)
  const form = new FormData()
  form.append('files', new Blob([randomBytes(3_000_000)], { type: 'application/x-big' }), 'big.bin')
  form.append('files', new Blob(['small'], { type: 'text/plain' }), 'naïve.txt')
  form.append('note', 'two files')
  const response = await fetch(`${url}/upload`, { method: 'POST', body: form })
  t.deepEqual(await response.json(), {
    files: [
      ['big.bin', 'application/x-big', 3_000_000],
      ['naïve.txt', 'text/plain', 5],
    ],
    note: 'two files',
  })
})

test('streams an upload', async (t) => {
  const { ask } = await start(t)
  t.is((await ask('/raw', { method: 'POST', body: randomBytes(2_500_000) })).json(), 2_500_000)
})

test('runs a plain def in the thread pool', async (t) => {
  const { ask } = await start(t)
  t.is((await ask('/sync')).json(), false)
})

test.serial('a plain def runs on the thread of the one before', async (t) => {
  const { ask } = await start(t)
  const counts: unknown[] = []
  for (let index = 0; index < 10; index++) counts.push((await ask('/workers')).json())
  t.true(Number(counts.at(-1)) <= 2, JSON.stringify(counts))
})

test('carries context variables, lifespan state and app state', async (t) => {
  const { ask } = await start(t)
  const names = Array.from({ length: 20 }, () => unique())
  const answers = await Promise.all(names.map((name) => ask('/variables', { headers: { 'x-request-id': name } })))
  t.deepEqual(
    answers.map((answer) => answer.json()),
    names.map((id) => ({ id, greeting: 'set in lifespan', number: 42 })),
  )
})

test('runs background tasks after the response', async (t) => {
  const { ask } = await start(t)
  const name = unique()
  // The response is complete although the background task waits for the test.
  t.is((await ask(`/background/${name}`)).json(), 'scheduled')
  await probe.tell(`${name}:go`)
  await t.notThrowsAsync(probe.wait(`${name}:done`))
})

test('opens and closes dependencies with yield, also around an error', async (t) => {
  const { ask } = await start(t)
  const first = unique()
  t.is((await ask(`/dependency?name=${first}`)).json(), `resource ${first}`)
  await probe.wait(`${first}:released`)
  const second = unique()
  t.is((await ask(`/dependency-error?name=${second}`)).status, 409)
  await probe.wait(`${second}:released`)
  t.pass()
})

test('streams Server-Sent Events and runs the generator’s finally when the client leaves', async (t) => {
  const { url } = await start(t)
  const name = unique()
  const response = await requestHead(`${url}/sse/${name}`)
  t.regex(String(response.headers['content-type']), /^text\/event-stream/)
  for await (const chunk of response) {
    t.is(String(chunk), 'data: first\n\n')
    break
  }
  await probe.wait(`${name}:idle`)
  const left = performance.now()
  response.destroy()
  await probe.wait(`${name}:finally`)
  t.true(performance.now() - left < PATIENCE)
})

test('streams from a plain generator', async (t) => {
  const { ask } = await start(t)
  t.is((await ask('/lines/50')).text, Array.from({ length: 50 }, (_, index) => `line ${index}\n`).join(''))
})

test('compresses, adds headers and answers CORS by middleware', async (t) => {
  const { ask } = await start(t)
  const headers = { 'accept-encoding': 'gzip', origin: 'https://example.org' }
  const answer = await ask('/big', { headers })
  t.is(answer.headers['content-encoding'], 'gzip')
  t.true(answer.body.length < 1000)
  t.is(answer.headers['x-by-middleware'], 'yes')
  t.is(answer.headers['access-control-allow-origin'], 'https://example.org')
  t.is((await ask('/big')).text, 'compress me '.repeat(1000))
})

test('answers handled errors as the app says', async (t) => {
  const { ask } = await start(t)
  t.like(await ask('/teapot'), { status: 418, text: '{"teapot":true}' })
  const missing = await ask('/missing')
  t.is(missing.status, 404)
  t.is(missing.headers['x-why'], 'because')
})

test('an unhandled error is answered by the app and then logged, never handed to Express', async (t) => {
  // Starlette sends its 500 and raises afterwards, so that the server learns of it.
  const own = new Recorder()
  const app = express().use(createHandler(t, { app: 'fastapi_app:app', lifespan: 'on', logger: own }).middleware)
  let reached = false
  app.use(((_error, _req, _res, _next) => (reached = true)) as express.ErrorRequestHandler)
  const answer = await request(`${(await serve(t, app)).url}/boom`)
  t.like(answer, { status: 500, text: 'Internal Server Error' })
  t.like(await own.waitForError(), { type: 'ValueError', message: 'unhandled in FastAPI' })
  t.false(reached)
})

test('redirects to the slash below the mount', async (t) => {
  const { url, ask } = await start(t)
  const answer = await ask('/slash')
  t.is(answer.status, 307)
  t.is(answer.headers.location, `${url}/slash/`)
  t.is((await ask('/slash/')).json(), 'with slash')
})

test('makes URLs that lead back below the mount', async (t) => {
  const { url, ask } = await start(t)
  t.like((await ask('/urls?q=1')).json(), {
    url: `${url}/urls?q=1`,
    base_url: `${url}/`,
    item: `${url}/items/7`,
    root_path: '/api',
  })
  const redirect = await ask('/redirect')
  t.is(redirect.headers.location, `${url}/items/7`)
  t.like((await request(String(redirect.headers.location))).json(), { item_id: 7 })
})

test('serves its documentation below the mount', async (t) => {
  const { ask } = await start(t)
  const docs = await ask('/docs')
  t.is(docs.status, 200)
  t.true(docs.text.includes('/api/openapi.json'))
  const openapi = (await ask('/openapi.json')).json() as { servers: unknown; paths: object }
  t.deepEqual(openapi.servers, [{ url: '/api' }])
  t.true('/items/{item_id}' in openapi.paths)
})

test('sets several cookies and reads them back', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/cookies', { headers: { cookie: 'a=b; seen=yes' } })
  t.deepEqual(answer.json(), { seen: 'yes' })
  t.deepEqual(
    valuesOf(answer.rawHeaders, 'set-cookie').map((cookie) => cookie.split(';')[0]),
    ['first=1', 'second=2'],
  )
})

test('serves files with validators and ranges', async (t) => {
  const { ask } = await start(t)
  const content = await readFile(join(fixtures, 'static', 'hello.txt'), 'utf8')
  const answer = await ask('/static/hello.txt')
  t.is(answer.text, content)
  t.is(answer.headers['content-length'], String(content.length))
  const again = await ask('/static/hello.txt', { headers: { 'if-none-match': String(answer.headers.etag) } })
  t.like(again, { status: 304, text: '' })
  const range = await ask('/file', { headers: { range: 'bytes=2-7' } })
  t.like(range, { status: 206, text: content.slice(2, 8) })
  t.is((await ask('/static/none.txt')).status, 404)
})

test('answers HEAD and 204 without a body on a connection that stays usable', async (t) => {
  const { ask } = await start(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let index = 0; index < 3; index++) {
    const head = await ask('/method', { method: 'HEAD', agent })
    t.like(head, { status: 200, text: '' })
    t.is(head.headers['content-length'], '6')
    t.like(await ask('/nothing', { method: 'DELETE', agent }), { status: 204, text: '' })
    t.like(await ask('/items/1', { agent }), { status: 200 })
  }
})

test('knows the root path of an app mounted within the app', async (t) => {
  const { ask } = await start(t)
  t.deepEqual((await ask('/sub/where')).json(), { root_path: '/api/sub', path: '/api/sub/where' })
})

test('an app mounted at /auth finds its own /auth', async (t) => {
  const { url } = await serve(t, express().use('/auth', handler.middleware))
  t.deepEqual((await request(`${url}/auth`)).json(), { hello: 'world' })
  t.is((await request(`${url}/auth/auth`)).json(), 'auth index')
  t.is((await request(`${url}/auth/auth/login`)).json(), 'auth login')
  t.is((await request(`${url}/auth/login`)).status, 404)
})

test('the routes of Express stay what they are', async (t) => {
  const { url } = await start(t)
  t.is((await request(url.replace('/api', '/js'))).json(), 'JavaScript')
})

test('works over the bare listener without a mount', async (t) => {
  const { url } = await serve(t, handler.listener)
  t.like((await request(`${url}/urls`)).json(), { base_url: `${url}/`, item: `${url}/items/7`, root_path: '' })
})

test('is told where it is served by the option rootPath', async (t) => {
  // The proxy in front passes the prefix on, so the path holds it already.
  const behindProxy = createHandler(t, { app: 'fastapi_app:app', lifespan: 'on', rootPath: '/prefix', logger })
  const { url } = await serve(t, behindProxy.listener)
  t.like((await request(`${url}/prefix/urls`)).json(), { root_path: '/prefix', item: `${url}/prefix/items/7` })
})

test('answers a hundred mixed requests at once', async (t) => {
  const { ask } = await start(t)
  const body = randomBytes(100_000)
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      index % 4 === 0
        ? ask('/raw', { method: 'POST', body })
        : index % 4 === 1
          ? ask('/lines/20')
          : index % 4 === 2
            ? ask('/sync')
            : ask(`/items/${index}`),
    ),
  )
  const digest = createHash('sha256')
  for (const [index, answer] of answers.entries()) {
    t.is(answer.status, 200)
    digest.update(answer.body)
    if (index % 4 === 0) t.is(answer.json(), body.length)
    if (index % 4 === 3) t.like(answer.json(), { item_id: index })
  }
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})
