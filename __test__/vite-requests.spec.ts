import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import test from 'ava'
import { WebSocket } from 'ws'
import { amphis } from '../lib/vite.js'
import { request } from './helpers/client.js'
import { RawConnection } from './helpers/raw-connection.js'
import { develop, preview, type Server, servers } from './helpers/vite.js'

// What becomes of requests in Vite's own servers: bad ones, and those that other plugins have had before.

// One after another: each has a Python of its own to start.
test.serial('development: a startup that fails is told of by each request', async (t) => {
  const failing = `
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
`
  const { url, server } = await develop(t, { 'main.py': failing }, { lifespan: 'on' })
  const logged = log(server)
  for (let n = 0; n < 2; n++) t.is((await request(`${url}/api/hello`)).status, 500)
  t.regex(logged.join(''), /no database/)
})

/** What is said to be wrong from now on. */
function log({ config }: Server): string[] {
  const logged: string[] = []
  config.logger.error = (text) => logged.push(text)
  return logged
}

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => unknown
interface Hook {
  middlewares: { use(middleware: Middleware): void }
}

/** A plugin of somebody else's that is asked before the app. */
function front(middleware: Middleware): object {
  // Connect's own function would be called once more, were it given back.
  const use = ({ middlewares }: Hook): void => {
    middlewares.use(middleware)
  }
  return { name: 'in front', enforce: 'pre', configureServer: use, configurePreviewServer: use }
}
const reader = front(async (asked, _answer, next) => {
  for await (const _ of asked);
  next()
})

test.serial(
  'development: a body that a plugin has read is an error that says so, not a request without an end',
  async (t) => {
    const { url, server } = await develop(t, {}, {}, [reader])
    const logged = log(server)
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
      t.is((await request(`${url}/api/digest`, { method: 'POST', body: 'x', headers })).status, 500)
    }
    t.is(logged.length, 2)
    for (const text of logged) t.regex(text, /The body of POST \/api\/digest was read before the Python app saw it/)
    t.is((await request(`${url}/api/hello`)).status, 200)
  },
)

test('preview: a body that a plugin has read is an error as well', async (t) => {
  const url = await preview(t, {}, [reader])
  const answer = await request(`${url}/api/digest`, { method: 'POST', body: 'x' })
  t.is(answer.status, 500)
  t.regex(answer.text, /The body of POST \/api\/digest was read before the Python app saw it/)
})

test.serial('development: a body that is too large is a 413', async (t) => {
  const { url } = await develop(t, {}, { maxBodySize: 3 })
  t.is((await request(`${url}/api/digest`, { method: 'POST', body: 'long' })).status, 413)
})

test.serial('development: clients that leave before the answer or in an upload are no error', async (t) => {
  const { url, server } = await develop(t)
  const logged = log(server)
  for (const head of ['POST /api/waits HTTP/1.1\r\nContent-Length: 100', 'GET /api/waits HTTP/1.1']) {
    const connection = await RawConnection.open(t, Number(new URL(url).port))
    connection.write(`${head}\r\nHost: localhost\r\n\r\n`)
    if (head.startsWith('POST')) connection.write('some')
    t.is((await request(`${url}/api/began`)).text, '"began"')
    connection.reset()
    t.is((await request(`${url}/api/left`)).text, '"left"')
  }
  t.deepEqual(logged, [])
})

for (const [name, serve] of Object.entries(servers)) {
  test.serial(
    `${name}: the app finds what the host knows of a request and of a WebSocket, and no client can say it`,
    async (t) => {
      const forged = { 'x-amphis-context': '{"user":"eve"}' }
      const heard = async (url: string, headers: Record<string, string>): Promise<unknown> => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/api/known`, { headers })
        t.teardown(() => socket.terminate())
        return JSON.parse(String((await once(socket, 'message'))[0])) as unknown
      }
      const context = async ({ headers }: IncomingMessage) => {
        if (headers['x-user'] === 'nobody') throw Object.assign(new Error('nobody'), { status: 401 })
        return { user: `${String(headers['x-user'])} é`, long: 'x'.repeat(60_000) }
      }
      const url = await serve(t, { context })
      const known = { user: 'ada é', long: 'x'.repeat(60_000) }
      const ada = { 'x-user': 'ada' }
      t.deepEqual((await request(`${url}/api/known`, { headers: { ...ada, ...forged } })).json(), known)
      t.deepEqual(await heard(url, { ...ada, ...forged }), known)
      t.true((await request(`${url}/api/known`, { headers: { 'x-user': 'nobody' } })).status >= 400)
      await t.throwsAsync(heard(url, { 'x-user': 'nobody' }), { message: /401/ })

      const without = await serve(t, {})
      t.is((await request(`${without}/api/known`, { headers: forged })).json(), null)
      t.is(await heard(without, forged), null)
    },
  )

  test.serial(`${name}: headers of other plugins are kept, and cookies of both`, async (t) => {
    const url = await serve(t, {}, [
      front((_asked, answer, next) => {
        answer.setHeader('set-cookie', 'node=1')
        answer.setHeader('vary', 'x-tenant')
        answer.setHeader('x-host', '1')
        answer.setHeader('etag', '"another"')
        next()
      }),
    ])
    const { headers } = await request(`${url}/api/hello`)
    t.deepEqual(
      headers['set-cookie']?.map((cookie) => cookie.split('=')[0]),
      ['node', 'one', 'two'],
    )
    t.deepEqual([headers['x-host'], headers['etag'], headers['content-type']], ['1', undefined, 'application/json'])
    t.regex(headers['vary'] ?? '', /x-tenant/)
    t.regex(headers['vary'] ?? '', /accept/)
  })

  test.serial(`${name}: what a handler that falls through does not have is Vite’s`, async (t) => {
    const url = await serve(t, { fallthrough: true })
    const headers = { accept: 'text/html' }
    const answer = await request(`${url}/api/nothing-here`, { headers })
    t.deepEqual([answer.status, answer.text.includes('<p id="hello">')], [200, true])
    t.is((await request(`${url}/api/hello`, { headers })).status, 200)
    t.is((await request(`${url}/api/nothing-here`, { method: 'POST', headers })).text, '{"detail":"Not Found"}')
    const body = { body: 'x', headers: { ...headers, 'content-length': '1' } }
    t.is((await request(`${url}/api/nothing-here`, body)).text, '{"detail":"Not Found"}')
  })
}

test('what is wrong with the options is said at once, with the nearest name', (t) => {
  const wrong = { code: 'AMPHIS_ERR_INVALID_OPTIONS' }
  t.throws(() => amphis({ ap: 'main:app' } as object), { ...wrong, message: /no option ap of amphis\/vite/ })
  t.throws(() => amphis({ app: 'main' }), { ...wrong, message: /main:app/ })
  t.throws(() => amphis({ app: 'main:app', path: 'api' }), { ...wrong, message: /path of amphis\/vite must be a path/ })
  t.throws(() => amphis({ app: 'main:app', path: '/' }), { ...wrong, message: /path of amphis\/vite must be a path/ })
  const withLogger = { app: 'main:app', logger: console } as { app: string }
  t.throws(() => amphis({ app: withLogger }), { ...wrong, message: /logger is no option of amphis\/vite/ })
  t.throws(() => amphis({ app: { app: 'main:app', appdir: 'x' } as { app: string } }), { ...wrong, message: /appDir/ })
})
