import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { WebSocket } from 'ws'
import { request } from '../helpers/client.js'
import { addressOf, NextProject } from '../helpers/next-project.js'
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

test.serial('an app that does not start is told of where Next.js tells of errors', async (t) => {
  const project = await NextProject.create(t)
  await cp(project.path('helpers.py'), project.path('main.py'))
  const server = project.next(['dev', '-p', '0'])
  const url = await addressOf(server)
  t.is((await request(`${url}/api/items`)).status, 500)
  await server.prints('AMPHIS_ERR_APP_ATTRIBUTE')
})
