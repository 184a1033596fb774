import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import express, { type Request as ExpressRequest } from 'express'
import { WebSocket } from 'ws'
import { createServer as createPythonServer, PythonHandler, type AmphisError } from '../index.js'
import { contextText } from '../lib/base/request-context.js'
import { request } from './helpers/client.js'
import { openSession, request as http2Request } from './helpers/http2-client.js'
import { listen } from './helpers/listen.js'
import { blocksOf } from './helpers/markdown.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler, testOptions, type HandlerOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { scratchFolder } from './helpers/scratch.js'

// `context`: what the host knows of a request, as `scope['extensions']['amphis.context']`.

const scope = shareHandler('scope:app')
const probe = shareProbe()

interface Scope {
  extensions?: Record<string, unknown>
}
const contextOf = (found: unknown) => (found as Scope).extensions?.['amphis.context']

function asking(t: ExecutionContext, context: HandlerOptions['context'], app = 'scope:app') {
  const logger = new Recorder()
  return { logger, python: createHandler(t, { app, context, logger }) }
}

/** What a WebSocket is told, or the status that refuses it. */
async function opened(url: string): Promise<unknown> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'))
  const refused = once(socket, 'unexpected-response').then(([, response]) => {
    const { statusCode } = response as IncomingMessage
    socket.on('error', () => {})
    socket.terminate()
    return statusCode
  })
  const told = once(socket, 'message').then(([message]) => {
    socket.close()
    return contextOf(JSON.parse(String(message)))
  })
  // Whichever comes to nothing says so by an error.
  return Promise.any([refused, told])
}

class Refusal extends Error {
  readonly status = 401
}

test('the app finds what the host knows of each request, and of no other', async (t) => {
  const { python } = asking(t, ({ url }) =>
    url === '/nobody' ? undefined : { path: url, roles: ['a', null, 1.5, true] },
  )
  const { url } = await listen(t, createServer(python.listener))
  const paths = Array.from({ length: 50 }, (_, n) => (n % 5 === 0 ? '/nobody' : `/${n}`))
  const found = await Promise.all(paths.map(async (path) => contextOf((await request(url + path)).json())))
  t.deepEqual(
    found,
    paths.map((path) => (path === '/nobody' ? undefined : { path, roles: ['a', null, 1.5, true] })),
  )
})

test('a promise is awaited, before Python starts and after', async (t) => {
  const { python } = asking(t, async ({ url }) => {
    await probe.wait(url!.slice(1))
    return { name: url }
  })
  const { url } = await listen(t, createServer(python.listener))
  for (const name of [unique(), unique()]) {
    const answer = request(`${url}/${name}`, { method: 'POST', body: 'kept until then' })
    await probe.tell(name)
    t.deepEqual(contextOf((await answer).json()), { name: `/${name}` })
  }
})

test('a body waits for the promise whole', async (t) => {
  const { python } = asking(t, () => new Promise((resolve) => setImmediate(() => resolve({}))), 'echo:app')
  const { url } = await listen(t, createServer(python.listener))
  for (const size of [0, 5, 3 * 2 ** 20]) {
    const body = Buffer.alloc(size, 'abc')
    t.true((await request(url, { method: 'POST', body })).body.equals(body), String(size))
  }
})

test("Express' own request is what the function gets, with what its middleware has put there", async (t) => {
  interface WithUser extends ExpressRequest {
    user?: { id: number }
  }
  const python = new PythonHandler<{ user: { id: number } | null }>({
    ...testOptions('scope:app'),
    context: (req: WithUser) => ({ user: req.user ?? null }),
  })
  t.teardown(() => python.close())
  const app = express()
    .use((req: WithUser, _res, next) => {
      if (req.query['id'] !== undefined) req.user = { id: Number(req.query['id']) }
      next()
    })
    .use('/api', python.middleware)
  const { url } = await listen(t, createServer(app))
  t.deepEqual(contextOf((await request(`${url}/api/x?id=7`)).json()), { user: { id: 7 } })
  t.deepEqual(contextOf((await request(`${url}/api/x`)).json()), { user: null })
})

