import { readFile, stat } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { type Answer, type RequestOptions, request, requestHead, valuesOf } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const logger = new Recorder()
const handler = shareHandler({ app: 'apps.starlette_gallery.main:app', lifespan: 'on', pathsend: true, logger })
const plain = shareHandler({ app: 'apps.starlette_gallery.main:plain', lifespan: 'on', pathsend: true, logger })
const zipped = shareHandler({ app: 'apps.starlette_gallery.main:zipped', lifespan: 'on', pathsend: true, logger })
const probe = shareProbe()

async function start(t: ExecutionContext, python = handler) {
  const { url } = await serve(t, python.listener)
  const folder = (await request(`${url}/folder`)).text
  return {
    url,
    folder,
    ask: (path: string, options?: RequestOptions) => request(`${url}${path}`, options),
    file: (name: string) => readFile(join(folder, name)),
  }
}

const gzip = { 'accept-encoding': 'gzip' }

const PATHSEND = ['http.response.start', 'http.response.pathsend']

test('lifespan state is there in every request, and each has a copy of its own', async (t) => {
  const { ask } = await start(t)
  const first = (await ask('/')).json() as { visits: number; pictures: string[]; mine: null }
  const second = (await ask('/')).json() as { visits: number; mine: null }
  t.true(first.pictures.includes('picture.bin'))
  t.true(second.visits > first.visits)
  t.is(second.mine, null)
})

/** The cookies of an answer, as a client sends them back. */
const cookiesOf = (answer: Answer) =>
  valuesOf(answer.rawHeaders, 'set-cookie')
    .map((cookie) => cookie.split(';')[0])
    .join('; ')

test('a session lives in a signed cookie from login to logout', async (t) => {
  const { url, ask } = await start(t)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  t.is((await ask('/me')).status, 401)
  const login = await ask('/login', { method: 'POST', headers, body: 'user=Ada+L%C3%B8velace' })
  t.is(login.status, 303)
  t.is(login.headers.location, `${url}/me`)
  t.regex(String(login.headers['set-cookie']), /^session=[^;]+; path=\/; Max-Age=3600; httponly; samesite=lax$/)

  const liked = await ask('/like/teapot', { method: 'POST', headers: { cookie: cookiesOf(login) } })
  t.is(liked.status, 204)
  const me = await ask('/me', { headers: { cookie: cookiesOf(liked) } })
  t.deepEqual(me.json(), { user: 'Ada Løvelace', likes: ['teapot'] })

  const forged = cookiesOf(liked).replace(/=./, '=X')
  t.is((await ask('/me', { headers: { cookie: forged } })).status, 401)

  const logout = await ask('/logout', { method: 'POST', headers: { cookie: cookiesOf(liked) } })
  t.regex(String(logout.headers['set-cookie']), /^session=null; .*expires=Thu, 01 Jan 1970/i)
})

test('a session works below a mount of Express', async (t) => {
  const { url } = await serve(t, express().use('/gallery', handler.middleware))
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const login = await request(`${url}/gallery/login`, { method: 'POST', headers, body: 'user=Bob' })
  t.is(login.headers.location, `${url}/gallery/me`)
  const me = await request(`${url}/gallery/me`, { headers: { cookie: cookiesOf(login) } })
  t.like(me.json(), { user: 'Bob' })
})

test('GZip compresses one big body', async (t) => {
  // BaseHTTPMiddleware below it would have made a stream of it.
  const { ask } = await start(t, zipped)
  const answer = await ask('/catalogue', { headers: gzip })
  t.is(answer.headers['content-encoding'], 'gzip')
  t.is(answer.headers['content-length'], String(answer.body.length))
  t.is(answer.headers.vary, 'Accept-Encoding')
  t.is(gunzipSync(answer.body).toString(), '<p>A painting of a teapot.</p>'.repeat(4_000))
  const bare = await ask('/catalogue')
  t.is(bare.headers['content-encoding'], undefined)
  t.is(bare.text, gunzipSync(answer.body).toString())
})

