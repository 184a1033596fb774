import { createHash, randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import { WebSocket } from 'ws'
import { createDemo, type Demo } from '../examples/express-fastapi/demo.js'
import { PATIENCE } from './helpers/patience.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { NodeProcess } from './helpers/node-process.js'

// The demo finds Python as a user's app does; the matrix says which one.
if (process.env.AMPHIS_TEST_PYTHON) process.env.AMPHIS_PYTHON = process.env.AMPHIS_TEST_PYTHON

const root = fileURLToPath(new URL('..', import.meta.url))
const CARDS = ['items', 'render', 'cooling', 'orders', 'uploads', 'ticks', 'counter', 'blocking', 'jobs', 'uptime']

let demo: Demo
let browser: Browser

test.before(async () => {
  ;[demo, browser] = await Promise.all([createDemo({ port: 0 }), launchChrome()])
})

test.after.always(async () => {
  await browser?.close()
  await demo?.close()
})

/** The page, loaded, in a tab of its own; a script error in it fails the test. */
async function openDemo(t: ExecutionContext, url = demo.url): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(15_000)
  const errors: unknown[] = []
  page.on('pageerror', (error) => errors.push(error))
  t.teardown(async () => {
    if (!page.isClosed()) await page.close()
  })
  t.teardown(() => {
    if (errors.length > 0) throw new AggregateError(errors, 'the page threw')
  })
  await page.goto(url)
  await page.waitForSelector('html[data-ready]')
  return page
}

const click = (page: Page, selector: string) => page.locator(selector).click()

/** Waits until an element holds a text. */
async function sees(page: Page, selector: string, text: string): Promise<void> {
  await page.waitForSelector(`${selector} ::-p-text(${text})`)
}

async function read(page: Page, selector: string): Promise<string> {
  return page.$eval(selector, (element) => element.textContent ?? '')
}

async function readJson<T>(page: Page, card: string): Promise<T> {
  return JSON.parse(await read(page, `#${card} .body`)) as T
}

const milliseconds = (text: string) => Number(/([\d.]+) ms/.exec(text)?.[1])

async function get<T>(path: string): Promise<T> {
  const response = await fetch(demo.url + path)
  return (await response.json()) as T
}

interface Streams {
  started: number
  cleaned_up: number
  open: number
}

/** Waits until a tab is at the counter, alone or with others, and says as whom. */
async function joins(page: Page, guests: number): Promise<string> {
  await sees(page, '[data-guest=tab] h3', 'Leave')
  await sees(page, '[data-field=guests]', String(guests))
  return (await read(page, '[data-guest=tab] h3 span')).replace('This tab: ', '')
}

const heard = (page: Page, guest: 'tab' | 'other') =>
  page.$$eval(`[data-guest=${guest}] li`, (lines) => lines.map((line) => line.textContent))

/** Asks Python until all but `open` streams were cleaned up; each round waits for a response. */
async function streamsOpen(open: number): Promise<Streams> {
  const deadline = Date.now() + 5000
  for (;;) {
    const streams = await get<Streams>('/api/streams')
    if (streams.open === open || Date.now() > deadline) return streams
  }
}

test.serial('shows that Express and FastAPI share one process', async (t) => {
  const page = await openDemo(t)
  await page.waitForSelector('#process[data-state=same]')
  t.is(await read(page, '[data-field=js-pid]'), String(process.pid))
  t.is(await read(page, '[data-field=py-pid]'), String(process.pid))
  t.is(await read(page, '[data-field=node]'), process.versions.node)
  const { python, loop } = demo.python.versions!
  t.is(await read(page, '[data-field=python]'), `${python} · ${loop}`)
  t.regex(await read(page, '[data-field=py-ms]'), /^[\d.]+ ms$/)
})

test.serial('answers a request with path and query parameters', async (t) => {
  const page = await openDemo(t)
  t.is(await read(page, '#items .request'), 'GET/api/items/2?quantity=3')
  await page.locator('#items [name=quantity]').fill('4')
  t.is(await read(page, '#items .request'), 'GET/api/items/2?quantity=4')
  await click(page, '#items .primary')
  await sees(page, '#items', '200 OK')
  t.regex(await read(page, '#items .time'), /^[\d.]+ ms$/)
  t.deepEqual(await readJson(page, 'items'), {
    item: { id: 2, name: 'Darjeeling', price_cents: 720 },
    quantity: 4,
    total_cents: 2880,
  })
})

