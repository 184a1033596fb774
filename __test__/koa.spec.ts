import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import type { PythonHandler } from '../index.js'
import { koa } from '../lib/koa.js'
import { request, requestHead } from './helpers/client.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, DO_NOT_START, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/koa`, on Koa and koa-mount.

interface Context {
  req: IncomingMessage
  res: ServerResponse
  originalUrl: string
  path: string
  state: Record<string, unknown>
  body: unknown
  status: number
  respond?: boolean
  set(name: string, value: string): void
  cookies: { set(name: string, value: string): void }
}
type Handler = (context: Context, next: () => Promise<unknown>) => unknown
interface App {
  use(handler: Handler): App
  on(event: 'error', listener: (error: Error & { code?: string }, context: Context) => void): App
  callback(): (request: IncomingMessage, response: ServerResponse) => void
}

/** It is in a project of its own. */
const host = createRequire(fileURLToPath(new URL('hosts/koa/package.json', import.meta.url)))
const Koa = host('koa') as new () => App
const mount = host('koa-mount') as (prefix: string, handler: Handler) => Handler

const quiet = (app: string) => shareHandler({ app, logger: new Recorder() })
const fastapi = shareHandler('fastapi_app:app')
const scope = shareHandler('scope:app')
const echo = shareHandler('echo:app')
const cookies = shareHandler('cookies:app')
const responses = quiet('responses:app')
const events = quiet('stream:server_sent')
const disconnect = quiet('disconnect:app')
const error = quiet('error:app')
const webSocket = shareHandler('websocket_app:app')
const falls = shareHandler({ app: 'falls:app', fallthrough: true })
const probe = shareProbe()

const serve = (t: ExecutionContext, app: App) => listen(t, createServer(app.callback()))
const mountedAt = (python: PythonHandler, prefix = '/api') => new Koa().use(koa(python, { prefix }))

type Seen = Record<string, unknown>
const look = async (url: string) => {
  const found = (await request(url)).json() as Seen
  return [found['root_path'], found['path']]
}

test('the app is mounted, and the rest goes on to Koa', async (t) => {
  const app = mountedAt(scope).use((ctx) => {
    ctx.body = `Koa: ${ctx.path}`
  })
  const { url } = await serve(t, app)
  t.deepEqual(await look(`${url}/api/a%20b?x=1`), ['/api', '/api/a b'])
  t.deepEqual(await look(`${url}/api`), ['/api', '/api/'])
  t.deepEqual(await look(`${url}/api?x`), ['/api', '/api/'])
  t.is((await request(`${url}/apis`)).text, 'Koa: /apis')
  t.is((await request(url)).text, 'Koa: /')
})

test('below koa-mount the prefix is what it has cut off, nested as well', async (t) => {
  const app = new Koa()
    .use(mount('/one', koa(scope)))
    .use(mount('/two/', koa(scope)))
    .use(mount('/a', mount('/b', koa(scope, { prefix: '/c' }))))
  const { url } = await serve(t, app)
  t.deepEqual(await look(`${url}/one/x?y`), ['/one', '/one/x'])
  t.deepEqual(await look(`${url}/one`), ['/one', '/one/'])
  t.deepEqual(await look(`${url}/one/one`), ['/one', '/one/one'])
  t.deepEqual(await look(`${url}/two/x`), ['/two', '/two/x'])
  t.deepEqual(await look(`${url}/a/b/c/d`), ['/a/b/c', '/a/b/c/d'])
})

test('a rewrite is no mount', async (t) => {
  const app = new Koa()
    .use((ctx, next) => {
      ctx.req.url = '/x'
      return next()
    })
    .use(koa(scope))
  const { url } = await serve(t, app)
  t.deepEqual(await look(`${url}/old/x`), ['', '/x'])
})

test('middleware finds the context as it was, when the response is over', async (t) => {
  const seen: unknown[] = []
  const app = new Koa()
    .use(async (ctx, next) => {
      await next()
      seen.push(ctx.path, ctx.status, ctx.res.writableFinished)
    })
    .use(koa(echo, { prefix: '/api' }))
  const { url } = await serve(t, app)
  await request(`${url}/api/x`, { method: 'POST', body: 'x' })
  t.deepEqual(seen, ['/api/x', 200, true])
})

