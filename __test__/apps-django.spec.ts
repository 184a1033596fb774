import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { PATIENCE } from './helpers/patience.js'
import { type RequestOptions, request, requestHead, valuesOf } from './helpers/client.js'
import { serveByCommand } from './helpers/command-line.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, fixtures, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const logger = new Recorder()
// Django has no lifespan: it raises, and `auto` goes on without.
const handler = shareHandler({ app: 'apps.django_newsroom.asgi:app', lifespan: 'auto', logger })
const probe = shareProbe()

async function start(t: ExecutionContext) {
  const { url, port } = await serve(t, handler.listener)
  return { url, port, ask: (path: string, options?: RequestOptions) => request(`${url}${path}`, options) }
}

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')
const form = (fields: Record<string, string>, headers: Record<string, string> = {}): RequestOptions => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  body: new URLSearchParams(fields).toString(),
})

test('answers from an async view, on the event loop', async (t) => {
  const { ask } = await start(t)
  t.deepEqual((await ask('/?tag=a&tag=%C3%A9')).json(), { method: 'GET', 'loop thread': true, query: ['a', 'é'] })
})

test('answers from a sync view, in one thread with the sync middleware above it', async (t) => {
  const { ask } = await start(t)
  t.deepEqual((await ask('/sync/')).json(), { 'main thread': false, 'thread of the middleware': true })
})

test('runs sync views of many clients side by side', async (t) => {
  const { ask } = await start(t)
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask('/sync/')))
  t.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
})

test('passes sync and async middleware in their order', async (t) => {
  const { ask } = await start(t)
  const { headers } = await ask('/')
  t.is(headers['x-stamps'], 'both,async,sync')
  t.is(headers['x-content-type-options'], 'nosniff')
})

test('routes by converters, and redirects to the slash', async (t) => {
  const { ask } = await start(t)
  t.deepEqual((await ask('/article/2025/r%C3%A9sum%C3%A9/')).json(), { year: 2025, title: 'résumé' })
  const redirect = await ask('/article/2025/x')
  t.is(redirect.status, 301)
  t.is(redirect.headers.location, '/article/2025/x/')
})

test('answers 404 and 500 with the project’s own pages', async (t) => {
  const { ask } = await start(t)
  t.like(await ask('/no/such/page'), { status: 404, text: '<h1>No such page: /no/such/page</h1>\n' })
  t.is((await ask('/boom/?forbidden=1')).status, 403)
  t.like(await ask('/boom/'), { status: 500, text: 'the newsroom is closed' })
  t.like(await ask('/boom/sync/'), { status: 500, text: 'the newsroom is closed' })
})

test('refuses a host that is not allowed', async (t) => {
  const { ask } = await start(t)
  t.is((await ask('/where/x/', { headers: { host: 'evil.example' } })).status, 400)
})

test('knows where it is served', async (t) => {
  const { url, ask } = await start(t)
  t.deepEqual((await ask('/where/x/?q=1')).json(), {
    script_name: '',
    path_info: '/where/x/',
    path: '/where/x/',
    absolute: `${url}/where/x/?q=1`,
    reversed: '/where/x/',
    host: new URL(url).host,
    client: '127.0.0.1',
    secure: false,
  })
})

test('takes the mount of Express for its script name', async (t) => {
  const { url } = await serve(t, express().use('/news', handler.middleware))
  t.like((await request(`${url}/news/where/x/`)).json(), {
    script_name: '/news',
    path_info: '/where/x/',
    path: '/news/where/x/',
    absolute: `${url}/news/where/x/`,
    reversed: '/news/where/x/',
  })
  t.is((await request(`${url}/news/article/2025/x`)).headers.location, '/news/article/2025/x/')
  t.regex((await request(`${url}/news/form/`)).text, /action="\/news\/form\/"/)
  // The prefix is one of the request, not of the process.
  const { ask } = await start(t)
  t.like((await ask('/where/x/')).json(), { script_name: '', reversed: '/where/x/' })
})

