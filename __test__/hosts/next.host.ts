import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { WebSocket } from 'ws'
import { request } from '../helpers/client.js'
import { addressOf, NextProject } from '../helpers/next-project.js'
import { RawConnection } from '../helpers/raw-connection.js'
import { items, serves } from '../helpers/served-project.js'
import { scratchFolder } from '../helpers/scratch.js'

// `amphis/next`, on Next.js itself: its server of development, what it has built, and a server of one's own.

test.serial('development: the app goes on as it is when its route is loaded again', async (t) => {
  const project = await NextProject.create(t)
  const server = project.next(['dev', '-p', '0'])
  const url = await addressOf(server)
  await serves(t, `${url}/api`, '/api')
  t.true((await request(url)).text.includes('from Next.js'))
  const { served } = await items(`${url}/api`)

  const route = project.path('app/api/[[...path]]/route.js')
  await appendFile(route, 'export const dynamic = "force-dynamic"\nconsole.log("loaded again")\n')
  let now = await items(`${url}/api`)
  for (let count = 1; ; count++) {
    t.is(now.served, served + count)
    if (server.printed('loaded again')) break
    now = await items(`${url}/api`)
  }

  t.is((await request(`${url}/api/error`)).status, 500)
  await server.prints('ValueError: broken on purpose')
  await server.prints('GET /error failed')

  await mkdir(project.path('app/edge'))
  const edge = (await readFile(route, 'utf8')).replace('force-dynamic"', 'auto"\nexport const runtime = "edge"')
  await writeFile(project.path('app/edge/route.js'), edge)
  // Next.js has seen the folder some time after it was made.
  while ((await request(`${url}/edge`)).status === 404) continue
  await server.prints('amphis/next runs in the Node.js runtime of Next.js only, neither in its edge runtime nor in the')
})

test.serial(
  'standalone: what was built runs from another folder, below basePath; the build starts no Python',
  async (t) => {
    const project = await NextProject.create(t)
    const imported = project.path('imported')
    await project.build({ OUTPUT: 'standalone', BASE_PATH: '/base', IMPORTED: imported })
    t.false(existsSync(imported))
    const elsewhere = join(await scratchFolder(t), 'moved')
    await rename(project.path('.next/standalone'), elsewhere)
    await rm(project.folder, { recursive: true })
    const server = project.node([join(elsewhere, 'server.js')], { PORT: '0' }, '/')
    const url = await addressOf(server)
    await serves(t, `${url}/base/api`, '/base/api')
    t.true((await request(`${url}/base/about`)).text.includes('from Next.js'))
    const slashed = await request(`${url}/base/about/`)
    t.deepEqual([slashed.status, slashed.headers['location']], [308, '/base/about'])
    server.child.kill('SIGTERM')
    t.true((await server.ends()).stdout.includes('the lifespan is over'))
  },
)

test.serial('trailingSlash, and a server of one’s own with WebSockets', async (t) => {
  const project = await NextProject.create(t)
  await project.build({ TRAILING_SLASH: '1' })
  const started = project.next(['start', '-p', '0'], { TRAILING_SLASH: '1' })
  const first = await addressOf(started)
  await serves(t, `${first}/api`, '/api')
  t.is((await request(`${first}/about/`)).status, 200)
  started.child.kill('SIGTERM')
  await started.ends()

  const own = project.node(['server.mjs'], { TRAILING_SLASH: '1', NODE_ENV: 'production' })
  const url = await addressOf(own)
  t.like(await items(`${url}/api`), { greeting: 'from Python', root_path: '/api' })
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/chat`)
  await once(socket, 'open')
  socket.send('hello')
  t.is(String((await once(socket, 'message'))[0]), 'Python heard: hello')
  socket.terminate()
})

const BROKEN = `
import asyncio

began = asyncio.Event()
left = asyncio.Event()
waiting = {"/began": began, "/left": left}


async def app(scope, receive, send):
    path = scope["path"].removeprefix(scope["root_path"])
    if path in ("/upload", "/wait"):
        began.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()
    elif path in waiting:
        await waiting[path].wait()
        waiting[path].clear()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    else:
        raise ValueError("broken on purpose")
`

const FAILING = `
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
`

const route = (name: string, app: string, before = '') => `
import { amphis } from 'amphis/next'

const { GET, POST: post } = amphis(${app}, { prefix: '/${name}' })

async function POST(request) {
  ${before}
  return post(request)
}

export { GET, POST }
`

test.serial('what goes wrong is an error of Next.js’ own; clients that leave are none', async (t) => {
  const project = await NextProject.create(t)
  await writeFile(project.path('broken.py'), BROKEN)
  await writeFile(project.path('failing.py'), FAILING)
  for (const [name, app, before] of [
    ['broken', `{ app: 'broken:app', lifespan: 'off' }`],
    ['failing', `{ app: 'failing:app', lifespan: 'on' }`],
    ['bounded', `{ app: 'main:app', maxBodySize: 10 }`],
    ['consumed', `'main:app'`, 'await request.text()'],
  ] as const) {
    await mkdir(project.path(`app/${name}/[[...path]]`), { recursive: true })
    await writeFile(project.path(`app/${name}/[[...path]]/route.js`), route(name, app, before))
  }
  await project.build()
  const server = project.next(['start', '-p', '0'])
  const url = await addressOf(server)
  const post = { method: 'POST', body: '{"text": "tea for two"}', headers: { 'content-type': 'application/json' } }

  t.deepEqual(statusOf(await request(`${url}/broken/x`)), [500, ''])
  await server.prints('ValueError: broken on purpose')
  t.is((await request(`${url}/failing/x`)).status, 500)
  await server.prints('AMPHIS_ERR_LIFESPAN_FAILED')
  t.deepEqual(statusOf(await request(`${url}/bounded/words`, post)), [413, 'Content Too Large'])
  t.is((await request(`${url}/consumed/words`, post)).status, 500)
  await server.prints('AMPHIS_ERR_BODY_CONSUMED')

  for (const head of ['POST /broken/upload HTTP/1.1\r\nContent-Length: 100', 'GET /broken/wait HTTP/1.1']) {
    const connection = await RawConnection.open(t, Number(new URL(url).port))
    connection.write(`${head}\r\nHost: test\r\n\r\n`)
    if (head.startsWith('POST')) connection.write('some')
    t.is((await request(`${url}/broken/began`)).status, 204)
    connection.reset()
    t.is((await request(`${url}/broken/left`)).status, 204)
  }
  t.like(await items(`${url}/api`), { greeting: 'from Python' })
  server.child.kill('SIGTERM')
  const { stderr } = await server.ends()
  t.deepEqual(
    Array.from(stderr.matchAll(/^⨯ (.*)/gm), ([, line]) => line?.split(/[.:]/)[0]),
    ['PythonError', 'AmphisError', 'AmphisError'],
    stderr,
  )
})

const statusOf = ({ status, text }: { status: number; text: string }) => [status, text]

test.serial('an app that does not start is told of where Next.js tells of errors', async (t) => {
  const project = await NextProject.create(t)
  await cp(project.path('helpers.py'), project.path('main.py'))
  const server = project.next(['dev', '-p', '0'])
  const url = await addressOf(server)
  t.is((await request(`${url}/api/items`)).status, 500)
  await server.prints('AMPHIS_ERR_APP_ATTRIBUTE')
})
