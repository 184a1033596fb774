import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { serve } from './helpers/server.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { request } from './helpers/client.js'
import { createHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'

const html = { accept: 'text/html,application/xhtml+xml' }

async function served(t: ExecutionContext, app: string, debug = true) {
  const handler = createHandler(t, { app, debug, logger: new Recorder(), lifespan: 'auto' })
  await handler.ready()
  return serve(t, handler.listener)
}

test('shows a browser the exception, its cause and the source around the frames of the user', async (t) => {
  const { url } = await served(t, 'raises:app')
  const { status, headers, text } = await request(`${url}/cause?who=me`, { headers: html })
  t.is(status, 500)
  t.is(headers['content-type'], 'text/html; charset=utf-8')
  t.is(headers['cache-control'], 'no-store')
  t.regex(String(headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-/)
  t.true(text.includes('RuntimeError: the settings cannot be read'))
  t.true(text.includes('JSONDecodeError'))
  t.regex(text, /The above exception was the direct cause/)
  // A line that is in no traceback, only in the file.
  t.true(text.includes('# Above the line that raises.'))
  t.regex(text, /<details class="library"><summary>\d+ frames in fastapi, starlette/)
  t.regex(text, /<tr><th>who<\/th><td>me<\/td><\/tr>/)
  t.regex(text, /amphis \d.* · Python 3\.\d+/)
})

test('shows the path as the client has asked for it, also below a mount', async (t) => {
  const handler = createHandler(t, { app: 'raises:app', debug: true, logger: new Recorder(), lifespan: 'auto' })
  const mounts: ((request: express.Request) => void)[] = [
    () => {},
    // Another host knows the prefix only.
    (incoming) => delete (incoming as { originalUrl?: string }).originalUrl,
  ]
  for (const change of mounts) {
    const app = express().use('/shop/api', (incoming, response) => {
      change(incoming)
      void handler.listener(incoming, response)
    })
    const { url } = await serve(t, app)
    const { text } = await request(`${url}/shop/api/cause?who=me`, { headers: html })
    t.true(text.includes('GET /shop/api/cause?who=me'), text.slice(0, 2000))
    t.regex(text, /<tr><th>Path<\/th><td>\/shop\/api\/cause<\/td><\/tr>/)
  }
})

test('gives others the traceback as text', async (t) => {
  const { url } = await served(t, 'raises:app')
  const { headers, text } = await request(`${url}/cause`, { headers: { accept: 'application/json' } })
  t.is(headers['content-type'], 'text/plain; charset=utf-8')
  t.regex(text, /^Traceback \(most recent call last\):\n[^]*RuntimeError: the settings cannot be read\n$/)
})

test('says no more than that it failed where nobody asked for more', async (t) => {
  const { url } = await served(t, 'raises:app', false)
  t.is((await request(`${url}/cause`, { headers: html })).text, 'Internal Server Error')
  const raw = await served(t, 'raises:raw', false)
  t.is((await request(raw.url, { headers: { ...html, 'x-last': 'no' } })).text, 'Internal Server Error')
})

test('escapes what comes from outside, and hides what is secret', async (t) => {
  const { url } = await served(t, 'raises:app')
  const hostile = `<script>alert("1")</script>'&`
  const headers = {
    ...html,
    'x-hostile': hostile,
    cookie: 'a=s3cret',
    authorization: 'Bearer s3cret',
    'x-api-key': 's3cret',
  }
  const { text } = await request(`${url}/says?text=${encodeURIComponent(hostile)}&%3Cimg%3E=1`, { headers })
  t.false(text.includes('<script'))
  t.false(text.includes('<img'))
  t.true(text.includes('ValueError: &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;'))
  t.false(text.includes('s3cret'))
  t.is(text.match(/not shown/g)?.length, 3)
})

test('leaves alone what the app answers itself, and what has begun', async (t) => {
  const { url } = await served(t, 'raises:handled')
  t.deepEqual((await request(url, { headers: html })).json(), { detail: 'explained' })
  const raw = await served(t, 'raises:raw')
  // The same bare answer, with nothing raised behind it.
  const bare = await request(`${raw.url}/bare`, { headers: html })
  t.deepEqual([bare.status, bare.text], [500, 'Internal Server Error'])
  const connection = await RawConnection.open(t, raw.port)
  connection.write('GET /late HTTP/1.1\r\nhost: a\r\naccept: text/html\r\n\r\n')
  const { text } = await connection.rest()
  t.true(text.includes('begun'))
  t.false(text.includes('<html'))
  t.false(text.includes('Traceback'))
})

test('is whole in a browser without scripts, in light and dark', async (t) => {
  const [{ url }, browser] = await Promise.all([served(t, 'raises:app'), launchChrome()])
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  await page.setJavaScriptEnabled(false)
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  const asked: string[] = []
  page.on('request', (each) => asked.push(each.url()))
  for (const scheme of ['light', 'dark']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    await page.goto(`${url}/cause`)
    if (process.env.AMPHIS_SCREENSHOT) {
      await page.screenshot({ path: `.cache/debug-page-${scheme}.png`, fullPage: true })
    }
  }
  await page.setJavaScriptEnabled(true)
  const open = await page.$$eval('details[open] > summary b', (names) => names.map((name) => name.textContent))
  t.deepEqual(open, ['settings', 'cause', 'settings'])
  t.is(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(20, 23, 28)')
  t.is(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), 0)
  t.deepEqual(
    asked.filter((one) => !one.endsWith('/cause')),
    [],
  )
  t.deepEqual(
    complaints.filter((text) => !text.includes('500')),
    [],
  )
})