test('takes the option rootPath for its script name', async (t) => {
  const python = createHandler(t, {
    app: 'apps.django_newsroom.asgi:app',
    lifespan: 'auto',
    rootPath: '/proxied',
    logger,
  })
  const { url } = await serve(t, python.listener)
  t.like((await request(`${url}/proxied/where/x/`)).json(), { script_name: '/proxied', path_info: '/where/x/' })
})

test('takes a form with its CSRF token, and none without', async (t) => {
  const { ask } = await start(t)
  const page = await ask('/form/?name=%3CAda%3E')
  t.true(page.text.includes('Hello &lt;Ada&gt;'))
  const cookie = valuesOf(page.rawHeaders, 'set-cookie')[0]?.split(';')[0] ?? ''
  t.regex(cookie, /^csrftoken=/)
  const token = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(page.text)?.[1] ?? ''

  t.is((await ask('/form/', form({ title: 'x' }))).status, 403)
  t.is((await ask('/form/', form({ title: 'x', csrfmiddlewaretoken: 'forged' }, { cookie }))).status, 403)
  const posted = await ask('/form/', form({ title: 'Tea & más', csrfmiddlewaretoken: token }, { cookie }))
  t.is(posted.status, 302)
  t.is(posted.headers.location, '/article/2025/Tea%20&%20m%C3%A1s/')
  t.deepEqual((await ask(String(posted.headers.location))).json(), { year: 2025, title: 'Tea & más' })
})

test('sets, signs and deletes cookies', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/cookies/', { headers: { cookie: 'a=1; b="two"; old=x' } })
  t.deepEqual(answer.json(), { a: '1', b: 'two', old: 'x' })
  const set = valuesOf(answer.rawHeaders, 'set-cookie')
  t.is(set.length, 3)
  const [theme, visitor, old] = ['theme', 'visitor', 'old'].map((name) => set.find((cookie) => cookie.startsWith(name)))
  t.regex(String(theme), /^theme=dark; expires=.*; Max-Age=60; Path=\/; SameSite=Lax$/)
  t.regex(String(visitor), /^visitor="?ada:.*; HttpOnly; Path=\/$/)
  t.regex(String(old), /^old=""; expires=Thu, 01 Jan 1970/)
})

test('counts visits in a session', async (t) => {
  const { ask } = await start(t)
  let cookie = ''
  for (let visits = 1; visits <= 3; visits++) {
    const answer = await ask('/visits/', { headers: { cookie } })
    t.deepEqual(answer.json(), { visits })
    cookie = valuesOf(answer.rawHeaders, 'set-cookie')[0]?.split(';')[0] ?? ''
  }
})

test('reads a big body, also in chunks', async (t) => {
  const { url, ask } = await start(t)
  const body = randomBytes(4_000_000)
  const expected = { length: body.length, sha256: sha256(body) }
  t.deepEqual((await ask('/raw/', { method: 'POST', body })).json(), expected)
  const pieces = new ReadableStream({
    start(controller) {
      for (let at = 0; at < body.length; at += 100_000) controller.enqueue(body.subarray(at, at + 100_000))
      controller.close()
    },
  })
  const streamed = await fetch(`${url}/raw/`, { method: 'POST', body: pieces, duplex: 'half' })
  t.deepEqual(await streamed.json(), expected)
})

test('refuses a body above its own limit', async (t) => {
  const { ask } = await start(t)
  t.is((await ask('/raw/', { method: 'POST', body: Buffer.alloc(5_000_001) })).status, 400)
})

test('takes uploads, in memory and on disk', async (t) => {
  const { url } = await start(t)
  const big = randomBytes(3_000_000)
  const body = new FormData()
  body.append('report', new Blob([big], { type: 'application/pdf' }), 'báo cáo.pdf')
  body.append('note', new Blob(['small']), 'note.txt')
  body.append('caption', 'two files')
  const response = await fetch(`${url}/upload/`, { method: 'POST', body })
  t.deepEqual(await response.json(), {
    files: [
      {
        field: 'report',
        name: 'báo cáo.pdf',
        size: big.length,
        type: 'application/pdf',
        'on disk': true,
        sha256: sha256(big),
      },
      {
        field: 'note',
        name: 'note.txt',
        size: 5,
        type: 'application/octet-stream',
        'on disk': true,
        sha256: sha256(Buffer.from('small')),
      },
    ],
    fields: { caption: 'two files' },
  })
})

