import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import type { AmphisError } from '../index.js'
import { amphis, type FastifyPluginOptions, type FastifyScope } from '../lib/fastify.js'
import { request, requestHead } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, DO_NOT_START, shareHandler, testOptions } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/fastify`, on Fastify with its plugins for CORS and WebSockets.

interface Reply {
  header(name: string, value: string): Reply
  code(status: number): Reply
  send(payload: unknown): Reply
}
type Plugin<Options> = (scope: FastifyScope & App, options: Options, ...rest: never[]) => unknown
interface App {
  server: Server
  register<Options>(plugin: Plugin<Options>, options?: Options): App
  get(path: string, handler: (...args: never[]) => unknown): App
  get(path: string, options: object, handler: (...args: never[]) => unknown): App
  post(path: string, handler: (request: { body: unknown }) => unknown): App
  addHook(name: string, hook: (request: { raw: IncomingMessage & { url: string } }, reply: Reply) => Promise<void>): App
  setErrorHandler(handler: (error: AmphisError, request: unknown, reply: Reply) => void): App
  setNotFoundHandler(handler: (request: unknown, reply: Reply) => void): App
  inject(options: object): Promise<{ statusCode: number; payload: string; json(): unknown }>
  listen(options: object): Promise<string>
  ready(): Promise<void>
  close(): Promise<void>
}

/** It is in a project of its own. */
const host = createRequire(fileURLToPath(new URL('hosts/fastify/package.json', import.meta.url)))
const fastify = host('fastify') as (options?: object) => App
const cors = host('@fastify/cors') as Plugin<object>
const webSockets = host('@fastify/websocket') as Plugin<object>

const quiet = (app: string) => shareHandler({ app, logger: new Recorder() })
const scope = shareHandler('scope:app')
const echo = shareHandler('echo:app')
const cookies = shareHandler('cookies:app')
const responses = quiet('responses:app')
const events = quiet('stream:server_sent')
const disconnect = quiet('disconnect:app')
const error = quiet('error:app')
const webSocket = quiet('websocket_app:app')
const falls = shareHandler({ app: 'falls:app', fallthrough: true })
const probe = shareProbe()

function create(t: ExecutionContext): App {
  const app = fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  return app
}

const serve = (app: App) => app.listen({ port: 0, host: '127.0.0.1' })
const mounted = (t: ExecutionContext, options: FastifyPluginOptions) => serve(create(t).register(amphis, options))

type Seen = Record<string, unknown>
const look = async (url: string) => {
  const found = (await request(url)).json() as Seen
  return [found['root_path'], found['path']]
}

test('an app by its name starts with Fastify and closes with it', async (t) => {
  const app = create(t).register(amphis, { app: testOptions('fastapi_app:app'), prefix: '/api' })
  const url = await serve(app)
  t.regex((await request(`${url}/api/docs`)).text, /'\/api\/openapi\.json'/)
  t.is((await request(`${url}/api/nothing-here`)).status, 404)
  await app.close()
})

for (const [what, options, code] of DO_NOT_START) {
  test(`${what} keeps Fastify from starting`, async (t) => {
    const app = fastify().register(amphis, { app: { ...testOptions(options), logger: new Recorder() } })
    await t.throwsAsync(app.ready(), { code })
  })

  test(`${what} in a handler of one’s own is an error of every request, and the rest of Fastify goes on`, async (t) => {
    const broken = createHandler(t, { ...options, logger: new Recorder() })
    const app = create(t).get('/own', () => 'from Fastify')
    app.setErrorHandler((thrown, _, reply) => reply.code(502).send({ code: thrown.code }))
    const url = await serve(app.register(amphis, { python: broken, prefix: '/api' }))
    for (let n = 0; n < 2; n++) {
      const answer = await request(`${url}/api/`, { method: 'POST', body: 'x' })
      t.deepEqual([answer.status, answer.json()], [502, { code }])
    }
    t.is((await request(`${url}/own`)).text, 'from Fastify')
  })
}

test('the app is mounted below all prefixes, and the rest stays with Fastify', async (t) => {
  const app = create(t)
  app.get('/', () => 'from Fastify')
  app.register(amphis, { python: scope, prefix: '/api' })
  app.register((below: FastifyScope & App) => below.register(amphis, { python: scope, prefix: '/py' }), {
    prefix: '/v1',
  })
  const url = await serve(app)
  t.is((await request(url)).text, 'from Fastify')
  t.deepEqual(await look(`${url}/api/a%20b?x=1`), ['/api', '/api/a b'])
  t.deepEqual(await look(`${url}/api`), ['/api', '/api/'])
  t.deepEqual(await look(`${url}/api?x`), ['/api', '/api/'])
  t.deepEqual(await look(`${url}/v1/py/x`), ['/v1/py', '/v1/py/x'])
  t.is((await request(`${url}/elsewhere`)).status, 404)
})

test('without a prefix it has what no other route has', async (t) => {
  const app = create(t).get('/own', () => 'from Fastify')
  const url = await serve(app.register(amphis, { python: scope }))
  t.is((await request(`${url}/own`)).text, 'from Fastify')
  t.deepEqual(await look(`${url}/x`), ['', '/x'])
})

test('bodies of all types and sizes are the app’s; those of other routes are parsed', async (t) => {
  const app = create(t)
  app.post('/own', ({ body }) => body)
  const url = await serve(app.register(amphis, { python: echo, prefix: '/api' }))
  for (const type of ['application/json', 'multipart/form-data; boundary=x', 'text/plain', 'a/b', undefined]) {
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
    const answer = await request(`${url}/api/`, { method: 'POST', body: '{"a": 1', headers })
    t.is(answer.text, '{"a": 1', type)
  }
  const body = Buffer.alloc(20 * 2 ** 20, 'abc')
  t.true((await request(`${url}/api/`, { method: 'PUT', body })).body.equals(body))
  const headers = { 'content-type': 'application/json' }
  t.deepEqual((await request(`${url}/own`, { method: 'POST', body: '{"a":1}', headers })).json(), { a: 1 })
})

test('HEAD has the headers of the app and no body', async (t) => {
  const url = await mounted(t, { python: responses })
  const answer = await request(`${url}/with_length`, { method: 'HEAD' })
  t.is(answer.headers['content-length'], '5')
  t.is(answer.text, '')
})

test('headers of hooks and plugins are kept, and cookies of both; hooks see the whole url', async (t) => {
  const seen: string[] = []
  const app = create(t)
    .register(cors, { origin: 'https://a.test' })
    .addHook('onRequest', async (_, reply) => {
      reply.header('x-hook', '1').header('set-cookie', 'host=1')
    })
    .addHook('preHandler', async (_, reply) => {
      reply.header('vary', 'origin')
    })
    .addHook('onResponse', async ({ raw }) => {
      seen.push(raw.url)
    })
  const url = await serve(app.register(amphis, { python: cookies, prefix: '/api' }))
  const { headers } = await request(`${url}/api/x`, { headers: { origin: 'https://a.test' } })
  t.is(headers['access-control-allow-origin'], 'https://a.test')
  t.is(headers['x-hook'], '1')
  t.regex(headers.vary ?? '', /origin.*accept/i)
  const names = headers['set-cookie']?.map((one) => one.split('=')[0])
  t.deepEqual(names?.toSorted(), ['host', 'python', 'second'])
  await request(`${url}/api/y`)
  t.is(seen[0], '/api/x')
})

test('a stream arrives piece by piece, and its app hears when the client leaves', async (t) => {
  const url = await serve(
    create(t).register(amphis, { python: events, prefix: '/events' }).register(amphis, { python: disconnect }),
  )
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

test('a client that leaves, before the answer or in the middle of its upload, is a disconnect and no error', async (t) => {
  const told: unknown[] = []
  const app = create(t).get('/own', () => 'from Fastify')
  app.setErrorHandler((thrown, _, reply) => {
    told.push(thrown)
    reply.send('')
  })
  const url = await serve(app.register(amphis, { python: disconnect, prefix: '/api' }))
  for (const head of ['POST /api/upload?NAME HTTP/1.1\r\nContent-Length: 100', 'GET /api/idle_before?NAME HTTP/1.1']) {
    const name = unique()
    const connection = await RawConnection.open(t, Number(new URL(url).port))
    connection.write(`${head.replace('NAME', name)}\r\nHost: test\r\n\r\n`)
    if (head.startsWith('POST')) connection.write('some')
    await probe.wait(`${name}:idle`)
    connection.reset()
    t.regex(JSON.stringify(await probe.wait(`${name}:message`)), /http\.disconnect/)
  }
  t.is((await request(`${url}/own`)).text, 'from Fastify')
  t.deepEqual(told, [])
})

test('a body that a hook has read is an error that says so', async (t) => {
  const app = create(t)
  app.addHook('onRequest', async ({ raw }) => {
    for await (const _ of raw);
  })
  app.setErrorHandler(({ code }, _, reply) => reply.code(500).send({ code }))
  const url = await serve(app.register(amphis, { python: echo }))
  const answer = await request(url, { method: 'POST', body: 'x' })
  t.deepEqual([answer.status, answer.json()], [500, { code: 'AMPHIS_ERR_BODY_CONSUMED' }])
})

test('an error goes to the error handler', async (t) => {
  const app = create(t).setErrorHandler((thrown, _, reply) => {
    reply.code(502).send({ told: thrown.message })
  })
  const answer = await request(`${await serve(app.register(amphis, { python: error }))}/before`)
  t.is(answer.status, 502)
  t.deepEqual(answer.json(), { told: 'before the response' })
})

test('an error that stands for a status has it, also without an error handler', async (t) => {
  const bounded = createHandler(t, { app: 'echo:app', maxBodySize: 5, logger: new Recorder() })
  const url = await mounted(t, { python: bounded })
  const answer = await request(url, { method: 'POST', body: 'longer' })
  t.is(answer.status, 413)
  t.is((answer.json() as { code: string }).code, 'AMPHIS_ERR_BODY_TOO_LARGE')
  await bounded.close()
  t.is((await request(url)).status, 503)
})

test('inject() needs no server', async (t) => {
  const app = create(t).register(amphis, { python: echo, prefix: '/api' })
  const answer = await app.inject({ method: 'POST', url: '/api/x', payload: { a: 1 } })
  t.is(answer.statusCode, 200)
  t.is(answer.payload, '{"a":1}')
})

async function talk(url: string): Promise<string> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  await once(socket, 'open')
  socket.send('hello')
  const [message] = (await once(socket, 'message')) as [Buffer]
  socket.close()
  await once(socket, 'close')
  return message.toString()
}

test('WebSockets below the prefix are the app’s', async (t) => {
  t.is(await talk(`${await mounted(t, { python: webSocket, prefix: '/api' })}/api/echo`), 'hello')
})

test('… beside those of @fastify/websocket', async (t) => {
  const app = create(t).register(webSockets)
  app.register((own: App) => {
    own.get('/own', { websocket: true }, (socket: WebSocket) => {
      socket.on('message', () => socket.send('from Fastify'))
    })
    return Promise.resolve()
  })
  const url = await serve(app.register(amphis, { python: webSocket, prefix: '/api' }))
  t.is(await talk(`${url}/own`), 'from Fastify')
  t.is(await talk(`${url}/api/echo`), 'hello')
  // Also where the app refuses it.
  await t.throwsAsync(talk(`${url}/api/nowhere`))
})

test('closing Fastify ends WebSockets and the app that it has started', async (t) => {
  const app = create(t).register(amphis, { app: testOptions('websocket_app:app'), prefix: '/api' })
  const { port } = new URL(await serve(app))
  t.is((app.server.address() as AddressInfo).port, Number(port))
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/echo`)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  await app.close()
  t.is((await closed)[0], 1012)
})

