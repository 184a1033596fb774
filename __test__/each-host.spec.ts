import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import type { AmphisError, PythonError } from '../index.js'
import { amphis } from '../lib/fastify.js'
import { hono } from '../lib/hono.js'
import { koa } from '../lib/koa.js'
import { AmphisModule } from '../lib/nest.js'
import { request } from './helpers/client.js'
import { express4 } from './helpers/hosts.js'
import { listen } from './helpers/listen.js'
import { createHandler, testOptions, type HandlerOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// What an app can rely on in whatever host it is mounted: `onError`, `fallthrough`, and whom of proxies it believes.

/** Serves an app at `/api`; gives the URL of the server. */
type Serve = (t: ExecutionContext, options: HandlerOptions, trustProxy?: boolean) => Promise<string>

/** They are in projects of their own. */
const projectOf = (name: string) => createRequire(fileURLToPath(new URL(`hosts/${name}/package.json`, import.meta.url)))

const inExpress =
  (of: typeof express): Serve =>
  async (t, options, trustProxy = false) => {
    const app = of().set('trust proxy', trustProxy).set('env', 'test')
    return (await listen(t, createServer(app.use('/api', createHandler(t, options).middleware)))).url
  }

const inFastify: Serve = async (t, options, trustProxy = false) => {
  const fastify = projectOf('fastify')('fastify') as (settings: object) => {
    register(plugin: typeof amphis, given: object): void
    listen(given: object): Promise<string>
    close(): Promise<void>
  }
  const app = fastify({ trustProxy, forceCloseConnections: true })
  t.teardown(() => app.close())
  app.register(amphis, { app: options, prefix: '/api' })
  return app.listen({ port: 0, host: '127.0.0.1' })
}

const inKoa: Serve = async (t, options, trustProxy = false) => {
  const Koa = projectOf('koa')('koa') as new (settings: object) => {
    use(handler: ReturnType<typeof koa>): void
    callback(): (req: IncomingMessage, res: ServerResponse) => void
  }
  const app = new Koa({ proxy: trustProxy })
  app.use(koa(createHandler(t, options), { prefix: '/api' }))
  return (await listen(t, createServer(app.callback()))).url
}

/** Hono has no such setting. */
const inHono: Serve = async (t, options) => {
  const { resolve } = projectOf('hono')
  const load = async (name: string): Promise<unknown> => import(pathToFileURL(resolve(name)).href)
  const { Hono } = (await load('hono')) as {
    Hono: new () => { all(path: string, handler: ReturnType<typeof hono>): void; fetch: unknown }
  }
  const { createAdaptorServer } = (await load('@hono/node-server')) as { createAdaptorServer(of: object): Server }
  const app = new Hono()
  app.all('/api/*', hono(createHandler(t, options), { prefix: '/api' }))
  return (await listen(t, createAdaptorServer({ fetch: app.fetch }))).url
}

interface NestApp {
  getHttpAdapter(): { getInstance(): { set?(name: string, value: unknown): void } }
  getHttpServer(): Server
  listen(port: number, host: string): Promise<void>
  close(): Promise<void>
}

const inNest =
  (isFastify: boolean): Serve =>
  async (t, options, trustProxy = false) => {
    const host = projectOf('nest')
    host('reflect-metadata')
    const { Module } = host('@nestjs/common') as { Module(of: object): (type: object) => void }
    const { NestFactory } = host('@nestjs/core') as { NestFactory: { create(...of: object[]): Promise<NestApp> } }
    const { FastifyAdapter } = host('@nestjs/platform-fastify') as { FastifyAdapter: new (of: object) => object }
    const Root = class {
      readonly isEmpty = true
    }
    Module({ imports: [AmphisModule.forRoot({ app: options, path: '/api' })] })(Root)
    const platform = isFastify ? [new FastifyAdapter({ trustProxy, forceCloseConnections: true })] : []
    const nest = await NestFactory.create(Root, ...platform, { logger: false })
    t.teardown(() => nest.close())
    if (!isFastify) nest.getHttpAdapter().getInstance().set!('trust proxy', trustProxy)
    await nest.listen(0, '127.0.0.1')
    return `http://127.0.0.1:${(nest.getHttpServer().address() as AddressInfo).port}`
  }

interface Host {
  serve: Serve
  /** Who says who the client is where the host trusts proxies, and where it does not. */
  trusting: 'the host' | 'the options' | 'the connection'
  otherwise: 'the options' | 'the connection'
}

const ofExpress = { trusting: 'the host', otherwise: 'the options' } as const
const ofNode = { trusting: 'the options', otherwise: 'the options' } as const
const hosts: Record<string, Host> = {
  'Express 5': { serve: inExpress(express), ...ofExpress },
  'Express 4': { serve: inExpress(express4), ...ofExpress },
  Fastify: { serve: inFastify, ...ofNode },
  Koa: { serve: inKoa, ...ofNode },
  Hono: { serve: inHono, trusting: 'the connection', otherwise: 'the connection' },
  'Nest on Express': { serve: inNest(false), ...ofExpress },
  'Nest on Fastify': { serve: inNest(true), ...ofNode },
}

/** What each finds in `203.0.113.1, 10.0.0.1, 10.0.0.2` and `https`: ours trusts the connection and no other hop. */
const CLIENTS = {
  'the host': ['203.0.113.1', 'https'],
  'the options': ['10.0.0.2', 'https'],
  'the connection': ['127.0.0.1', 'http'],
} as const
const headers = { 'x-forwarded-for': '203.0.113.1, 10.0.0.1, 10.0.0.2', 'x-forwarded-proto': 'https' }

async function clientSeen(url: string): Promise<unknown[]> {
  const seen = (await request(`${url}/api/`, { headers })).json() as { scheme: string; client: { tuple: string[] } }
  return [seen.client.tuple[0], seen.scheme]
}

for (const [name, { serve, trusting, otherwise }] of Object.entries(hosts)) {
  test(`${name}: onError hears of what FastAPI has answered by itself, with traceback and request`, async (t) => {
    const heard: [AmphisError, { url?: string | undefined; originalUrl?: string | undefined }][] = []
    const logger = new Recorder()
    const url = await serve(t, {
      ...testOptions('fastapi_app:app'),
      logger,
      onError: (thrown, asked) => heard.push([thrown, asked]),
    })
    t.is((await request(`${url}/api/boom?x=1`)).text, 'Internal Server Error')
    await logger.waitForError()
    const [[thrown, asked] = []] = heard
    t.is(heard.length, 1)
    t.regex((thrown as PythonError).traceback, /fastapi_app\.py/)
    t.is(new URL(asked?.originalUrl ?? asked?.url ?? '', url).href, `${url}/api/boom?x=1`)
  })

  test(`${name}: what may have changed something never falls through`, async (t) => {
    const url = await serve(t, { ...testOptions('falls:app'), fallthrough: true })
    t.is((await request(`${url}/api/x`)).headers['x-python'], undefined)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      for (const body of ['', 'x']) {
        const length = { 'content-length': String(body.length) }
        const answer = await request(`${url}/api/x`, { method, body, headers: length })
        t.deepEqual([answer.status, answer.text, answer.headers['x-python']], [404, 'python', 'yes'], method)
      }
    }
    const answer = await request(`${url}/api/x`, { body: 'x', headers: { 'content-length': '1' } })
    t.is(answer.headers['x-python'], 'yes')
  })

  test(`${name}: the client is what ${trusting} says where the host trusts proxies, else what ${otherwise} says, never both`, async (t) => {
    const plain = testOptions('scope:app')
    const proxied = { ...plain, proxyHeaders: true, forwardedAllowIps: '127.0.0.1' }
    t.deepEqual(await clientSeen(await serve(t, proxied, true)), CLIENTS[trusting])
    t.deepEqual(await clientSeen(await serve(t, proxied, false)), CLIENTS[otherwise])
    const alone = trusting === 'the host' ? trusting : 'the connection'
    t.deepEqual(await clientSeen(await serve(t, plain, true)), CLIENTS[alone])
    t.deepEqual(await clientSeen(await serve(t, plain, false)), CLIENTS['the connection'])
  })
}