test("what it throws is the host's error, and Python hears nothing of the request", async (t) => {
  const marks = unique()
  const { python, logger } = asking(t, ({ url }) => {
    if (url?.includes('later')) return Promise.reject(new Refusal('later'))
    if (url?.includes('string')) throw 'no error'
    throw new Refusal('at once')
  })
  const seen: unknown[] = []
  const app = express()
    .use(python.middleware)
    .use(((error: Error, _req, res, _next) => {
      seen.push(error.message)
      res.status((error as Refusal).status ?? 500).end()
    }) as express.ErrorRequestHandler)
  const { url } = await listen(t, createServer(app))
  t.is((await request(`${url}/${marks}`)).status, 401)
  t.is((await request(`${url}/later`)).status, 401)
  t.is((await request(`${url}/string`)).status, 500)
  t.deepEqual(seen.slice(0, 2), ['at once', 'later'])
  t.regex(String(seen[2]), /threw a string and no error: no error/)
  // Not even started.
  t.is(python.versions, undefined)
  const bare = await listen(t, createServer(python.listener))
  const answer = await request(`${bare.url}/x`)
  t.deepEqual([answer.status, answer.text], [401, 'Unauthorized'])
  t.is((await request(`${bare.url}/string`)).status, 500)
  // A refusal is the rule.
  t.deepEqual(logger.errors().length, 1)
})

test('a WebSocket asks with its upgrade request, and is refused by what that throws', async (t) => {
  const { python } = asking(
    t,
    async ({ headers, url }) => {
      if (headers.cookie !== undefined) throw new Error('nobody says so')
      if (url?.includes('refuse')) throw new Refusal('no')
      return { url }
    },
    'websocket_app:app',
  )
  const { url } = await listen(t, createPythonServer(python))
  t.deepEqual(await opened(`${url}/show_scope`), { url: '/show_scope' })
  t.is(await opened(`${url}/show_scope?refuse`), 401)
  const own = await listen(t, createServer().on('upgrade', python.upgrade))
  t.deepEqual(await opened(`${own.url}/show_scope`), { url: '/show_scope' })
})

test('a server may have a function of its own for its WebSockets', async (t) => {
  const { python } = asking(t, () => ({ from: 'handler' }), 'websocket_app:app')
  const server = createServer()
  python.attach(server, { path: '/own', context: () => ({ from: 'attach' }) })
  python.attach(server, { path: '/its' })
  const { url } = await listen(t, server)
  t.deepEqual(await opened(`${url}/own/show_scope`), { from: 'attach' })
  t.deepEqual(await opened(`${url}/its/show_scope`), { from: 'handler' })
  t.throws(() => python.attach(server, { context: {} as never }), { message: /context of attach must be a function/ })
})

test('over HTTP/2 it is the same', async (t) => {
  const { python } = asking(t, ({ url }) => ({ url }))
  const { url } = await listen(t, createPythonServer(python, { http2: true }))
  const answer = await http2Request(await openSession(t, url), { ':path': '/x' })
  t.deepEqual(contextOf(answer.json()), { url: '/x' })
})

test('fetch and handle take it as a value', async (t) => {
  const given = { user: { name: 'Ada' } }
  const fetched = await scope.fetch(new Request('http://host.test/'), { context: given })
  t.deepEqual(contextOf(await fetched.json()), given)
  t.deepEqual(contextOf(await (await scope.handle({ url: '/', context: given })).json()), given)
  t.is(contextOf(await (await scope.handle({ url: '/' })).json()), undefined)
})

test('any text comes through, and none of it gets out of its place', async (t) => {
  const texts = ['\0', '\r\nx-evil: 1', 'é', '日本', '𝒳', '\u007F', '\u2028', '"}', '\\u0000', '']
  const given = { texts, [texts.join('')]: texts, ['__proto__x']: 1 }
  const found = (await (await scope.handle({ url: '/', headers: { a: 'b' }, context: given })).json()) as Scope & {
    headers: unknown[]
  }
  t.deepEqual(contextOf(found), given)
  t.is(found.headers.length, 1)
})

