import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { request, requestHead } from './helpers/client.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { appNamed, ask, gone, reloading } from './helpers/reloading.js'
import { scratchFolder } from './helpers/scratch.js'
import { WebSocketClient } from './helpers/websocket-client.js'

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

test('a syntax error is told in the terminal, to browsers and to others, until the next change', async (t) => {
  const app = await reloading(t)
  const url = await app.url()
  // At once: what is written into the file that is there may be seen twice on a busy machine.
  await app.replace('main.py', 'app = <b>\n')
  await app.process.prints('Waiting for a change')

  const text = await request(url)
  t.is(text.status, 503)
  t.is(text.headers['content-type'], 'text/plain; charset=utf-8')
  t.regex(text.text, /raised SyntaxError: invalid syntax[^]*app = <b>\n\s+\^/)

  const page = await request(`${url}/some/path`, { headers: html })
  t.is(page.status, 500)
  t.is(page.headers['content-type'], 'text/html; charset=utf-8')
  t.is(page.headers['cache-control'], 'no-store')
  t.true(page.text.includes('app = &lt;b&gt;'))
  t.false(page.text.includes('<b>'))

  // A body is read before the answer, which the client could not read otherwise.
  const upload = await request(url, { method: 'POST', body: 'x'.repeat(1_000_000) })
  t.is(upload.status, 503)
  const handshake = await WebSocketClient.refused(t, url.replace('http', 'ws'))
  t.is(handshake.status, 503)
  t.regex(handshake.text, /SyntaxError/)

  await app.replace('main.py', appNamed('two'))
  await app.reloaded(1)
  t.is((await ask(url)).version, 'two')
  app.process.child.kill('SIGINT')
  const { code, stdout, stderr } = await app.process.ends()
  t.is(code, 0)
  t.regex(stderr, /^ {2}File "[^"]*main\.py", line 1\n {4}app = <b>\n[^]*^error: Importing .* SyntaxError/m)
  t.deepEqual(stdout.match(/ main\.py changed, reloading$/gm)?.length, 2)
})

test('the page of an error loads itself anew when something has changed', async (t) => {
  const app = await reloading(t)
  const url = await app.url()
  const chrome = await launchChrome()
  t.teardown(() => chrome.close())
  const page = await chrome.newPage()
  await app.write('main.py', 'raise RuntimeError("first")\n')
  await app.process.prints('RuntimeError: first')
  await page.goto(url)
  const shows = (words: string) => page.waitForSelector(`::-p-text(${words})`, { timeout: 60_000 })
  await shows('RuntimeError: first')
  await app.write('main.py', 'raise RuntimeError("second")\n')
  await shows('RuntimeError: second')
  await app.write('main.py', appNamed('two'))
  await shows('two')
  t.pass()
})

test('an app that does not start is waited for', async (t) => {
  const socketPath = join(await scratchFolder(t), 'app.sock')
  const address = ['--uds', socketPath]
  const app = await reloading(t, [], { main: `import missing_module\n${appNamed('one')}`, address })
  await app.process.prints(`Waiting for a change of a file. Until then unix:${socketPath} tells of this error.`)
  t.regex((await request('http://localhost', { socketPath })).text, /No module named 'missing_module'/)
  await app.write('missing_module.py', '')
  t.is(await app.url(), `unix:${socketPath}`)
  t.is((await ask('http://localhost', { socketPath })).version, 'one')
})

for (const [what, path, words] of [
  ['exits', '/exit', 'The app ended its process with exit code 3.'],
  ['crashes', '/segfault', "The app's process was ended by SIGSEGV."],
] as const) {
  test(`an app that ${what} is started again at the next change, not before`, async (t) => {
    const app = await reloading(t)
    const url = await app.url()
    await t.throwsAsync(request(`${url}${path}`))
    await app.process.prints(`error: ${words}\n`)
    await app.process.prints(' Waiting for a change of a file.')
    t.is((await request(url)).text.split('\n')[0], words)
    await gone(await app.pidOf('one'))
    await app.write('main.py', appNamed('two'))
    await app.reloaded(1)
    t.is((await ask(url)).version, 'two')
    app.process.child.kill('SIGINT')
    t.deepEqual((await app.process.ends()).stdout.match(/^startup \w+/gm), ['startup one', 'startup two'])
  })
}

test('an app whose startup fails is waited for', async (t) => {
  const app = await reloading(t)
  const url = await app.url()
  await app.write(
    'main.py',
    'async def app(scope, receive, send):\n    await receive()\n    await send({"type": "lifespan.startup.failed", "message": "no database"})\n',
  )
  await app.process.prints('Waiting for a change')
  t.regex((await request(url)).text, /no database/)
  await app.write('main.py', appNamed('two'))
  await app.reloaded(1)
  t.is((await ask(url)).version, 'two')
})

test('what only one process can have is free for the next one, also while a stream holds up the end of the first', async (t) => {
  const holder = createServer()
  holder.listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as { port: number }
  holder.close()
  await once(holder, 'close')
  const owner = (version: string) =>
    `import socket\nheld = socket.create_server(("127.0.0.1", ${port}))\n${appNamed(version)}`
  const app = await reloading(t, [], { main: owner('one') })
  const url = await app.url()
  const events = await requestHead(`${url}/events`)
  events.resume().on('error', () => {})
  await app.write('main.py', owner('two'))
  await app.reloaded(1)
  t.is((await ask(url)).version, 'two')
  app.process.child.kill('SIGINT')
  // That it did not work at first is nobody's business.
  t.is((await app.process.ends()).stderr, '')
})

test('a process that does not end is killed', async (t) => {
  const app = await reloading(t, [], {
    main: `${appNamed('one')}\nimport threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n`,
  })
  const url = await app.url()
  const busy = `import time\n${appNamed('two')}\ninner = app\n\nasync def app(scope, receive, send):\n    if scope["type"] == "http":\n        print("busy", flush=True)\n        time.sleep(1000)\n    await inner(scope, receive, send)\n`
  await app.write('main.py', busy)
  await app.reloaded(1)
  await gone(await app.pidOf('one'))
  const lost = t.throwsAsync(request(url))
  await app.process.prints('busy\n')
  await app.write('main.py', appNamed('three'))
  await app.reloaded(2)
  t.is((await ask(url)).version, 'three')
  await lost
  await gone(await app.pidOf('two'))
})

test('clients are told nothing of an error with --no-debug', async (t) => {
  const app = await reloading(t, ['--no-debug'], { main: 'secret = <b>\n', address: ['--port', '0'] })
  const line = await app.process.printsLine(/Until then \S+ tells of this error\.$/m)
  const url = /Until then (\S+) /.exec(line)?.[1] ?? ''
  const text = await request(url)
  t.is(text.status, 503)
  t.regex(text.text, /^The app does not run\. Its log tells why\.\n/)
  const page = await request(url, { headers: html })
  t.is(page.status, 500)
  t.regex(page.text, /The app does not run/)
  t.false(page.text.includes('secret'))
})
