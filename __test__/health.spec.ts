import { once } from 'node:events'
import { connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2'
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import test from 'ava'
import { createServer } from '../index.js'
import { request } from './helpers/client.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler } from './helpers/python.js'

const probe = shareProbe()
const paths = { healthPath: '/healthz', readyPath: '/readyz' }

test('tells of the process and of the app, from before its start to its end', async (t) => {
  const handler = createHandler(t, { app: 'limits:app', limitConcurrency: 1 })
  const { url } = await listen(t, createServer(handler, paths))
  const ask = async () => {
    const answers = await Promise.all([request(`${url}/healthz`), request(`${url}/readyz?verbose`)])
    return answers.map(({ status, text }) => `${status} ${text.trim()}`)
  }
  t.false(handler.available)
  t.deepEqual(await ask(), ['200 ok', '503 not ready'])
  // Being asked has not started it.
  t.is(handler.versions, undefined)
  await handler.ready()
  t.deepEqual(await ask(), ['200 ok', '200 ready'])

  const name = unique()
  const held = request(`${url}/hold/${name}`)
  await probe.wait(`${name}:started`)
  t.false(handler.available)
  t.deepEqual(await ask(), ['200 ok', '503 not ready'])
  const closing = handler.close()
  await probe.tell(`${name}:go`)
  t.is((await held).status, 200)
  t.deepEqual(await ask(), ['200 ok', '503 not ready'])
  await closing
  t.deepEqual(await ask(), ['200 ok', '503 not ready'])
})

test('leaves all other paths to the app, and asks for nothing unless it is told a path', async (t) => {
  const handler = createHandler(t, 'served:app')
  const guarded = await listen(t, createServer(handler, paths))
  t.is((await request(`${guarded.url}/healthz/scope`)).status, 200)
  const plain = await listen(t, createServer(handler))
  const { headers } = await request(`${plain.url}/healthz`)
  t.not(headers['cache-control'], 'no-store')
  const { headers: own, text } = await request(`${guarded.url}/healthz`, { method: 'HEAD' })
  t.is(own['cache-control'], 'no-store')
  t.is(text, '')
  // What is sent along is not kept.
  t.is((await request(`${guarded.url}/healthz`, { method: 'POST', body: 'x'.repeat(1_000_000) })).status, 200)
})

test('its headers are stronger than those of the server', async (t) => {
  const headers = { 'Cache-Control': 'max-age=60', 'content-type': 'text/html', 'x-extra': '1' }
  const { url } = await listen(t, createServer(createHandler(t, 'served:app'), { ...paths, headers }))
  for (const path of Object.values(paths)) {
    const answer = await request(url + path)
    t.is(answer.headers['cache-control'], 'no-store')
    t.is(answer.headers['content-type'], 'text/plain; charset=utf-8')
    t.is(answer.headers['x-extra'], '1')
  }
})

test('answers over HTTP/2', async (t) => {
  const handler = createHandler(t, 'served:app')
  const { url } = await listen(t, createServer(handler, { ...paths, http2: true }))
  const session = connect(url)
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/readyz' })
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & IncomingHttpStatusHeader]
  t.is(headers[':status'], 503)
})

for (const [options, message] of [
  [{ healthPath: 'healthz' }, `Option healthPath must be a path, such as '/healthz', but it is "healthz".`],
  [{ readyPath: '/ready?x' }, `Option readyPath must be a path, such as '/healthz', but it is "/ready?x".`],
  [{ healthPath: '/z', readyPath: '/z' }, `healthPath and readyPath must differ, but both are "/z".`],
] as const) {
  test(`refuses ${JSON.stringify(options)}`, (t) => {
    const handler = createHandler(t, 'served:app')
    t.throws(() => createServer(handler, options), { code: 'AMPHIS_ERR_INVALID_OPTIONS', message })
  })
}

test("a ping is answered once Python's event loop turns again", async (t) => {
  const handler = createHandler(t, 'production:app')
  await handler.ping()
  const holder = createSocketServer().listen(0, '127.0.0.1')
  t.teardown(() => holder.close())
  await once(holder, 'listening')
  const answer = handler.handle({ url: `/held/${(holder.address() as AddressInfo).port}` })
  const [socket] = (await once(holder, 'connection')) as [Socket]
  let isLetGo = false
  const ping = handler.ping().then(() => isLetGo)
  // Long enough for an answer that did not wait.
  await after(100)
  isLetGo = true
  socket.end('x')
  t.true(await ping)
  t.is((await answer).status, 200)
  await handler.close()
  await t.throwsAsync(handler.ping(), { code: 'AMPHIS_ERR_CLOSED' })
})