test('no header can put anything there', async (t) => {
  const { url } = await listen(t, createServer(scope.listener))
  const headers = { 'amphis.context': '{"user":"x"}', 'x-amphis-context': '{"user":"x"}' }
  t.is(contextOf((await request(url, { headers })).json()), undefined)
})

test('what the app changes is seen by no other request', async (t) => {
  const defaced = createHandler(t, { app: 'scope:defaced', context: () => ({ user: 'ada' }) })
  const { url } = await listen(t, createServer(defaced.listener))
  for (let n = 0; n < 3; n++) {
    t.deepEqual(contextOf((await request(url)).json()), { user: 'ada' })
  }
})

test('what JSON does not have is refused, and its place is named', (t) => {
  const round: Record<string, unknown> = {}
  round['self'] = { round }
  let deep: object = {}
  for (let n = 0; n < 200; n++) deep = { deep }
  const cases: [unknown, RegExp][] = [
    [{ a: [{ b: 1n }] }, /^context\.a\[0\]\.b is a bigint/],
    [{ a: { c: 1 }, roles: new Set(['admin']) }, /^context\.roles is of type Set/],
    [{ f: () => 1 }, /^context\.f is a function/],
    [{ n: NaN }, /^context\.n is NaN/],
    [{ p: Promise.resolve() }, /^context\.p is of type Promise/],
    [{ m: new Map(), x: 1 }, /^context\.m is of type Map/],
    [{ b: new Uint8Array(2) }, /^context\.b is of type Uint8Array/],
    [round, /contains itself/],
    [deep, /lies deeper than 100 levels/],
    [{ long: 'x'.repeat(70_000) }, /has 70011 characters as JSON, and 65536 are the most/],
    ['text', /^context must be an object/],
    [[1], /^context must be an object/],
    [{ toJSON: () => 'text' }, /must be an object/],
  ]
  for (const [value, message] of cases) {
    const error = t.throws(() => contextText(value)) as AmphisError
    t.is(error.code, 'AMPHIS_ERR_CONVERSION')
    t.regex(error.message, message)
  }
  const shared = { x: 1 }
  t.is(contextText({ a: shared, b: shared, c: undefined }), '{"a":{"x":1},"b":{"x":1}}')
  t.is(contextText({ at: new Date(0) }), '{"at":"1970-01-01T00:00:00.000Z"}')
})

test('a context that is refused fails its request alone', async (t) => {
  const { python, logger } = asking(t, ({ url }) => ({ value: url === '/bad' ? 1n : 1 }))
  const { url } = await listen(t, createServer(python.listener))
  t.is((await request(`${url}/bad`)).status, 500)
  t.deepEqual(contextOf((await request(url)).json()), { value: 1 })
  t.is(logger.errors().length, 1)
})

test('it is a function', (t) => {
  for (const context of [{}, 'user', 1]) {
    t.throws(() => new PythonHandler({ app: 'scope:app', context: context as never }), {
      code: 'AMPHIS_ERR_INVALID_OPTIONS',
      message: /context of PythonHandler must be a function/,
    })
  }
})

test('the dependency of docs/context.md knows the user, over HTTP and in WebSockets', async (t) => {
  const page = await readFile(new URL('../docs/context.md', import.meta.url), 'utf8')
  const main = blocksOf(page).find(({ language }) => language === 'python')!.text
  const appDir = await scratchFolder(t, { 'documented_context.py': main })
  const context = ({ headers }: IncomingMessage) =>
    headers.cookie === undefined ? undefined : { user: { name: headers.cookie } }
  const python = createHandler(t, { app: 'documented_context:app', appDir, context })
  const { url } = await listen(t, createPythonServer(python))
  t.deepEqual((await request(`${url}/me`, { headers: { cookie: 'ada' } })).json(), { name: 'ada' })
  t.is((await request(`${url}/me`)).status, 401)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/chat`, { headers: { cookie: 'ada' } })
  const [message] = (await once(socket, 'message')) as [Buffer]
  t.is(message.toString(), 'hello, ada')
  socket.close()
  t.is(await opened(`${url}/chat`), 403)
})
