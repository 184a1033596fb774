import { once } from 'node:events'
import { cp, rm, symlink } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { spawn } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { hostPackage } from '../helpers/bundled.js'
import { request } from '../helpers/client.js'
import { installedProject } from '../helpers/installed.js'
import { NodeProcess } from '../helpers/node-process.js'
import { python as suitePython, shareHandler } from '../helpers/python.js'
import { runIn } from '../helpers/python-project.js'
import { scratchFolder } from '../helpers/scratch.js'

// The one-line recipes of docs/mounting.md, each on its host.

const host = hostPackage('recipes')
const load = async <T>(name: string): Promise<T> => (await import(pathToFileURL(host.resolve(name)).href)) as T
const scope = shareHandler('scope:app')
const echo = shareHandler('echo:app')

async function listen(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const look = async (url: string) => {
  const { root_path: rootPath, path } = (await request(url)).json() as Record<string, unknown>
  return [rootPath, path]
}

test('h3 2: a route of the app, whose requests are those of the fetch standard', async (t) => {
  interface App {
    all(path: string, handler: (event: { req: Request }) => unknown): App
    get(path: string, handler: () => unknown): App
  }
  const { H3 } = await load<{ H3: new () => App }>('h3')
  const { toNodeHandler } = await load<{ toNodeHandler: (app: App) => RequestListener }>('h3/node')
  const app = new H3()
    .get('/', () => 'from h3')
    .all('/api/**', ({ req }) => scope.fetch(req, { rootPath: '/api' }))
    .all('/echo/**', ({ req }) => echo.fetch(req, { rootPath: '/echo' }))
  const url = await listen(t, toNodeHandler(app))
  t.is((await request(url)).text, 'from h3')
  t.deepEqual(await look(`${url}/api/a%20b?x=1`), ['/api', '/api/a b'])
  const body = Buffer.alloc(2 ** 20, 'amphis')
  t.true((await request(`${url}/echo/`, { method: 'POST', body })).body.equals(body))
})

test('tRPC beside it: each has its own paths, in one Express', async (t) => {
  interface Builder {
    router(procedures: object): object
    procedure: { query(resolve: () => unknown): object }
  }
  const { initTRPC } = await load<{ initTRPC: { create(): Builder } }>('@trpc/server')
  const { createExpressMiddleware } = await load<{
    createExpressMiddleware: (options: object) => express.RequestHandler
  }>('@trpc/server/adapters/express')
  const { router, procedure } = initTRPC.create()
  const app = express()
  app.use('/trpc', createExpressMiddleware({ router: router({ hello: procedure.query(() => 'from tRPC') }) }))
  app.use('/api', scope.middleware)
  const url = await listen(t, app)
  t.deepEqual((await request(`${url}/trpc/hello`)).json(), { result: { data: 'from tRPC' } })
  t.deepEqual(await look(`${url}/api/x`), ['/api', '/api/x'])
})

test('Nitro 2: what was built has amphis and its addon, and runs from another folder', async (t) => {
  const folder = await installedProject(t, {
    'main.py': `
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"{scope['root_path']} {scope['path']}".encode()})
`,
    'nitro.config.mjs': `export default { compatibilityDate: '2026-01-01' }`,
    'routes/api/[...path].js': `
import { PythonHandler } from 'amphis'

const python = new PythonHandler({ app: 'main:app', lifespan: 'off' })

export default eventHandler((event) => python.fetch(toWebRequest(event), { rootPath: '/api' }))
`,
  })
  const packages = fileURLToPath(new URL('recipes/node_modules', import.meta.url))
  await symlink(join(packages, 'nitropack'), join(folder, 'node_modules/nitropack'))
  const built = await runIn(t, folder, [join(packages, 'nitropack/dist/cli/index.mjs'), 'build'])
  t.is(built.code, 0, built.stdout + built.stderr)
  const elsewhere = await scratchFolder(t)
  await cp(join(folder, '.output'), join(elsewhere, 'output'), { recursive: true })
  await cp(join(folder, 'main.py'), join(elsewhere, 'main.py'))
  await rm(folder, { recursive: true })
  const { NODE_OPTIONS: _, ...own } = process.env
  const env = { ...own, AMPHIS_PYTHON: suitePython, PORT: '0', HOST: '127.0.0.1' }
  const child = spawn(process.execPath, ['output/server/index.mjs'], { cwd: elsewhere, env })
  t.teardown(() => child.kill('SIGKILL'))
  const url = await new NodeProcess(child, 'now').printsLine(/http:\/\/127\.0\.0\.1:\d+/)
  t.is((await request(`${url}/api/x`)).text, '/api /api/x')
})