test.serial('shows a 422 with every mistake that pydantic found', async (t) => {
  const page = await openDemo(t)
  await click(page, '#items [data-preset=bad]')
  await sees(page, '#items', '422 Unprocessable')
  const problems = await page.$$eval('#items .problems li', (lines) => lines.map((line) => line.textContent))
  t.deepEqual(problems, [
    'path.item_id Input should be a valid integer, unable to parse string as an integer',
    'query.quantity Input should be greater than or equal to 1',
  ])
  t.is((await readJson<{ detail: unknown[] }>(page, 'items')).detail.length, 2)
})

test.serial('shows a 404 that the app raised', async (t) => {
  const page = await openDemo(t)
  await page.locator('#items [name=item_id]').fill('77')
  await click(page, '#items .primary')
  await sees(page, '#items', '404 Not Found')
  t.deepEqual(await readJson(page, 'items'), { detail: 'There is no item 77' })
})

test.serial('has FastAPI render React, whose page is shown as its text and in a frame', async (t) => {
  const page = await openDemo(t)
  await click(page, '#render .primary')
  await sees(page, '#render', '200 OK')
  t.regex(await read(page, '#render .body'), /<h1>Today&#x27;s teas<\/h1><table>.*<td>Sencha<\/td>/)
  const rendered = async () => {
    const frame = await (await page.$('#render iframe'))!.contentFrame()
    return frame.$eval('main', (main) => main.innerText)
  }
  t.regex(await rendered(), /^Today's teas\s+Sencha\s+6\.50 €\s+Darjeeling\s+7\.20 €/)

  await click(page, '#render [data-preset=markup]')
  await sees(page, '#render .body', '&lt;b&gt;Bold&lt;/b&gt; teas &amp; &quot;others&quot;')
  t.regex(await rendered(), /^<b>Bold<\/b> teas & "others"/)
})

for (const scheme of ['light', 'dark'] as const) {
  test.serial(`the page that React has rendered is ${scheme} where the demo is`, async (t) => {
    const page = await openDemo(t)
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    await click(page, '#render .primary')
    await sees(page, '#render', '200 OK')
    const backgroundOf = `getComputedStyle(document.body).backgroundColor`
    const frame = await (await page.$('#render iframe'))!.contentFrame()
    t.is(await frame.evaluate(backgroundOf), scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(18, 22, 29)')
    const card = await page.evaluate(`getComputedStyle(document.querySelector('#render')).backgroundColor`)
    t.is(await frame.evaluate(backgroundOf), card)
  })
}

test.serial('has Express ask a function of Python, and shows what that raises', async (t) => {
  const page = await openDemo(t)
  await click(page, '#cooling .primary')
  await sees(page, '#cooling', '200 OK')
  t.deepEqual(await readJson(page, 'cooling'), {
    minutes: 14.2,
    give_or_take: 1.4,
    because_of: { 'the tea': 0.6, 'the room': 0.3, 'the cup': 1.3 },
  })
  await sees(page, '#cooling', '14.2 minutes, give or take 1.4, most of it because of the cup.')
  t.is(await read(page, '#cooling .request'), 'GET/js/cooling?temperature=95&spread=2')

  await click(page, '#cooling [data-preset=bad]')
  await sees(page, '#cooling', '400 Bad Request')
  t.deepEqual(await readJson(page, 'cooling'), { error: 'Tea of 15 °C is cool enough' })
  t.is(await read(page, '#cooling [data-field=verdict]'), '')
})

test.serial('posts a JSON body and shows the model that comes back', async (t) => {
  const page = await openDemo(t)
  await click(page, '#orders .primary')
  await sees(page, '#orders', '201 Created')
  const receipt = await readJson<{ order_id: string }>(page, 'orders')
  t.like(receipt, { customer: 'Ada', pieces: 3, total_cents: 1980 })
  t.regex(receipt.order_id, /^[\da-f]{8}$/)
})

test.serial('shows what is wrong with a JSON body, or that it is none', async (t) => {
  const page = await openDemo(t)
  await click(page, '#orders [data-preset=bad]')
  await sees(page, '#orders', 'body.customer')
  await sees(page, '#orders', 'body.lines.0.quantity')
  await page.locator('#orders textarea').fill('{ "customer": ')
  await click(page, '#orders .primary')
  await sees(page, '#orders', 'JSON decode error')
  t.is(await read(page, '#orders .status'), '422 Unprocessable Entity')
})

test.serial('uploads a file of 5 MB and shows how far it is', async (t) => {
  const page = await openDemo(t)
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const bytes = randomBytes(5_000_000)
  await writeFile(join(folder, 'five.bin'), bytes)

  // As slow as a good line, so that there is progress to see.
  const bytesPerSecond = 10_000_000
  await page.emulateNetworkConditions({ upload: bytesPerSecond, download: bytesPerSecond, latency: 0 })
  const input = await page.waitForSelector('#uploads [type=file]')
  await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(join(folder, 'five.bin'))
  await click(page, '#uploads .primary')
  await sees(page, '#uploads', 'hashes match')

  t.is(await read(page, '#uploads .status'), '200 OK')
  t.deepEqual(await readJson(page, 'uploads'), {
    filename: 'five.bin',
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  })
  const seen: number[] = (await page.$eval('#uploads progress', (bar) => bar.dataset.seen!)).split(' ').map(Number)
  t.true(seen.length >= 3, `${seen.length} progress events`)
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  )
  t.is(seen.at(-1), 1)
  t.true(seen[0]! < 0.9)
})

test.serial('asks for a file before it uploads', async (t) => {
  const page = await openDemo(t)
  await click(page, '#uploads .primary')
  await sees(page, '#uploads', 'Choose a file first')
  t.is(await read(page, '#uploads .status'), 'failed')
})

test.serial('streams events until Stop, and shows that Python cleaned up', async (t) => {
  const page = await openDemo(t)
  const before = await streamsOpen(0)
  await click(page, '#ticks [data-action=start]')
  await sees(page, '#ticks', '200 streaming')
  await page.waitForFunction(`Number(document.querySelector('[data-field=events]').textContent) >= 3`)
  t.regex(await read(page, '#ticks .body'), /^data: {"number":1,"at":".+"}\ndata: {"number":2/)
  t.is(await read(page, '[data-field=open]'), '1')
  t.is((await get<Streams>('/api/streams')).open, 1)

  await click(page, '#ticks [data-action=stop]')
  await sees(page, '#ticks .response', 'cleaned up by Python')
  t.is(await read(page, '[data-field=open]'), '0')
  t.is(await read(page, '[data-field=cleaned-up]'), String(before.cleaned_up + 1))
  t.true(milliseconds(await read(page, '#ticks .time')) < 1000)
  t.deepEqual(await get<Streams>('/api/streams'), {
    started: before.started + 1,
    cleaned_up: before.cleaned_up + 1,
    open: 0,
  })
})

test.serial('cleans up a stream whose tab is closed', async (t) => {
  const page = await openDemo(t)
  await click(page, '#ticks [data-action=start]')
  await sees(page, '#ticks', 'data: ')
  t.is((await get<Streams>('/api/streams')).open, 1)
  await page.close()
  t.is((await streamsOpen(0)).open, 0)
})

test.serial('lets tabs and a second guest of one tab hear each other over WebSockets', async (t) => {
  const ada = await openDemo(t)
  const adasName = await joins(ada, 1)
  await sees(ada, '#counter .status', '101 Switching Protocols')
  const bob = await openDemo(t)
  const bobsName = await joins(bob, 2)
  await sees(ada, '[data-field=guests]', '2')
  t.not(adasName, bobsName)

  await ada.locator('#counter [name=text]').fill('Äpfeltee 🍵')
  await click(ada, '#counter .primary')
  await sees(ada, '#counter', 'heard by 2 guests')
  t.regex(await read(ada, '#counter .time'), /^[\d.]+ ms$/)
  t.is(await read(ada, '#counter .request'), 'WS/api/counter ← {"text":"Äpfeltee 🍵"}')
  t.deepEqual(await readJson(ada, 'counter'), {
    event: 'said',
    guest: adasName,
    text: 'Äpfeltee 🍵',
    code: null,
    guests: 2,
  })
  await sees(bob, '[data-guest=tab]', `${adasName}: Äpfeltee 🍵`)

  await click(ada, '[data-action=send-as-other]')
  await sees(ada, '#counter', 'heard by 3 guests')
  const other = (await read(ada, '[data-guest=other] h3 span')).replace('Another guest: ', '')
  await sees(bob, '[data-guest=tab]', `${other}: Äpfeltee 🍵`)
  t.deepEqual(await heard(ada, 'other'), ['You joined', 'You: Äpfeltee 🍵'])
  t.is(await read(ada, '[data-field=other-count]'), '2')

  await click(ada, '[data-guest=other] button')
  await sees(bob, '[data-guest=tab]', `${other} left: 1000 off to work`)
  t.deepEqual(await heard(bob, 'tab'), [
    'You joined',
    `${adasName}: Äpfeltee 🍵`,
    `${other} joined`,
    `${other}: Äpfeltee 🍵`,
    `${other} left: 1000 off to work`,
  ])
  await sees(ada, '[data-guest=other]', 'Closed: 1000 off to work')
  t.is(await read(ada, '[data-field=guests]'), '2')
})

test.serial('shows the code and the reason with which Python closes a WebSocket', async (t) => {
  const ada = await openDemo(t)
  const name = await joins(ada, 1)
  const bob = await openDemo(t)
  await joins(bob, 2)

  await click(ada, '#counter [data-preset=bad]')
  await sees(ada, '#counter', 'closed with 1007')
  t.is(await ada.$eval('#counter .exchange', (element) => element.dataset.kind), 'bad')
  t.is(await read(ada, '#counter .problems'), '1007 Input should be a valid string')
  t.is((await heard(ada, 'tab')).at(-1), 'Closed: 1007 Input should be a valid string')
  t.is(await read(ada, '[data-field=guests]'), '–')
  await sees(bob, '[data-guest=tab]', `${name} left: 1007 Input should be a valid string`)
  await sees(bob, '[data-field=guests]', '1')

  // A message joins again, as another guest; an empty one is a mistake too.
  await click(ada, '#counter .primary')
  await sees(ada, '#counter', 'heard by 2 guests')
  t.not(await joins(ada, 2), name)
  t.is(await ada.$eval('#counter .problems', (element) => element.hidden), true)
  await ada.locator('#counter [name=text]').fill('')
  await click(ada, '#counter .primary')
  await sees(ada, '#counter .problems', 'String should have at least 1 character')
})

test.serial('counts a guest less when a tab is closed', async (t) => {
  const ada = await openDemo(t)
  await joins(ada, 1)
  const bob = await openDemo(t)
  const name = await joins(bob, 2)
  await sees(ada, '[data-field=guests]', '2')
  await bob.close()
  await sees(ada, '[data-guest=tab]', `${name} left: 1001`)
  t.is(await read(ada, '[data-field=guests]'), '1')
})

test.serial('tells open tabs that the server has gone', async (t) => {
  const other = await createDemo({ port: 0 })
  t.teardown(() => other.close())
  const page = await openDemo(t, other.url)
  await joins(page, 1)
  const asked = performance.now()
  await other.close()
  t.true(performance.now() - asked < PATIENCE)
  await sees(page, '#counter', 'closed with 1012')
  await sees(page, '#counter .problems', 'The server has gone')
  t.is((await heard(page, 'tab')).at(-1), 'Closed: 1012 The server has gone')

  await click(page, '[data-guest=tab] button')
  await sees(page, '#counter', 'closed with 1006')
  t.regex(await read(page, '#counter .problems'), /The server has gone/)
})

test.serial('runs blocking code on threads, all at once', async (t) => {
  const page = await openDemo(t)
  await click(page, '#blocking .primary')
  await sees(page, '#blocking', '200 OK')
  const lanes = await page.$$eval('#blocking .lanes li', (lines) => lines.map((line) => line.textContent ?? ''))
  const threads = new Set(lanes.map((lane) => /AnyIO worker thread \d+/.exec(lane)?.[0]))
  t.is(threads.size, 4)
  t.false(threads.has(undefined))
  const together = milliseconds(await read(page, '#blocking .time'))
  t.true(together >= 300 && together < 4 * 300, `${together} ms`)
  await sees(page, '#blocking', 'Meanwhile Express answered')
  t.true(Number(/\d+/.exec(await read(page, '[data-field=meanwhile]'))) > 2)
})

test.serial('answers before a background task is done, and shows when it is', async (t) => {
  const page = await openDemo(t)
  await click(page, '#jobs .primary')
  await page.waitForSelector('#jobs [data-step=done][data-reached]')
  t.is(await read(page, '#jobs .status'), '202 Accepted')
  const answered = milliseconds(await read(page, '#jobs [data-step=answered]'))
  const done = milliseconds(await read(page, '#jobs [data-step=done]'))
  t.true(answered < 800 && done >= 800, `answered after ${answered} ms, done after ${done} ms`)
  const { id } = await readJson<{ id: string }>(page, 'jobs')
  t.like(await get(`/api/jobs/${id}`), { id, status: 'done' })
})

test.serial('shows the state that lifespan startup made', async (t) => {
  const page = await openDemo(t)
  await click(page, '#uptime .primary')
  await sees(page, '#uptime', '200 OK')
  const { state, started_at, uptime_seconds } = await readJson<{
    state: string[]
    started_at: string
    uptime_seconds: number
  }>(page, 'uptime')
  t.deepEqual(state, ['hub', 'jobs', 'menu', 'started_at', 'streams'])
  t.true(Date.parse(started_at) <= Date.now())
  t.true(uptime_seconds > 0)
})

test.serial('runs every example from one button, with nothing from elsewhere', async (t) => {
  const page = await browser.newPage()
  t.teardown(() => page.close())
  const foreign: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(`${demo.url}/`)) foreign.push(request.url())
  })
  await page.setViewport({ width: 1280, height: 1500, deviceScaleFactor: 1.5 })
  await page.goto(demo.url)
  await page.waitForSelector('html[data-ready]')
  await click(page, '#run-all')
  await sees(page, '.actions', 'Run every example again')

  t.deepEqual(foreign, [])
  for (const id of CARDS) {
    t.is(await page.$eval(`#${id} .exchange`, (element) => element.dataset.kind), 'ok', id)
  }
  if (process.env.AMPHIS_SCREENSHOT === '1') {
    await page.$eval('#items [data-preset=bad]', (button) => button.click())
    await sees(page, '#items', '422 Unprocessable')
    await mkdir(join(root, 'docs'), { recursive: true })
    const { y, height } = (await (await page.$('#items'))!.boundingBox())!
    await page.screenshot({
      path: join(root, 'docs/demo.png'),
      clip: { x: 0, y: 0, width: 1280, height: y + height + 40 },
    })
  }
})

