import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import { WebSocket } from 'ws'
import { request } from './helpers/client.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { app, develop, preview } from './helpers/vite.js'

// A Python app in Vite's own servers, and its page in a browser.

let browser: Browser
test.before(async () => {
  browser = await launchChrome()
})
test.after.always(() => browser?.close())

async function open(t: ExecutionContext, url: string): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(30_000)
  t.teardown(() => page.close())
  await page.goto(url)
  return page
}

/** Waits until an element holds a text. */
const sees = (page: Page, selector: string, text: string) => page.waitForSelector(`${selector} ::-p-text(${text})`)

/** Waits until Vite shows an error over the page. */
const seesError = (page: Page, text: string) =>
  page.waitForFunction(
    `document.querySelector('vite-error-overlay')?.shadowRoot.textContent.includes(${JSON.stringify(text)})`,
  )

test('development: page, app, its WebSocket and hot updates on one port; the app starts again when it changes', async (t) => {
  const { url, write } = await develop(t)
  const page = await open(t, url)
  await sees(page, '#hello', 'Python')
  await sees(page, '#chat', 'Python heard: hi')

  await page.evaluate('globalThis.isTheSame = true')
  await write('part.js', "export const text = 'second'\n")
  await sees(page, '#part', 'second')
  t.true(await page.evaluate('globalThis.isTheSame'))

  await write('main.py', app('Monty'))
  await sees(page, '#hello', 'Monty')
  await sees(page, '#chat', 'Monty heard: hi')

  await write('main.py', 'import nothing_of_this_name\n')
  await seesError(page, 'nothing_of_this_name')
  t.is((await request(`${url}/api/hello`)).status, 500)

  await write('main.py', app('Eric'))
  await sees(page, '#hello', 'Eric')
  t.is(await page.$('vite-error-overlay'), null)
})

test('development: what the app raises is shown over the page', async (t) => {
  const { url } = await develop(t)
  const page = await open(t, url)
  await sees(page, '#chat', 'Python heard: hi')
  t.is((await request(`${url}/api/broken`)).status, 500)
  await seesError(page, 'broken on purpose')
  await seesError(page, 'main.py')
})

test('development: an app that does not start is shown over the page that is opened later', async (t) => {
  const { url } = await develop(t, { 'main.py': 'def (:\n' })
  t.is((await request(`${url}/api/hello`)).status, 500)
  const page = await open(t, url)
  await seesError(page, 'SyntaxError')
})

/** What either server has to do. */
async function serves(t: ExecutionContext, url: string): Promise<void> {
  const hello = await request(`${url}/api/hello?x=1`, { headers: { 'x-forwarded-for': '192.0.2.7' } })
  t.deepEqual(hello.json(), {
    greeting: 'Python',
    root_path: '/api',
    client: '127.0.0.1',
    url: `${url}/api/hello?x=1`,
  })
  t.deepEqual(hello.headers['set-cookie'], ['one=1; Path=/; SameSite=lax', 'two=2; Path=/; SameSite=lax'])
  t.true((await request(`${url}/api/docs`)).text.includes("'/api/openapi.json'"))
  const missing = await request(`${url}/api/nothing-here`)
  t.deepEqual([missing.status, missing.text], [404, '{"detail":"Not Found"}'])
  const slashed = await request(`${url}/api/hello/`)
  t.deepEqual([slashed.status, slashed.headers['location']], [307, `${url}/api/hello`])
  const body = Buffer.alloc(20 * 2 ** 20, 'amphis')
  t.regex((await request(`${url}/api/digest`, { method: 'POST', body })).text, /^"[0-9a-f]{64}"$/)
  const leaving = new AbortController()
  const events = await fetch(`${url}/api/events`, { signal: leaving.signal })
  const first = await events.body!.getReader().read()
  t.true(Buffer.from(first.value).toString().startsWith('data: tick\n\n'))
  leaving.abort()
  t.is((await request(`${url}/api/left`)).text, '"left"')
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/chat`)
  await once(socket, 'open')
  socket.send('hi')
  t.is(String((await once(socket, 'message'))[0]), 'Python heard: hi')
  socket.terminate()
}

test('development: requests, uploads, streams and WebSockets are those of the app', async (t) => {
  const { url, server } = await develop(t)
  await serves(t, url)
  t.is((await request(`${url}/apis`, { headers: { accept: 'text/html' } })).text.includes('page.js'), true)
  await server.close()
})

test('preview: the app runs beside what was built', async (t) => {
  const url = await preview(t)
  await serves(t, url)
  const page = await open(t, url)
  await sees(page, '#chat', 'Python heard: hi')
})