test('the app finds what Fastify knows of a request, by hooks of its own', async (t) => {
  type Known = { headers: Record<string, string>; raw: IncomingMessage; user?: string }
  const app = create(t)
  app.addHook('onRequest', async (req) => {
    ;(req as unknown as Known).user = (req as unknown as Known).headers['x-token']!
  })
  app.setErrorHandler((thrown, _request, reply) => reply.code(401).send({ fastify: thrown.message }))
  app.register(amphis, {
    python: scope,
    prefix: '/api',
    context: ({ user }: Known) => {
      if (user === 'thrown') throw new Error('at once')
      return user === 'rejected' ? Promise.reject(new Error('later')) : Promise.resolve({ user })
    },
  })
  const url = await serve(app)
  const ask = (token: string) => request(`${url}/api/x`, { method: 'POST', body: '{', headers: { 'x-token': token } })
  const { extensions } = (await ask('ada')).json() as { extensions: Seen }
  t.deepEqual(extensions['amphis.context'], { user: 'ada' })
  t.deepEqual((await ask('thrown')).json(), { fastify: 'at once' })
  t.deepEqual((await ask('rejected')).json(), { fastify: 'later' })
})

test('WebSockets ask the function of the handler', async (t) => {
  const context = ({ url }: IncomingMessage) => ({ url })
  const app = create(t).register(amphis, { app: { ...testOptions('websocket_app:app'), context }, prefix: '/api' })
  const { port } = new URL(await serve(app))
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/show_scope`)
  const [message] = (await once(socket, 'message')) as [Buffer]
  const { extensions } = JSON.parse(message.toString()) as { extensions: Seen }
  t.deepEqual(extensions['amphis.context'], { url: '/api/show_scope' })
  socket.close()
  await once(socket, 'close')
})

test('what a handler that falls through does not have is Fastify’s not-found handler’s', async (t) => {
  const app = create(t)
  app.setNotFoundHandler((_request, reply) => reply.code(200).send('Fastify'))
  app.register(amphis, { python: falls, prefix: '/api' })
  const url = await serve(app)
  const answer = await request(`${url}/api/x`)
  t.deepEqual([answer.status, answer.text, answer.headers['x-python']], [200, 'Fastify', undefined])
  t.is((await request(`${url}/api/there`)).text, 'python')
  t.is((await request(`${url}/api/x`, { method: 'POST' })).status, 404)
})

test('what is none of its options is refused', async (t) => {
  const told = async (options: object) => {
    const thrown = await t.throwsAsync(fastify().register(amphis, options).ready(), {
      code: 'AMPHIS_ERR_INVALID_OPTIONS',
    })
    return thrown.message
  }
  t.regex(await told({}), /one of app and python/)
  t.regex(await told({ ap: 'main:app' }), /Did you mean app/)
  t.regex(await told({ python: scope, websockets: false }), /Did you mean webSockets/)
})