test('GZip compresses a streamed body', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/tour', { headers: gzip })
  t.is(answer.headers['content-encoding'], 'gzip')
  t.is(answer.headers['transfer-encoding'], 'chunked')
  t.is(gunzipSync(answer.body).toString(), (await ask('/tour')).text)
})

test('a streamed body is not held back until it is whole', async (t) => {
  const { url } = await start(t)
  const name = unique()
  const response = await requestHead(`${url}/live`, { headers: { 'x-name': name } })
  let text = ''
  for await (const chunk of response) {
    // The app goes on once a part of the first piece is here.
    if (text === '') await probe.tell(`${name}:go`)
    text += String(chunk)
  }
  t.is(text, `${'first '.repeat(1000)}second`)
})

test('CORS answers preflights and marks what the origin may read', async (t) => {
  const { ask } = await start(t)
  const origin = 'https://example.org'
  const preflight = await ask('/files/picture.bin', {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'x-name' },
  })
  t.is(preflight.status, 200)
  t.like(preflight.headers, {
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-max-age': '60',
  })
  t.regex(String(preflight.headers['access-control-allow-methods']), /DELETE/)
  const strange = await ask('/', {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
  })
  t.is(strange.status, 400)
  const answer = await ask('/', { headers: { origin } })
  t.is(answer.headers['access-control-allow-origin'], origin)
  t.is(answer.headers['access-control-expose-headers'], 'server-timing')
})

for (const [what, python] of [
  ['without middleware', plain],
  ['through GZip', zipped],
  ['through CORS, sessions, GZip and BaseHTTPMiddleware', handler],
] as const) {
  test(`StaticFiles sends paths, not bytes, ${what}`, async (t) => {
    const { ask, file } = await start(t, python)
    for (const [path, on] of [
      ['picture.bin', 'picture.bin'],
      ['empty.txt', 'empty.txt'],
      ['gr%C3%B6%C3%9Fe.txt', 'größe.txt'],
      ['rooms/', 'rooms/index.html'],
    ] as const) {
      const name = unique()
      const answer = await ask(`/files/${path}`, { headers: { ...gzip, 'x-name': name } })
      const content = await file(on)
      t.is(answer.status, 200)
      t.is(answer.headers['content-length'], String(content.length))
      t.is(answer.headers['content-encoding'], undefined)
      t.true(answer.body.equals(content), path)
      t.deepEqual(await probe.marks(`${name}:outer`), PATHSEND, path)
    }
  })

  test(`FileResponse sends its path, a name and runs its background task, ${what}`, async (t) => {
    const { ask, file } = await start(t, python)
    const name = unique()
    const answer = await ask('/download', { headers: { 'x-name': name } })
    t.true(answer.body.equals(await file('picture.bin')))
    t.is(answer.headers['content-disposition'], "attachment; filename*=utf-8''%C3%96lbild.bin")
    await probe.wait(`${name}:sent`)
    t.deepEqual(await probe.marks(`${name}:outer`), PATHSEND)
  })
}

test('BaseHTTPMiddleware around a path still adds its header', async (t) => {
  const { ask } = await start(t)
  const name = unique()
  const answer = await ask('/files/picture.bin', { headers: { 'x-name': name } })
  t.regex(String(answer.headers['server-timing']), /^app;dur=/)
  t.deepEqual(await probe.marks(`${name}:inner`), PATHSEND)
})

test('a FileResponse with a relative path is sent', async (t) => {
  const { ask, file } = await start(t, plain)
  const name = unique()
  const answer = await ask('/relative', { headers: { 'x-name': name } })
  t.is(answer.status, 200)
  t.true(answer.body.equals(await file('catalogue.txt')))
  t.deepEqual(await probe.marks(`${name}:outer`), PATHSEND)
})

