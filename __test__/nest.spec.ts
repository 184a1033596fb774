import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import type { HandlerOptions } from './helpers/python.js'
import { AmphisModule, type AmphisModuleOptions } from '../lib/nest.js'
import { PythonHandler } from '../lib/python-handler.js'
import { request, requestHead } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { DO_NOT_START, testOptions } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/nest`, on Nest with Express and with Fastify.

type Type = new (...args: never[]) => object
interface App {
  setGlobalPrefix(prefix: string): App
  enableCors(options: object): void
  useGlobalFilters(...filters: object[]): App
  enableShutdownHooks(): App
  use(middleware: (...args: never[]) => unknown): App
  get(token: unknown, options?: object): unknown
  listen(port: number, host: string): Promise<Server>
  getHttpServer(): Server
  close(): Promise<void>
  inject?(options: object): Promise<{ statusCode: number; payload: string }>
}
interface Execution {
  switchToHttp(): { getRequest(): unknown; getResponse(): unknown }
}

/** It is in a project of its own. */
const host = createRequire(fileURLToPath(new URL('hosts/nest/package.json', import.meta.url)))
host('reflect-metadata')
const common = host('@nestjs/common') as {
  Module(metadata: object): (type: Type) => void
  Controller(path: string): (type: Type) => void
  Injectable(): (type: Type) => void
  Get(path: string): (target: object, name: string, descriptor: PropertyDescriptor) => void
  Post(path: string): (target: object, name: string, descriptor: PropertyDescriptor) => void
  Body(): (target: object, name: string, index: number) => void
  UnauthorizedException: new () => Error
}
const { NestFactory } = host('@nestjs/core') as { NestFactory: { create(type: Type, ...rest: object[]): Promise<App> } }
const { FastifyAdapter } = host('@nestjs/platform-fastify') as { FastifyAdapter: new (options?: object) => object }

const platforms = {
  Express: (): object[] => [],
  Fastify: (): object[] => [new FastifyAdapter({ forceCloseConnections: true })],
}

const probe = shareProbe()

/** Nest notes what it is told of a class, which has nothing of its own. */
const emptyClass = () =>
  class {
    readonly isEmpty = true
  }

/** What tells whom it lets in, and by what it was injected with. */
class Users {
  readonly known = new Set(['ada'])
}
common.Injectable()(Users)
const UsersModule = emptyClass()
common.Module({ providers: [Users], exports: [Users] })(UsersModule)
class Guard {
  readonly #users: Users
  constructor(users: Users) {
    this.#users = users
  }
  canActivate(execution: Execution): boolean {
    const asked = execution.switchToHttp().getRequest() as { headers: Record<string, string>; user?: object }
    const name = asked.headers['x-user'] ?? ''
    if (!this.#users.known.has(name)) throw new common.UnauthorizedException()
    asked.user = { name }
    return true
  }
}
common.Injectable()(Guard)
const { defineMetadata } = Reflect as unknown as { defineMetadata(key: string, value: unknown, type: Type): void }
defineMetadata('design:paramtypes', [Users], Guard)

class Home {
  home() {
    return 'Nest'
  }
  parsed(body: unknown) {
    return { parsed: body }
  }
}
common.Controller('home')(Home)
for (const [name, decorate] of [
  ['home', common.Get('')],
  ['parsed', common.Post('')],
] as const) {
  decorate(Home.prototype, name, Object.getOwnPropertyDescriptor(Home.prototype, name)!)
}
common.Body()(Home.prototype, 'parsed', 0)

interface Setup {
  options?: Partial<AmphisModuleOptions>
  python?: Partial<HandlerOptions>
  prepare?: (app: App) => void
}

async function serve(t: ExecutionContext, platform: object[], app: string, { options, python, prepare }: Setup = {}) {
  const Root = emptyClass()
  const logger = new Recorder()
  const module = AmphisModule.forRoot({ app: { ...testOptions(app), logger, ...python }, path: '/api', ...options })
  common.Module({ imports: [module], controllers: [Home] })(Root)
  const nest = await NestFactory.create(Root, ...platform, { logger: false, abortOnError: false })
  t.teardown(() => nest.close())
  prepare?.(nest)
  await nest.listen(0, '127.0.0.1')
  const { port } = nest.getHttpServer().address() as AddressInfo
  return { nest, logger, url: `http://127.0.0.1:${port}` }
}

