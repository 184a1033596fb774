import { spawn } from 'node:child_process'
import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
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

/** What the app of the examples does in each of them, for any client. */
async function answers(t: ExecutionContext, api: string): Promise<void> {
  t.deepEqual((await request(`${api}/hello`)).json(), { message: 'hello from Python' })
  const body = Buffer.alloc(20 * 2 ** 20, 'amphis')
  const uploaded = (await request(`${api}/upload`, { method: 'POST', body })).json()
  t.deepEqual(uploaded, { size: body.length, sha256: createHash('sha256').update(body).digest('hex') })
  const { headers } = await request(`${api}/cookie`)
  t.deepEqual(headers['set-cookie']?.map((cookie) => cookie.split('=')[0]).toSorted(), ['node', 'python'])
  t.is((await request(`${api}/boom`)).status, 500)
}

/** Waits until so many listen to events. */
async function listening(api: string, count: number): Promise<void> {
  while (((await request(`${api}/streams`)).json() as { open: number }).open !== count) continue
}

test.serial(
  'vite: page, API and WebSocket of one port, events whose client leaves, and a user whom Python knows',
  async (t) => {
    const scratch = await scratchFolder(t)
    const folder = join(scratch, 'vite')
    for (const name of ['vite', 'shared']) {
      await cp(example(name), join(scratch, name), {
        recursive: true,
        filter: (path) => !/node_modules|\.venv/.test(path),
      })
    }
    await installInto(folder)
    const host = fileURLToPath(new URL('vite/package.json', import.meta.url))
    const vite = join(createRequire(host).resolve('vite/package.json'), '..')
    await symlink(vite, join(folder, 'node_modules/vite'))
    const { NODE_OPTIONS: _, ...own } = process.env
    const args = [join(vite, 'bin/vite.js'), '--host', '127.0.0.1', '--port', '0']
    const env = { ...own, AMPHIS_PYTHON: python, NO_COLOR: '1' }
    const child = spawn(process.execPath, args, { cwd: folder, env })
    t.teardown(() => child.kill('SIGKILL'))
    const server = new NodeProcess(child, 'now')
    const url = (await server.printsLine(/http:\/\/127\.0\.0\.1:\d+\//)).slice(0, -1)
    const api = `${url}/api`

    await answers(t, api)
    await server.prints('broken in Python')
    const missing = await request(`${api}/nothing`, { headers: { accept: 'text/html' } })
    t.deepEqual([missing.status, missing.text.includes('Vite and FastAPI')], [200, true])

    const page = await open(t, url)
    t.truthy(await sees(page, '#hello', 'hello from Python'))
    t.truthy(await sees(page, '#user', 'ada'))
    t.truthy(await sees(page, '#chat', 'ada: hello'))
    await page.waitForFunction(`Number(document.querySelector('#event').textContent) > 0`)
    await listening(api, 1)
    await page.goto('about:blank')
    await listening(api, 0)

    const source = join(scratch, 'shared/main.py')
    await page.goto(url)
    t.truthy(await sees(page, '#hello', 'hello from Python'))
    await writeFile(source, (await readFile(source, 'utf8')).replace('hello from Python', 'changed in Python'))
    t.truthy(await sees(page, '#hello', 'changed in Python'))
  },
)

test.serial('next: page and API of one port, events whose client leaves, and a user whom Python knows', async (t) => {
  const project = await NextProject.create(t, example('next'))
  await project.build()
  const server = project.next(['start', '-p', '0'])
  const url = await addressOf(server)
  const api = `${url}/api`

  const missing = await request(`${api}/nothing`)
  t.deepEqual([missing.status, missing.json()], [404, { from: 'Next.js', missing: '/api/nothing' }])
  await answers(t, api)
  await server.prints('/api/boom: broken in Python')
  t.is((await request(`${api}/me`, { headers: { cookie: 'session=forged' } })).status, 401)

  const page = await open(t, url)
  t.truthy(await sees(page, '#hello', 'hello from Python'))
  // Of a text that React changes the selector may keep what it was.
  const knows = (user: string) =>
    page.waitForFunction(`document.querySelector('#user')?.textContent === 'Python knows: ${user}'`)
  await knows('nobody')
  await page.waitForFunction(`/Event [1-9]/.test(document.querySelector('#event').textContent)`)
  await Promise.all([page.waitForNavigation(), page.click('button')])
  await knows('ada')
  await page.waitForFunction(`/Event [1-9]/.test(document.querySelector('#event').textContent)`)
  await listening(api, 1)
  await page.goto('about:blank')
  await listening(api, 0)

  server.child.kill('SIGTERM')
  await server.ends()
})
