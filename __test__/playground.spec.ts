import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import { createServer } from '../index.js'
import { testWithEngine } from './helpers/engine.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { shareHandler } from './helpers/python.js'

// examples/playground, as one uses it: in a browser.

const root = fileURLToPath(new URL('..', import.meta.url))
const server = createServer(shareHandler({ app: 'main:app', appDir: join(root, 'examples/playground') }))
let browser: Browser

test.before(async () => {
  server.listen(0, '127.0.0.1')
  ;[browser] = await Promise.all([launchChrome(), once(server, 'listening')])
})

test.after.always(async () => {
  await browser?.close()
  server.close()
})

/** The page, in a tab of its own; a script error in it fails the test. */
async function openPage(t: ExecutionContext, hash = ''): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(15_000)
  await page.setViewport({ width: 1280, height: 800, deviceScaleFactor: 2 })
  const errors: unknown[] = []
  page.on('pageerror', (error) => errors.push(error))
  t.teardown(async () => {
    await page.close()
    if (errors.length > 0) throw new AggregateError(errors, 'the page threw')
  })
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${hash}`)
  await page.waitForSelector('html[data-ready]')
  return page
}

/** Types a script, and runs it. */
async function run(page: Page, source: string): Promise<void> {
  await page.locator('#source').fill(source)
  await page.locator('#run').click()
}

/** Waits until an element holds a text. */
const sees = (page: Page, selector: string, text: string) => page.waitForSelector(`${selector} ::-p-text(${text})`)

const texts = (page: Page, selector: string) =>
  page.$$eval(selector, (elements) => elements.map(({ textContent }) => textContent))

testWithEngine('the playground shows what a script gives and writes', async (t) => {
  const page = await openPage(t)
  await run(page, "console.log('one', { two: 2 })\nconsole.warn('three')\nsha256('amphis').slice(0, 8)")
  await sees(page, '#result', "'0637f120'")
  await sees(page, '#took', 'MiB of heap')
  t.deepEqual(await texts(page, '#console li'), ['one { two: 2 }', 'three'])
  t.deepEqual(await texts(page, '#console .warning'), ['three'])
  if (process.env.AMPHIS_SCREENSHOT === '1') {
    await page.screenshot({ path: join(root, 'examples/playground/playground.png') })
  }
})

testWithEngine('the playground shows lines while the script runs, until it is stopped', async (t) => {
  const page = await openPage(t)
  await page.locator('#timeout').fill('10')
  await run(page, "console.log('there')\nawait new Promise(() => {})")
  await sees(page, '#console', 'there')
  t.is((await texts(page, '#result'))[0], '')
  await page.locator('#stop').click()
  await sees(page, '#result.error', 'Stopped')
  // It holds no turn any more.
  for (let round = 0; round < 5; round++) {
    await run(page, `'round ' + ${round}`)
    await sees(page, '#result', `round ${round}`)
  }
})

testWithEngine('the playground shows what a stream gives, one by one', async (t) => {
  const page = await openPage(t)
  await page.locator('#timeout').fill('10')
  await run(
    page,
    'new ReadableStream({ start(c) { c.enqueue(1); c.enqueue({ two: 2 }) }, pull: () => new Promise(() => {}) })',
  )
  await sees(page, '#values', "{'two': 2}")
  t.deepEqual(await texts(page, '#values li'), ['1', "{'two': 2}"])
  await run(page, 'new ReadableStream({ start(c) { c.enqueue(3); c.close() } })')
  await sees(page, '#took', 'MiB of heap')
  t.deepEqual(await texts(page, '#values li'), ['3'])
})

testWithEngine('the playground says why a script came to nothing', async (t) => {
  const page = await openPage(t)
  await run(page, "function inner() {\n  throw new RangeError('too far')\n}\ninner()")
  await sees(page, '#result.error', 'at inner (playground.js:2:9)')
  await page.locator('#timeout').fill('0.2')
  await run(page, 'for (;;) {}')
  await sees(page, '#result.error', 'more than 0.2 s')
  await page.locator('#timeout').fill('10')
  await run(page, 'const all = []\nfor (;;) all.push(new Array(1e5).fill(0))')
  await sees(page, '#result.error', 'Heap limit exceeded')
  await page.locator('#timeout').fill('1')
  await run(page, 'for (;;) console.log(1)')
  await sees(page, '#console', 'There were more lines than are shown')
  await sees(page, '#result.error', 'more than 1 s')
  t.is((await texts(page, '#console li')).length, 1000)
})

testWithEngine('what a script says is text in the playground, and never markup', async (t) => {
  const page = await openPage(t)
  await run(page, "console.log('<img src=x onerror=alert(1)>'); '<b>bold</b>'")
  await sees(page, '#result', '<b>bold</b>')
  t.is(await page.$('#console img, #result b'), null)
})

testWithEngine('a link holds the script of the playground', async (t) => {
  const page = await openPage(t)
  await page.locator('#source').fill("'shared ☕'")
  await page.locator('#share').click()
  await sees(page, '#shared', 'link')
  const { hash } = new URL(page.url())
  t.regex(hash, /^#[\w-]+$/)
  const other = await openPage(t, hash)
  t.is(await other.$eval('#source', (element) => (element as unknown as { value: string }).value), "'shared ☕'")
  await other.locator('#run').click()
  await sees(other, '#result', 'shared ☕')
  const broken = await openPage(t, '#nothing')
  await sees(broken, '#shared', 'holds no script')
})
