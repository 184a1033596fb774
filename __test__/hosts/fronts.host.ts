import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { request } from '../helpers/client.js'
import { HostProject } from '../helpers/host-project.js'
import { items, serves } from '../helpers/served-project.js'

// The recipes of docs/mounting.md for frameworks that build a project: built by them, and served by what they put out.

/** A project with the Python app that they have in common. */
async function projectOf(t: ExecutionContext, host: string): Promise<HostProject> {
  const project = await HostProject.create(t, host)
  const app = fileURLToPath(new URL('next/project', import.meta.url))
  for (const name of ['main.py', 'helpers.py']) await cp(`${app}/${name}`, project.path(name))
  return project
}

const ADDRESS = /http:\/\/127\.0\.0\.1:\d+/
const cookieNames = (cookies: string[] | undefined) => cookies?.map((cookie) => cookie.split('=')[0]).toSorted()

/** Builds it; no Python runs meanwhile. */
async function build(t: ExecutionContext, project: HostProject, program: string): Promise<void> {
  const imported = project.path('imported')
  await project.build(program, ['build'], { IMPORTED: imported })
  t.false(existsSync(imported))
}

/** What all of these do beside what every server does. */
async function isAtHome(t: ExecutionContext, url: string, host: string, client: unknown): Promise<void> {
  await serves(t, `${url}/api`, '/api', client)
  t.is((await request(`${url}/api/error`)).status, 500)
  const options = await request(`${url}/api/items`, { method: 'OPTIONS' })
  t.deepEqual([options.status, options.headers['allow']], [405, 'GET'])
  t.true((await request(url)).text.includes(`from ${host}`))
  const headers = { authorization: 'Bearer token-of-ada' }
  t.deepEqual((await request(`${url}/api/me`, { headers })).json(), { user: 'ada' })
  t.deepEqual((await request(`${url}/api/me`)).json(), {})
  const cookies = await request(`${url}/api/cookies`)
  t.deepEqual(cookieNames(cookies.headers['set-cookie']), ['node', 'one', 'two'])
}

/** A path that both share: what Python does not have goes to the framework, whose 404 the last one is. */
async function sharesAPath(t: ExecutionContext, url: string, host: string): Promise<void> {
  t.like(await items(`${url}/mixed`), { greeting: 'from Python', root_path: '/mixed' })
  t.true((await request(`${url}/mixed/page`)).text.includes(`from ${host}`))
  const missing = await request(`${url}/mixed/nothing`)
  t.is(missing.status, 404)
  t.false(missing.text.includes('"detail"'))
}

test.serial(
  'SvelteKit: an endpoint and a hook, built for Node.js; a server of one’s own with WebSockets',
  async (t) => {
    const project = await projectOf(t, 'sveltekit')
    await build(t, project, 'vite/bin/vite.js')
    const url = await project.node(['build'], { PORT: '0', BODY_SIZE_LIMIT: '20M' }).printsLine(ADDRESS)
    await isAtHome(t, url, 'SvelteKit', ['127.0.0.1', 0])
    await sharesAPath(t, url, 'SvelteKit')

    const own = await project.node(['server.js'], { PORT: '0' }).printsLine(ADDRESS)
    t.true((await request(own)).text.includes('from SvelteKit'))
    t.like(await items(`${own}/api`), { greeting: 'from Python', root_path: '/api' })
    const socket = new WebSocket(`${own.replace('http', 'ws')}/api/chat`)
    await once(socket, 'open')
    socket.send('hello')
    t.is(String(((await once(socket, 'message')) as [Buffer])[0]), 'Python heard: hello')
    socket.terminate()
  },
)

test.serial('React Router: a resource route, served by its own server', async (t) => {
  const project = await projectOf(t, 'react-router')
  await build(t, project, '@react-router/dev/bin.js')
  const program = project.path('node_modules/@react-router/serve/bin.js')
  // Without a number it takes a port that is free.
  const url = await project.node([program, 'build/server/index.js'], { PORT: 'free' }).printsLine(ADDRESS)
  await isAtHome(t, url, 'React Router', null)
})

test.serial('Astro: an endpoint and middleware, built for Node.js', async (t) => {
  const project = await projectOf(t, 'astro')
  await build(t, project, 'astro/astro.js')
  const url = await project.node(['dist/server/entry.mjs'], { PORT: '0' }).printsLine(ADDRESS)
  await isAtHome(t, url, 'Astro', ['127.0.0.1', 0])
  await sharesAPath(t, url, 'Astro')
})
