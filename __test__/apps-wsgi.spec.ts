import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { type RequestOptions, request, valuesOf } from './helpers/client.js'
import { fixtures, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const logger = new Recorder()
const flask = shareHandler({ app: 'apps.flask_bakery.main:app', lifespan: 'auto', logger })
const django = shareHandler({ app: 'apps.django_newsroom.wsgi:app', lifespan: 'auto', logger })

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')
const json = { 'content-type': 'application/json' }

async function start(t: ExecutionContext, handler: typeof flask) {
  const { url } = await serve(t, handler.listener)
  return { url, ask: (path: string, options?: RequestOptions) => request(`${url}${path}`, options) }
}

test('Flask answers from a thread, with what was asked', async (t) => {
  const { ask, url } = await start(t, flask)
  t.deepEqual((await ask('/?tag=a&tag=%C3%A9')).json(), { method: 'GET', tags: ['a', 'é'], main: false })
  const order = { items: [{ price: 2 }, { price: 3 }] }
  const created = await ask('/orders', { method: 'POST', headers: json, body: JSON.stringify(order) })
  t.is(created.status, 201)
  t.deepEqual(created.json(), { order, total: 5 })
  const redirected = await ask('/old')
  t.is(redirected.status, 302)
  t.is(redirected.headers.location, '/')
  t.is((await ask('/page?name=%3CAda%3E')).text, '<h1>Hello &lt;Ada&gt;</h1>')
  t.like((await ask('/where/r%C3%A9gal')).json(), {
    name: 'régal',
    script_root: '',
    path: '/where/régal',
    url: `${url}/where/régal`,
    client: '127.0.0.1',
    secure: false,
  })
})

test('Flask below a mount of Express makes its URLs with the prefix', async (t) => {
  const { url } = await serve(t, express().use('/api', flask.middleware))
  t.like((await request(`${url}/api/where/rye?x=1`)).json(), {
    script_root: '/api',
    path: '/where/rye',
    url: `${url}/api/where/rye?x=1`,
    reversed: '/api/where/rye',
    external: `${url}/api/where/rye`,
  })
  t.is((await request(`${url}/api/old`)).headers.location, '/api/')
  t.is((await request(`${url}/api/none`)).text, 'We do not bake /none.')
})

test('Flask takes uploads of 10 MB, as a form and chunked', async (t) => {
  const { ask, url } = await start(t, flask)
  const photo = randomBytes(10_000_000)
  const form = new FormData()
  form.set('name', 'rye')
  form.set('photo', new File([photo], 'loaf.jpg'))
  const uploaded = await fetch(`${url}/form`, { method: 'POST', body: form })
  const seen = { length: photo.length, sha256: sha256(photo) }
  t.deepEqual(await uploaded.json(), { name: 'rye', file: 'loaf.jpg', ...seen })
  t.deepEqual((await ask('/raw', { method: 'POST', body: photo })).json(), seen)
  const options = { method: 'POST', body: new Blob([photo]).stream(), duplex: 'half' } as RequestInit
  t.deepEqual(await (await fetch(`${url}/raw`, options)).json(), seen)
})

test('Flask streams 10 MB and sends files', async (t) => {
  const { ask } = await start(t, flask)
  const expected = Buffer.concat(Array.from({ length: 160 }, (_, index) => Buffer.alloc(65_536, index % 256)))
  const streamed = await ask('/stream/10')
  t.is(sha256(streamed.body), sha256(expected))
  t.is(streamed.headers['content-length'], undefined)
  const file = await readFile(join(fixtures, 'apps/flask_bakery/main.py'), 'utf8')
  const whole = await ask('/file')
  t.is(whole.text, file)
  const part = await ask('/file', { headers: { range: 'bytes=3-9' } })
  t.is(part.status, 206)
  t.is(part.text, file.slice(3, 10))
  t.is((await ask('/file', { headers: { 'if-none-match': String(whole.headers.etag) } })).status, 304)
})

test('Flask keeps a session in its cookie, and serves many clients at a time', async (t) => {
  const { ask } = await start(t, flask)
  const first = await ask('/visits')
  const cookie = valuesOf(first.rawHeaders, 'set-cookie')[0]?.split(';')[0] ?? ''
  t.is((await ask('/visits', { headers: { cookie } })).json(), 2)
  const threads = await Promise.all(Array.from({ length: 30 }, async () => (await ask('/slow')).json()))
  t.true(new Set(threads).size > 1)
})

test('Flask answers errors with pages of its own', async (t) => {
  const { ask } = await start(t, flask)
  t.like(await ask('/bread'), { status: 404, text: 'We do not bake /bread.' })
  t.is((await ask('/teapot')).status, 418)
  const broken = await ask('/boom')
  t.is(broken.status, 500)
  t.regex(broken.text, /Internal Server Error/)
  t.deepEqual(logger.at('error'), [])
})

test("Django's WSGI application answers, async views too", async (t) => {
  const { ask, url } = await start(t, django)
  t.like((await ask('/?tag=a')).json(), { method: 'GET', query: ['a'] })
  t.like((await ask('/sync/')).json(), { 'main thread': false, 'thread of the middleware': true })
  t.deepEqual((await ask('/article/2025/r%C3%A9sum%C3%A9/')).json(), { year: 2025, title: 'résumé' })
  t.like((await ask('/where/x/?q=1')).json(), {
    script_name: '',
    path: '/where/x/',
    absolute: `${url}/where/x/?q=1`,
    client: '127.0.0.1',
  })
  t.like(await ask('/boom/sync/'), { status: 500, text: 'the newsroom is closed' })
  t.like(await ask('/no/such/page'), { status: 404, text: '<h1>No such page: /no/such/page</h1>\n' })
})

test("Django's WSGI application takes the mount of Express for its script name", async (t) => {
  const { url } = await serve(t, express().use('/news', django.middleware))
  t.like((await request(`${url}/news/where/x/`)).json(), {
    script_name: '/news',
    path_info: '/where/x/',
    path: '/news/where/x/',
    reversed: '/news/where/x/',
  })
  t.is((await request(`${url}/news/article/2025/x`)).headers.location, '/news/article/2025/x/')
})

test("Django's WSGI application takes uploads and streams", async (t) => {
  const { ask, url } = await start(t, django)
  const data = randomBytes(10_000_000)
  const form = new FormData()
  form.set('title', 'news')
  form.set('photo', new File([data], 'front.jpg', { type: 'image/jpeg' }))
  const uploaded = (await (await fetch(`${url}/upload/`, { method: 'POST', body: form })).json()) as object
  t.deepEqual(uploaded, {
    files: [
      {
        field: 'photo',
        name: 'front.jpg',
        size: data.length,
        type: 'image/jpeg',
        'on disk': true,
        sha256: sha256(data),
      },
    ],
    fields: { title: 'news' },
  })
  const { text } = await ask('/stream/sync/20000/')
  t.is(text, Array.from({ length: 20_000 }, (_, line) => `line ${line}\n`).join(''))
})