test('FastAPI finds its own pages below the mount', async (t) => {
  const { url } = await serve(t, mountedAt(fastapi))
  t.regex((await request(`${url}/api/docs`)).text, /'\/api\/openapi\.json'/)
  t.is((await request(`${url}/api/nothing-here`)).status, 404)
})

test('bodies of all sizes go both ways', async (t) => {
  const { url } = await serve(t, mountedAt(echo))
  for (const size of [0, 1, 70_000, 20 * 2 ** 20]) {
    const body = Buffer.alloc(size, 'abc')
    const answer = await request(`${url}/api/`, { method: 'POST', body })
    t.true(answer.body.equals(body), String(size))
  }
})

test('HEAD has the headers of the app and no body', async (t) => {
  const { url } = await serve(t, new Koa().use(koa(responses)))
  const answer = await request(`${url}/with_length`, { method: 'HEAD' })
  t.is(answer.headers['content-length'], '5')
  t.is(answer.text, '')
})

test('headers of middleware are kept, and cookies of both', async (t) => {
  const app = new Koa()
    .use((ctx, next) => {
      ctx.set('access-control-allow-origin', 'https://a.test')
      ctx.cookies.set('host', '1')
      return next()
    })
    .use(koa(cookies))
  const { headers } = await request((await serve(t, app)).url)
  t.is(headers['access-control-allow-origin'], 'https://a.test')
  t.deepEqual(headers['set-cookie']?.map((cookie) => cookie.split('=')[0]).toSorted(), ['host', 'python', 'second'])
})