test.serial('shows the lines behind each example, of the files that run', async (t) => {
  const page = await openDemo(t)
  const panels = await page.$$eval('.source', (figures) =>
    figures.map((figure) => `#${figure.closest('.card')!.id} ${figure.querySelector('figcaption span')!.textContent}`),
  )
  t.deepEqual(
    panels,
    CARDS.flatMap((id) => {
      if (id === 'render') return ['#render main.py', '#render menu.mjs']
      return id === 'cooling' ? ['#cooling demo.ts', '#cooling tea.py'] : [`#${id} main.py`]
    }),
  )
  for (const [index, panel] of panels.entries()) {
    const [id = '', file = ''] = panel.split(' ')
    const text = unindented(await (await fetch(`${demo.url}/${file}`)).text())
    const nth = panels.slice(0, index + 1).filter((other) => other.startsWith(`${id} `)).length
    const source = `${id} .source:nth-child(${nth}) code`
    await sees(page, source, file.endsWith('.py') ? 'def ' : 'const ')
    for (const piece of (await read(page, source)).split('\n\n')) t.true(text.includes(unindented(piece)), piece)
  }
})

/** A route is shown without the indentation that it has in its file. */
const unindented = (text: string) => text.replaceAll(/^ +/gm, '')

test.serial('shows on the card that no response came', async (t) => {
  const page = await openDemo(t)
  await page.setOfflineMode(true)
  await click(page, '#items .primary')
  await sees(page, '#items', 'Failed to fetch')
  t.is(await read(page, '#items .status'), 'failed')
})