test('streams from an async iterator as it goes', async (t) => {
  const { url } = await start(t)
  const name = unique()
  const response = await requestHead(`${url}/stream/async/${name}/`)
  const chunks = response[Symbol.asyncIterator]()
  t.is(String((await chunks.next()).value), 'first\n')
  await probe.tell(`${name}:go`)
  t.is(String((await chunks.next()).value), 'second\n')
  t.true((await chunks.next()).done)
})

test('streams from a plain iterator', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/stream/sync/5000/')
  t.is(answer.headers['content-disposition'], 'attachment; filename=lines.txt')
  t.is(answer.text, Array.from({ length: 5000 }, (_, number) => `line ${number}\n`).join(''))
})

test('compresses by Django’s GZipMiddleware, whole and streamed', async (t) => {
  const { ask } = await start(t)
  const headers = { 'accept-encoding': 'gzip' }
  const page = await ask('/page/', { headers })
  t.is(page.headers['content-encoding'], 'gzip')
  t.is(page.headers['content-length'], String(page.body.length))
  t.is(gunzipSync(page.body).toString(), '<p>All the news of the day.</p>'.repeat(1000))
  const streamed = await ask('/stream/sync/5000/', { headers })
  t.is(streamed.headers['content-encoding'], 'gzip')
  t.is(gunzipSync(streamed.body).toString().split('\n').length, 5001)
})

test('sends a file', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/file/')
  const content = await readFile(join(fixtures, 'apps/django_newsroom/templates/form.html'))
  t.is(answer.headers['content-length'], String(content.length))
  t.is(answer.headers['content-disposition'], 'attachment; filename="form.html"')
  t.deepEqual(answer.body, content)
})

test('answers HEAD without a body on a connection that stays usable', async (t) => {
  const { ask } = await start(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let count = 0; count < 3; count++) {
    t.like(await ask('/form/', { method: 'HEAD', agent }), { status: 200, text: '' })
    t.like((await ask('/', { agent })).json(), { method: 'GET' })
  }
})

for (const how of ['reset', 'leave'] as const) {
  test(`cancels an async view whose client goes (${how})`, async (t) => {
    const { port } = await start(t)
    const name = unique()
    const client = await RawConnection.open(t, port)
    client.write(`GET /slow/${name}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    await probe.wait(`${name}:waiting`)
    const left = performance.now()
    client[how]()
    await probe.wait(`${name}:cancelled`)
    t.true(performance.now() - left < PATIENCE)
  })
}

test('ends a stream whose client goes, and runs its finally', async (t) => {
  const { url } = await start(t)
  const name = unique()
  const response = await requestHead(`${url}/stream/endless/${name}/`)
  await probe.wait(`${name}:ticking`)
  const left = performance.now()
  response.destroy()
  await probe.wait(`${name}:finally`)
  const took = performance.now() - left
  t.true(took < PATIENCE, `${took} ms`)
})

test('with DEBUG, served by the command line, shows its error page and its 404 page', async (t) => {
  const { url } = await serveByCommand(t, 'apps.django_newsroom.asgi_debug:app')
  const error = await request(`${url}/boom/`, { headers: { accept: 'text/html' } })
  t.is(error.status, 500)
  t.true(error.text.includes('<title>ValueError\n          at /boom/</title>'))
  t.true(error.text.includes('an async view broke'))
  t.true(error.text.includes('fixtures/apps/django_newsroom/views.py'))
  const missing = await request(`${url}/no/such/page`)
  t.is(missing.status, 404)
  t.true(missing.text.includes('Using the URLconf defined in <code>apps.django_newsroom.urls</code>'))
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})