test('a stream arrives piece by piece, and its app hears when the client leaves', async (t) => {
  const { url } = await serve(t, new Koa().use(mount('/events', koa(events))).use(koa(disconnect)))
  const name = unique()
  await probe.tell(`${name}:0`)
  const streamed = await requestHead(`${url}/events/${name}`)
  for (const n of [0, 1, 2]) {
    await probe.tell(`${name}:${n}`)
    const [piece] = (await once(streamed, 'data')) as [Buffer]
    t.is(piece.toString(), `data: ${n}\n\n`)
  }
  const left = await requestHead(`${url}/idle_during?${name}`)
  await probe.wait(`${name}:idle`)
  left.destroy()
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test("an error goes to the middleware in front, and to Koa's error event", async (t) => {
  const told: unknown[] = []
  const caught: unknown[] = []
  const app = new Koa()
    .use(async (_, next) => {
      try {
        await next()
      } catch (thrown) {
        caught.push((thrown as Error).message)
        throw thrown
      }
    })
    .use(koa(error))
    .on('error', (thrown) => told.push(thrown.message))
  const answer = await request(`${(await serve(t, app)).url}/before`)
  t.is(answer.status, 500)
  t.is(answer.text, 'Internal Server Error')
  t.deepEqual([told, caught], [['before the response'], ['before the response']])
})

test('middleware may answer an error itself', async (t) => {
  const app = new Koa()
    .use(async (ctx, next) => {
      await Promise.resolve(next()).catch((thrown: Error) => {
        ctx.status = 502
        ctx.body = `Koa: ${thrown.message}`
      })
    })
    .use(koa(error))
  const answer = await request(`${(await serve(t, app)).url}/before`)
  t.is(answer.status, 502)
  t.is(answer.text, 'Koa: before the response')
})

test('an error that stands for a status has it', async (t) => {
  const bounded = createHandler(t, { app: 'echo:app', maxBodySize: 5, logger: new Recorder() })
  const codes: unknown[] = []
  const app = mountedAt(bounded).on('error', ({ code }) => codes.push(code))
  const { url } = await serve(t, app)
  t.is((await request(`${url}/api/`, { method: 'POST', body: 'longer' })).status, 413)
  const closed = createHandler(t, 'echo:app')
  await closed.close()
  const other = await serve(
    t,
    mountedAt(closed).on('error', ({ code }) => codes.push(code)),
  )
  t.is((await request(`${other.url}/api/`)).status, 503)
  t.deepEqual(codes, ['AMPHIS_ERR_BODY_TOO_LARGE', 'AMPHIS_ERR_CLOSED'])
})

for (const [what, options, expected] of DO_NOT_START) {
  test(`${what} is an error of every request, and the rest of Koa goes on`, async (t) => {
    const broken = createHandler(t, { ...options, logger: new Recorder() })
    const codes: unknown[] = []
    const app = mountedAt(broken).use((ctx) => {
      ctx.body = 'Koa'
    })
    const { url } = await serve(
      t,
      app.on('error', ({ code }) => codes.push(code)),
    )
    for (let n = 0; n < 2; n++) t.is((await request(`${url}/api/`, { method: 'POST', body: 'x' })).status, 500)
    t.deepEqual(codes, [expected, expected])
    t.is((await request(url)).text, 'Koa')
  })
}

test('a client that leaves in the middle of its upload is a disconnect; Koa hears what Node says of it, and no more', async (t) => {
  const told: unknown[] = []
  const app = new Koa().use(koa(disconnect)).on('error', ({ code }) => told.push(code))
  const { port } = await serve(t, app)
  const name = unique()
  const connection = await RawConnection.open(t, port)
  connection.write(`POST /upload?${name} HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nsome`)
  await probe.wait(`${name}:idle`)
  connection.leave()
  const messages = (await probe.wait(`${name}:message`)) as [string, number][]
  t.is(messages.at(-1)![0], 'http.disconnect')
  t.false(
    told.some((code) => String(code).startsWith('AMPHIS_')),
    String(told),
  )
})

test('a body that middleware has read is an error that says so', async (t) => {
  const codes: unknown[] = []
  const app = new Koa()
    .use(async (ctx, next) => {
      for await (const _ of ctx.req);
      await next()
    })
    .use(koa(echo))
    .on('error', ({ code }) => codes.push(code))
  t.is((await request((await serve(t, app)).url, { method: 'POST', body: 'x' })).status, 500)
  t.deepEqual(codes, ['AMPHIS_ERR_BODY_CONSUMED'])
})

test('WebSockets go by attach', async (t) => {
  const { server, port } = await serve(t, mountedAt(webSocket))
  webSocket.attach(server, { path: '/api' })
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/echo`)
  await once(socket, 'open')
  socket.send('hello')
  const [message] = (await once(socket, 'message')) as [Buffer]
  t.is(message.toString(), 'hello')
  socket.close()
  await once(socket, 'close')
})

test('the app finds what Koa knows of a request', async (t) => {
  const app = new Koa()
    .use((ctx, next) => {
      ctx.state['user'] = ctx.path.slice(1)
      return next()
    })
    .use(
      koa(scope, {
        context: async ({ state }: Context) => {
          if (state['user'] === 'nobody') throw Object.assign(new Error('nobody'), { status: 401, expose: true })
          return { user: state['user'] }
        },
      }),
    )
  const { url } = await serve(
    t,
    app.on('error', () => {}),
  )
  const { extensions } = (await request(`${url}/ada`)).json() as { extensions: Seen }
  t.deepEqual(extensions['amphis.context'], { user: 'ada' })
  const refused = await request(`${url}/nobody`)
  t.deepEqual([refused.status, refused.text], [401, 'nobody'])
})

test('what a handler that falls through does not have is the next middleware’s', async (t) => {
  const app = new Koa().use(koa(falls, { prefix: '/api' })).use((ctx) => {
    ctx.body = `Koa: ${ctx.path}`
  })
  const { url } = await serve(t, app)
  const answer = await request(`${url}/api/x`)
  t.deepEqual([answer.status, answer.text, answer.headers['x-python']], [200, 'Koa: /api/x', undefined])
  t.is((await request(`${url}/api/there`)).text, 'python')
  t.is((await request(`${url}/api/x`, { method: 'POST' })).status, 404)
})

test('what is none of its arguments is refused', (t) => {
  t.throws(() => koa(undefined as never), { code: 'AMPHIS_ERR_INVALID_OPTIONS', message: /takes a PythonHandler/ })
  t.throws(() => koa(scope, { prefx: '/api' } as never), { message: /Did you mean prefix/ })
  t.throws(() => koa(scope, { context: {} as never }), { message: /context of koa must be a function/ })
  t.throws(() => koa(scope, { prefix: 'api' }), { message: /must be a path/ })
})