test.serial('fits a phone, and names every control for a screen reader', async (t) => {
  const page = await openDemo(t)
  await page.setViewport({ width: 360, height: 740 })
  t.true((await page.evaluate('document.documentElement.scrollWidth')) === 360)
  const unnamed = await page.evaluate(`[...document.querySelectorAll('input, textarea, button, progress')]
    .filter((element) => !(element.labels?.length || element.ariaLabel || element.textContent.trim()))
    .map((element) => element.outerHTML)`)
  t.deepEqual(unnamed, [])
  t.is(await page.evaluate(`document.querySelectorAll('[role=status]').length`), CARDS.length + 1)
})

test.serial("opens FastAPI's docs, which look for the schema under the mount", async (t) => {
  // Not `openDemo`: without the network the script of Swagger UI is absent, and the docs page throws for it.
  const page = await browser.newPage()
  t.teardown(() => page.close())
  await page.goto(demo.url)
  await Promise.all([page.waitForNavigation({ waitUntil: 'domcontentloaded' }), click(page, 'nav a[href="/api/docs"]')])
  t.is(page.url(), `${demo.url}/api/docs`)
  t.is(await page.title(), 'Tea shop - Swagger UI')
  t.regex(await page.content(), /url: '\/api\/openapi\.json'/)
  t.regex(await (await fetch(`${demo.url}/api/redoc`)).text(), /spec-url="\/api\/openapi\.json"/)
})

