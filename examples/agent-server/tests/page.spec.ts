import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import { launchChrome } from '../../../__test__/helpers/headless-chrome.js'
import { scripted } from '../../../__test__/helpers/messages-api.js'
import { AgentServer, folder, KEY } from './helpers/agent-server.js'

// The page, in a browser.

let server: AgentServer
let browser: Browser
test.before(async () => {
  ;[server, browser] = await Promise.all([AgentServer.start(), launchChrome()])
})
test.after.always(async () => {
  await browser?.close()
  await server?.close()
})

async function open(t: ExecutionContext, hash = `#key=${KEY}`): Promise<Page> {
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const wrong: unknown[] = []
  page.on('pageerror', (error) => wrong.push(error))
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) wrong.push(message.text())
  })
  t.teardown(async () => {
    await context.close()
    if (wrong.length > 0) throw new AggregateError(wrong, 'the page threw')
  })
  await page.goto(`${server.url}/${hash}`)
  await page.waitForSelector('html[data-ready]')
  return page
}

const sees = (page: Page, selector: string, text: string) => page.waitForSelector(`${selector} ::-p-text(${text})`)
const read = (page: Page, selector: string) => page.$eval(selector, (element) => element.textContent ?? '')

async function begin(page: Page, settings: Record<string, string> = {}): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    if (name === 'sdk') await page.select('#new [name=sdk]', value)
    else await page.locator(`#new [name=${name}]`).fill(value)
  }
  await page.locator('#new button').click()
  await page.waitForSelector('#ask:not([hidden])')
}

async function ask(page: Page, prompt: string): Promise<void> {
  await page.locator('#prompt').fill(prompt)
  await page.focus('#prompt')
  await page.keyboard.down('Control')
  await page.keyboard.press('Enter')
  await page.keyboard.up('Control')
}

test('asks for the key, keeps it out of the address, and forgets it', async (t) => {
  const page = await open(t, '')
  await page.locator('#key').fill('wrong key')
  await page.keyboard.press('Enter')
  await sees(page, '#login-problem', 'is not known')
  await page.locator('#key').fill(KEY)
  await page.keyboard.press('Enter')
  await page.waitForSelector('#new')
  await sees(page, '#health', 'ready')

  const given = await open(t)
  t.is(given.url(), `${server.url}/`)
  await given.reload()
  await given.waitForSelector('html[data-ready=open]')
  await given.locator('#forget').click()
  await given.reload()
  await given.waitForSelector('html[data-ready=login]')
})

test('streams an answer as markdown, in which nothing is HTML', async (t) => {
  const page = await open(t)
  await begin(page)
  const text = [
    '# Title',
    'Some **bold** words, `code`, [a link](https://example.com/x) and [none](javascript:alert(1)).',
    '- one\n- two',
    '```\n<b>code</b>\n```',
    '<img src=x onerror="document.title=1"><b>bold</b><svg onload="document.title=2">',
  ].join('\n\n')
  await ask(page, scripted([{ text, gate: 'markdown' }]))
  await page.waitForSelector('.answer')
  t.is(await page.$('.answer a'), null, 'the rest has not come yet')
  t.false(await page.$eval('#stop', (button) => button.hidden))
  server.api.open('markdown')
  await sees(page, '#usage', 'completed')
  t.is(await read(page, '.answer h3'), 'Title')
  t.deepEqual(await page.$$eval('.answer a', (links) => links.map((link) => link.href)), ['https://example.com/x'])
  t.is(await read(page, '.answer pre'), '<b>code</b>')
  t.is(await page.$('.answer img, .answer svg, .answer b'), null)
  t.is(await page.title(), 'Agents')
  t.regex(await read(page, '#usage'), /completed · \d+ tokens in, \d+ out · \$\d+\.\d{4} · [\d.]+ s/)
})

test('asks about a tool on a card, and does what is answered there', async (t) => {
  const page = await open(t)
  await page.setViewport({ width: 1180, height: 860, deviceScaleFactor: 1.5 })
  await begin(page, { ask: 'mcp__custom__slug', sdk: 'typescript' })
  const tool = { name: 'mcp__custom__slug', input: { text: 'Tea for two' } }
  const steps = [
    { text: 'I make the address of the page from its title.', tool },
    { text: 'The page goes to `/tea-for-two`.', tool: { ...tool, input: { text: 'Another' } } },
    { text: 'So be it: **one** page.' },
  ]
  await ask(page, scripted(steps, 'Where does the page "Tea for two" go?'))
  await sees(page, '.permission', 'Allow')
  // By the keyboard alone: the card has the focus.
  t.is(await page.evaluate('document.activeElement.textContent'), 'Allow')
  if (process.env.AMPHIS_SCREENSHOT === '1') {
    await page.$eval('.prompt div', (element) => (element.textContent = 'Where does the page "Tea for two" go?'))
    await page.screenshot({ path: join(folder, 'docs/page.png') })
  }
  await page.keyboard.press('Enter')
  await sees(page, '.tool', 'result')
  t.is(await read(page, '.permission p'), 'Allowed by client')
  await page.waitForSelector('.permission .row')
  await page.keyboard.press('Tab')
  t.is(await page.evaluate('document.activeElement.textContent'), 'Deny')
  await page.keyboard.press('Enter')
  await sees(page, '.tool.failed', 'failed')
  await sees(page, '#usage', 'completed')
  // And again, from the history.
  const before = await page.$$eval('article', (cards) => cards.length)
  await page.reload()
  await page.locator('#list button').click()
  await sees(page, '.answer', 'So be it')
  t.true((await page.$$eval('article', (cards) => cards.length)) >= before - 2)
})

test('stops a turn, and deletes a session', async (t) => {
  const page = await open(t)
  await begin(page)
  await ask(page, scripted([{ text: 'one two', gate: 'never' }]))
  await sees(page, '.answer', 'one')
  await page.locator('#stop').click()
  await sees(page, '#usage', 'interrupted')
  t.true(await page.$eval('#stop', (button) => button.hidden))
  const id = await page.$eval(
    '#list [aria-current=true]',
    (button) => (button as unknown as { dataset: { id: string } }).dataset.id,
  )
  await page.locator('#remove').click()
  await page.waitForSelector('#empty:not([hidden])')
  t.is((await server.request('GET', `/sessions/${id}`)).status, 404)
})

test('fits a phone, and names every control for a screen reader', async (t) => {
  const page = await open(t)
  await page.setViewport({ width: 360, height: 740 })
  await page.locator('#menu').click()
  await begin(page)
  t.false(await page.$eval('#sessions', (nav) => nav.classList.contains('open')))
  t.is(await page.evaluate('document.documentElement.scrollWidth'), 360)
  const unnamed = await page.evaluate(`[...document.querySelectorAll('input, textarea, select, button')]
    .filter((element) => !(element.labels?.length || element.ariaLabel || element.textContent.trim()))
    .map((element) => element.outerHTML)`)
  t.deepEqual(unnamed, [])
})