test('a file that is lost before it is sent is a 500, and the error names it', async (t) => {
  const own = new Recorder()
  const python = createHandler(t, {
    app: 'apps.starlette_gallery.main:plain',
    lifespan: 'off',
    pathsend: true,
    logger: own,
  })
  const { ask } = await start(t, python)
  const name = unique()
  t.is((await ask('/lost', { headers: { 'x-name': name } })).status, 500)
  t.like(await own.waitForError(), { type: 'FileNotFoundError' })
  t.true((await own.waitForError()).message.includes(name))
  t.deepEqual(await probe.marks(`${name}:outer`), PATHSEND)
})

test('HEAD of a file has its headers and no body', async (t) => {
  const { ask, folder } = await start(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const { size } = await stat(join(folder, 'picture.bin'))
  for (let count = 0; count < 3; count++) {
    const head = await ask('/files/picture.bin', { method: 'HEAD', agent })
    t.like(head, { status: 200, text: '' })
    t.is(head.headers['content-length'], String(size))
    t.is((await ask('/files/picture.bin', { agent })).body.length, size)
  }
})

test('a file that the client has is 304, by its ETag and by its date', async (t) => {
  const { ask } = await start(t)
  const answer = await ask('/files/catalogue.txt')
  const { etag, 'last-modified': date } = answer.headers
  for (const headers of [{ 'if-none-match': String(etag) }, { 'if-modified-since': String(date) }] as Record<
    string,
    string
  >[]) {
    const again = await ask('/files/catalogue.txt', { headers })
    t.like(again, { status: 304, text: '' })
    t.is(again.headers.etag, etag)
    t.is(again.headers['content-length'], undefined)
  }
  t.is((await ask('/files/catalogue.txt', { headers: { 'if-none-match': '"other"' } })).status, 200)
})

test('ranges of a file are sent as such', async (t) => {
  const { ask, file } = await start(t)
  const content = await file('picture.bin')
  for (const [range, from, to] of [
    ['bytes=0-0', 0, 1],
    ['bytes=100-299999', 100, 300_000],
    [`bytes=${content.length - 10}-`, content.length - 10, content.length],
    ['bytes=-5', content.length - 5, content.length],
  ] as const) {
    const answer = await ask('/files/picture.bin', { headers: { range } })
    t.is(answer.status, 206)
    t.is(answer.headers['content-range'], `bytes ${from}-${to - 1}/${content.length}`)
    t.true(answer.body.equals(content.subarray(from, to)), range)
  }
  const beyond = await ask('/files/picture.bin', { headers: { range: `bytes=${content.length}-` } })
  t.is(beyond.status, 416)
  t.is(beyond.headers['content-range'], `bytes */${content.length}`)
})

test('several ranges are a multipart body', async (t) => {
  const { ask, file } = await start(t)
  const content = await file('picture.bin')
  const answer = await ask('/files/picture.bin', { headers: { range: 'bytes=0-9,500-509' } })
  t.is(answer.status, 206)
  t.regex(String(answer.headers['content-type']), /^multipart\/byteranges; boundary=/)
  t.true(answer.body.includes(content.subarray(0, 10)))
  t.true(answer.body.includes(content.subarray(500, 510)))
})

test('If-Range with another ETag sends the whole file', async (t) => {
  const { ask, file } = await start(t)
  const answer = await ask('/files/picture.bin', { headers: { range: 'bytes=0-9', 'if-range': '"other"' } })
  t.is(answer.status, 200)
  t.is(answer.body.length, (await file('picture.bin')).length)
})

test('what is not there is the app’s own 404 page', async (t) => {
  const { ask } = await start(t)
  t.like(await ask('/files/none.bin'), { status: 404, text: '<h1>No such picture</h1>' })
  t.is((await ask('/files/..%2F..%2Fetc/passwd')).status, 404)
  t.is((await ask('/files/rooms')).headers.location?.endsWith('/files/rooms/'), true)
})

test('a client that leaves in the middle of a file disturbs nobody', async (t) => {
  const { url, ask } = await start(t, plain)
  const name = unique()
  const response = await requestHead(`${url}/files/picture.bin`, { headers: { 'x-name': name } })
  response.destroy()
  t.is((await ask('/files/picture.bin')).body.length, 256 * 12_000)
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})