test.serial('describes the API under its mount', async (t) => {
  const schema = await get<{ servers: unknown; paths: Record<string, unknown> }>('/api/openapi.json')
  t.deepEqual(schema.servers, [{ url: '/api' }])
  t.true('/items/{item_id}' in schema.paths)
})

test.serial('redirects about a trailing slash without leaving the mount', async (t) => {
  for (const [from, to] of [
    ['/api/items?page=1', '/api/items/?page=1'],
    ['/api/about/', '/api/about'],
  ] as const) {
    const response = await fetch(demo.url + from, { redirect: 'manual' })
    t.is(response.status, 307)
    t.is(response.headers.get('location'), demo.url + to)
  }
  t.is((await get<unknown[]>('/api/items')).length, 4)
})

test.serial('keeps the routes of Express, and answers 404 from the side that is asked', async (t) => {
  t.like(await get('/js/time'), { from: 'Express' })
  t.like(await get('/js/health'), { pid: process.pid, node: process.versions.node })
  t.deepEqual(await get('/api/nothing'), { detail: 'Not Found' })
  t.regex(await (await fetch(`${demo.url}/js/nothing`)).text(), /Cannot GET \/js\/nothing/)
})

/** The program of `npm start`, as a process of its own. */
function runServer(t: ExecutionContext, env: NodeJS.ProcessEnv): NodeProcess {
  const server = fileURLToPath(new URL('../examples/express-fastapi/server.ts', import.meta.url))
  // From Node.js 26 on the loader's `module.register()` is deprecated, which would stand in stderr.
  const loader = ['--import', '@oxc-node/core/register', '--disable-warning=DEP0205']
  const child = spawn(process.execPath, [...loader, server], {
    cwd: root,
    env: { ...process.env, ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  return new NodeProcess(child, 'now')
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test.serial(`ends cleanly at ${signal} while a stream and a WebSocket are open`, async (t) => {
    const server = runServer(t, { PORT: '0' })
    let printed = ''
    server.child.stdout.on('data', (text: string) => (printed += text))
    await server.prints('Ctrl+C stops it.')
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)!
    const stream = await fetch(`${url}/api/ticks`)
    await stream.body!.getReader().read()
    const guest = new WebSocket(`${url.replace('http', 'ws')}/api/counter`)
    await once(guest, 'message')
    const closed = once(guest, 'close')

    const asked = performance.now()
    server.child.kill(signal)
    const { code, stdout, stderr } = await server.ends()
    t.is(code, 0, stderr)
    t.true(performance.now() - asked < PATIENCE)
    t.is((await closed)[0], 1012)
    t.regex(stdout, /FastAPI: lifespan shutdown\n[\s\S]*Stopped\.\n$/)
    t.is(stderr, '')
  })
}

test.serial('says which port is taken, and how to choose another', async (t) => {
  const port = new URL(demo.url).port
  const { code, stderr } = await runServer(t, { PORT: port }).ends()
  t.is(code, 1)
  t.is(stderr, `Port ${port} of 127.0.0.1 is taken. Choose another: PORT=${Number(port) + 1} npm start\n`)
})
