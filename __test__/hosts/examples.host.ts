import { spawn } from 'node:child_process'
import { cp, symlink } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import { request } from '../helpers/client.js'
import { launchChrome } from '../helpers/headless-chrome.js'
import { installInto } from '../helpers/installed.js'
import { addressOf, NextProject } from '../helpers/next-project.js'
import { NodeProcess } from '../helpers/node-process.js'
import { python } from '../helpers/python.js'
import { scratchFolder } from '../helpers/scratch.js'

// The examples, as their `npm start` serves them, in a browser; with what the tests have in the place of what it installs.

let browser: Browser
test.before(async () => {
  browser = await launchChrome()
})
test.after.always(() => browser?.close())

const example = (name: string): string => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

async function open(t: ExecutionContext, url: string): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(60_000)
  t.teardown(() => page.close())
  await page.goto(url)
  return page
}

const sees = (page: Page, selector: string, text: string) => page.waitForSelector(`${selector} ::-p-text(${text})`)

test.serial('vite: the page counts words in Python, and its WebSocket is heard there', async (t) => {
  const folder = await scratchFolder(t)
  await cp(example('vite'), folder, { recursive: true, filter: (path) => !/node_modules|\.venv/.test(path) })
  await installInto(folder)
  const host = fileURLToPath(new URL('vite/package.json', import.meta.url))
  const vite = join(createRequire(host).resolve('vite/package.json'), '..')
  await symlink(vite, join(folder, 'node_modules/vite'))
  const { NODE_OPTIONS: _, ...own } = process.env
  const args = [join(vite, 'bin/vite.js'), '--host', '127.0.0.1', '--port', '0']
  const env = { ...own, AMPHIS_PYTHON: python, NO_COLOR: '1' }
  const child = spawn(process.execPath, args, { cwd: folder, env })
  t.teardown(() => child.kill('SIGKILL'))
  const page = await open(t, await new NodeProcess(child, 'now').printsLine(/http:\/\/127\.0\.0\.1:\d+\//))
  t.truthy(await sees(page, '#words', 'for 2, tea 2, two 2, and 1'))
  t.truthy(await sees(page, '#echo', 'Python heard: hello'))
})

test.serial('next: page and API of one port, events whose client leaves, and a user whom Python knows', async (t) => {
  const project = await NextProject.create(t, example('next'))
  await project.build()
  const server = project.next(['start', '-p', '0'])
  const url = await addressOf(server)
  const api = `${url}/api`

  const missing = await request(`${api}/nothing`)
  t.deepEqual([missing.status, missing.json()], [404, { from: 'Next.js', missing: '/api/nothing' }])
  const body = Buffer.alloc(20 * 2 ** 20, 'amphis')
  const uploaded = (await request(`${api}/upload`, { method: 'POST', body })).json()
  t.deepEqual(uploaded, { size: body.length, sha256: createHash('sha256').update(body).digest('hex') })
  const { headers } = await request(`${api}/cookie`)
  t.deepEqual(headers['set-cookie']?.map((cookie) => cookie.split('=')[0]).toSorted(), ['node', 'python'])
  t.is((await request(`${api}/boom`)).status, 500)
  await server.prints('/api/boom: broken in Python')
  t.is((await request(`${api}/me`, { headers: { cookie: 'session=forged' } })).status, 401)

  const page = await open(t, url)
  t.truthy(await sees(page, '#hello', 'hello from Python'))
  t.truthy(await sees(page, '#user', 'Python knows: nobody'))
  await page.waitForFunction(`/Event [1-9]/.test(document.querySelector('#event').textContent)`)
  await Promise.all([page.waitForNavigation(), page.click('button')])
  // Of a text that React changes the selector may keep what it was.
  await page.waitForFunction(`document.querySelector('#user')?.textContent === 'Python knows: ada'`)
  await page.waitForFunction(`/Event [1-9]/.test(document.querySelector('#event').textContent)`)
  const streams = async () => ((await request(`${api}/streams`)).json() as { open: number }).open
  while ((await streams()) > 1) continue
  t.is(await streams(), 1)
  await page.goto('about:blank')
  while ((await streams()) > 0) continue

  server.child.kill('SIGTERM')
  await server.ends()
})