type Caught = Error & { code?: string; statusCode?: number }

/** An exception filter of one's own, which notes what it gets. */
const catching = (caught: Caught[]) => ({
  catch(error: Caught, execution: Execution) {
    caught.push(error)
    const response = execution.switchToHttp().getResponse() as { status(code: number): { send(text: string): void } }
    response.status(error.statusCode ?? 599).send('filtered')
  },
})

interface Seen {
  root_path: string
  path: string
  extensions: Record<string, unknown>
}
const look = async (url: string) => {
  const found = (await request(url)).json() as Seen
  return [found.root_path, found.path]
}

for (const [name, platform] of Object.entries(platforms)) {
  test(`${name}: the app is mounted below the global prefix, and the rest stays with Nest`, async (t) => {
    const { url } = await serve(t, platform(), 'scope:app')
    t.deepEqual(await look(`${url}/api/a%20b?x=1`), ['/api', '/api/a b'])
    t.deepEqual(await look(`${url}/api`), ['/api', '/api/'])
    t.deepEqual(await look(`${url}/api/`), ['/api', '/api/'])
    t.deepEqual(await look(`${url}/api/api/x/`), ['/api', '/api/api/x/'])
    t.is((await request(`${url}/home`)).text, 'Nest')
    t.is((await request(`${url}/apis`)).status, 404)
    const prefixed = await serve(t, platform(), 'scope:app', { prepare: (app) => app.setGlobalPrefix('v1/x') })
    t.deepEqual(await look(`${prefixed.url}/v1/x/api/y`), ['/v1/x/api', '/v1/x/api/y'])
    t.is((await request(`${prefixed.url}/api/y`)).status, 404)
  })

  test(`${name}: FastAPI finds its own pages`, async (t) => {
    const { url } = await serve(t, platform(), 'fastapi_app:app', { prepare: (app) => app.setGlobalPrefix('v1') })
    t.regex((await request(`${url}/v1/api/docs`)).text, /'\/v1\/api\/openapi\.json'/)
  })

  test(`${name}: bodies of all types and sizes are the app's; those of controllers are parsed`, async (t) => {
    const { url } = await serve(t, platform(), 'echo:app')
    for (const type of [
      'application/json',
      'text/plain',
      'application/x-www-form-urlencoded',
      'image/png',
      undefined,
    ]) {
      for (const size of [0, 1, 200_000]) {
        const body = Buffer.alloc(size, '{"a')
        const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
        const answer = await request(`${url}/api/x`, { method: 'POST', body, headers })
        t.is(answer.status, 200)
        t.true(answer.body.equals(body), `${type} ${size}`)
      }
    }
    const big = Buffer.alloc(20 * 2 ** 20, 'abc')
    const headers = { 'transfer-encoding': 'chunked', 'content-type': 'application/json' }
    t.true((await request(`${url}/api/x`, { method: 'PUT', body: big, headers })).body.equals(big))
    const json = { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } }
    t.deepEqual((await request(`${url}/home`, json)).json(), { parsed: { a: 1 } })
  })

  test(`${name}: the app gets the headers as they came`, async (t) => {
    const { url } = await serve(t, platform(), 'scope:app')
    const headers = { 'content-type': 'application/json', 'x-a': '1' }
    const found = (await request(`${url}/api/x`, { method: 'POST', body: '{}', headers })).json() as {
      headers: { tuple: [{ bytes: string }, { bytes: string }] }[]
    }
    const pairs = new Set(found.headers.map(({ tuple: [key, value] }) => `${key.bytes}: ${value.bytes}`))
    for (const line of ['content-type: application/json', 'content-length: 2', 'x-a: 1']) t.true(pairs.has(line))
  })

  test(`${name}: guards run before the app, which knows the user that they have found`, async (t) => {
    const { url } = await serve(t, platform(), 'scope:app', {
      options: {
        guards: [Guard],
        imports: [UsersModule],
        context: (asked: { user?: object }) => ({ user: asked.user }),
      },
    })
    const found = (await request(`${url}/api/x`, { headers: { 'x-user': 'ada' } })).json() as Seen
    t.deepEqual(found.extensions['amphis.context'], { user: { name: 'ada' } })
    const refused = await request(`${url}/api/x`, { method: 'POST', body: '{}', headers: { 'x-user': 'eve' } })
    t.is(refused.status, 401)
    t.deepEqual(refused.json(), { message: 'Unauthorized', statusCode: 401 })
  })

  test(`${name}: errors go to the exception filters, with the status that they stand for`, async (t) => {
    const caught: Caught[] = []
    const filtered = await serve(t, platform(), 'error:before', {
      prepare: (app) => app.useGlobalFilters(catching(caught)),
    })
    const failed = await request(`${filtered.url}/api/before`)
    t.deepEqual([failed.status, failed.text], [599, 'filtered'])
    t.deepEqual(
      caught.map(({ message }) => message),
      ['before the response'],
    )
    const { url } = await serve(t, platform(), 'echo:app', { python: { maxBodySize: 5 } })
    const tooLarge = await request(`${url}/api/x`, { method: 'POST', body: 'longer' })
    t.is(tooLarge.status, 413)
    t.is((tooLarge.json() as { statusCode: number }).statusCode, 413)
  })

  test(`${name}: a body that middleware has read is an error that says so`, async (t) => {
    const caught: Caught[] = []
    const { url } = await serve(t, platform(), 'echo:app', {
      prepare: (app) =>
        app.useGlobalFilters(catching(caught)).use(async (asked: IncomingMessage, _: unknown, next: () => void) => {
          for await (const _piece of asked);
          next()
        }),
    })
    const answer = await request(`${url}/api/x`, { method: 'POST', body: '{}' })
    t.deepEqual([answer.status, caught.map(({ code }) => code)], [599, ['AMPHIS_ERR_BODY_CONSUMED']])
  })

  test(`${name}: a client that leaves, before the answer or in the middle of its upload, is no error`, async (t) => {
    const caught: Caught[] = []
    const { url } = await serve(t, platform(), 'disconnect:app', {
      prepare: (app) => app.useGlobalFilters(catching(caught)),
    })
    for (const head of [
      'POST /api/upload?NAME HTTP/1.1\r\nContent-Length: 100',
      'GET /api/idle_before?NAME HTTP/1.1',
    ]) {
      const id = unique()
      const connection = await RawConnection.open(t, Number(new URL(url).port))
      connection.write(`${head.replace('NAME', id)}\r\nHost: test\r\n\r\n`)
      if (head.startsWith('POST')) connection.write('some')
      await probe.wait(`${id}:idle`)
      connection.reset()
      t.regex(JSON.stringify(await probe.wait(`${id}:message`)), /http\.disconnect/)
    }
    t.is((await request(`${url}/home`)).text, 'Nest')
    t.deepEqual(caught, [])
  })

  for (const [what, options, code] of DO_NOT_START) {
    test(`${name}: ${what} keeps Nest from starting`, async (t) => {
      await t.throwsAsync(serve(t, platform(), options.app, { python: options }), { code })
    })
  }

  test(`${name}: CORS of Nest is kept, and cookies of the app come`, async (t) => {
    const { url } = await serve(t, platform(), 'cookies:app', {
      prepare: (app) => app.enableCors({ origin: 'https://a.test', credentials: true }),
    })
    const { headers } = await request(`${url}/api/`, { headers: { origin: 'https://a.test' } })
    t.is(headers['access-control-allow-origin'], 'https://a.test')
    t.deepEqual(headers['set-cookie']?.map((cookie) => cookie.split('=')[0]).toSorted(), ['python', 'second'])
  })

  test(`${name}: a stream arrives piece by piece`, async (t) => {
    const { url } = await serve(t, platform(), 'stream:server_sent')
    const id = unique()
    await probe.tell(`${id}:0`)
    const streamed = await requestHead(`${url}/api/${id}`)
    const end = once(streamed, 'end')
    for (const n of [0, 1, 2]) {
      await probe.tell(`${id}:${n}`)
      const [piece] = (await once(streamed, 'data')) as [Buffer]
      t.is(piece.toString(), `data: ${n}\n\n`)
    }
    await end
  })

  test(`${name}: an app hears when its client leaves`, async (t) => {
    const { url } = await serve(t, platform(), 'disconnect:app')
    const id = unique()
    const left = await requestHead(`${url}/api/idle_during?${id}`)
    await probe.wait(`${id}:idle`)
    left.destroy()
    t.deepEqual(await probe.wait(`${id}:message`), { type: 'http.disconnect' })
  })

  test(`${name}: a handler that falls through leaves what it does not have to Nest`, async (t) => {
    const { url } = await serve(t, platform(), 'falls:app', { python: { fallthrough: true } })
    const answer = await request(`${url}/api/x`)
    t.deepEqual([answer.status, answer.headers['x-python']], [404, undefined])
    t.regex(answer.text, /Cannot GET \/api\/x/)
    t.is((await request(`${url}/api/there`)).text, 'python')
  })

  test(`${name}: WebSockets below the path are the app's, until Nest closes`, async (t) => {
    const context = ({ url }: IncomingMessage) => ({ url })
    const { url, nest } = await serve(t, platform(), 'websocket_app:app', {
      python: { context },
      prepare: (app) => app.setGlobalPrefix('v1'),
    })
    const seen = new WebSocket(`${url.replace('http', 'ws')}/v1/api/show_scope`)
    const [told] = (await once(seen, 'message')) as [Buffer]
    const { root_path: rootPath, extensions } = JSON.parse(told.toString()) as Seen
    t.deepEqual([rootPath, extensions['amphis.context']], ['/v1/api', { url: '/v1/api/show_scope' }])
    seen.close()
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/api/echo`)
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await nest.close()
    t.is((await closed)[0], 1012)
  })

  test(`${name}: the app starts and ends with Nest, as often as there are applications`, async (t) => {
    for (let round = 0; round < 2; round++) {
      const { nest, url } = await serve(t, platform(), 'fastapi_app:app', { python: { lifespan: 'on' } })
      t.is((await request(`${url}/api/openapi.json`)).status, 200)
      const python = nest.get(PythonHandler, { strict: false }) as PythonHandler
      t.true(python.available)
      await nest.close()
      t.false(python.available)
    }
  })
}

test('Fastify: inject() needs no server', async (t) => {
  const { nest } = await serve(t, platforms.Fastify(), 'echo:app')
  const answer = await nest.inject!({
    method: 'POST',
    url: '/api/x',
    payload: '{"a"',
    headers: { 'content-type': 'application/json' },
  })
  t.deepEqual([answer.statusCode, answer.payload], [200, '{"a"'])
})

test('what is none of its options is refused', (t) => {
  const told = (options: unknown) =>
    t.throws(() => AmphisModule.forRoot(options as never), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })?.message ?? ''
  t.regex(told(undefined), /takes options/)
  t.regex(told({ path: '/api' }), /needs an app/)
  t.regex(told({ app: 'main:app' }), /takes the path/)
  t.regex(told({ app: 'main:app', path: '/' }), /must be a path below which/)
  t.regex(told({ app: 'main:app', path: '/api', gards: [] }), /Did you mean guards/)
  t.regex(told({ app: 'main:app', path: '/api', context: {} }), /must be a function/)
})
