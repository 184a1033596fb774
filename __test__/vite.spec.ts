import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import { WebSocket } from 'ws'
import { amphis } from '../lib/vite.js'
import { request } from './helpers/client.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { loop, python } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { scratchFolder } from './helpers/scratch.js'

// A Python app in Vite's own servers, and its page in a browser.

interface Server {
  config: { logger: { error(text: string): void } }
  listen(): Promise<Server>
  close(): Promise<void>
  resolvedUrls: { local: string[] }
}
interface Vite {
  build(options: object): Promise<unknown>
  createServer(options: object): Promise<Server>
  preview(options: object): Promise<Server>
}

/** It is in a project of its own. */
const host = createRequire(fileURLToPath(new URL('hosts/vite/package.json', import.meta.url)))
const vite = (await import(pathToFileURL(host.resolve('vite')).href)) as Vite

let browser: Browser
test.before(async () => {
  browser = await launchChrome()
})
test.after.always(() => browser?.close())

const app = (greeting: string): string => `
import asyncio
import hashlib

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection

app = FastAPI()
left = asyncio.Event()
began = asyncio.Event()


@app.get("/hello")
async def hello(request: Request, response: Response):
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    client = request.client.host
    return {"greeting": "${greeting}", "root_path": request.scope["root_path"], "client": client, "url": str(request.url)}


@app.post("/digest")
async def digest(request: Request):
    return hashlib.sha256(await request.body()).hexdigest()


@app.get("/events")
async def events():
    async def pieces():
        try:
            while True:
                yield "data: tick\\n\\n"
                await asyncio.sleep(0.01)
        finally:
            left.set()

    return StreamingResponse(pieces(), media_type="text/event-stream")


@app.get("/left")
async def whether_left():
    await asyncio.wait_for(left.wait(), 30)
    left.clear()
    return "left"


@app.api_route("/waits", methods=["GET", "POST"])
async def waits(request: Request):
    began.set()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    left.set()


@app.get("/began")
async def whether_begun():
    await asyncio.wait_for(began.wait(), 30)
    began.clear()
    return "began"


@app.get("/broken")
async def broken():
    raise ValueError("broken on purpose")


def known(connection: HTTPConnection):
    return connection.scope.get("extensions", {}).get("amphis.context")


@app.get("/known")
async def known_of_request(request: Request):
    return known(request)


@app.websocket("/known")
async def known_of_websocket(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json(known(websocket))


@app.websocket("/chat")
async def chat(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"${greeting} heard: {text}")
`

const FILES = {
  'package.json': '{ "type": "module" }',
  'main.py': app('Python'),
  'index.html': '<p id="hello"></p><p id="chat"></p><p id="part"></p><script type="module" src="/page.js"></script>',
  'page.js': `
import { text } from './part.js'
const show = (id, text) => (document.getElementById(id).textContent = text)
show('part', text)
import.meta.hot?.accept('./part.js', (part) => show('part', part.text))
const { greeting } = await (await fetch('/api/hello')).json()
show('hello', greeting)
const socket = new WebSocket('/api/chat')
socket.onopen = () => socket.send('hi')
socket.onmessage = ({ data }) => show('chat', data)
`,
  'part.js': "export const text = 'first'\n",
}

function settings(root: string, more: object = {}, plugins: object[] = []): object {
  const plugin = amphis({ app: { app: 'main:app', python, loop, ...more } })
  const server = { port: 0, host: '127.0.0.1' }
  return { root, configFile: false, logLevel: 'silent', plugins: [...plugins, plugin], server, preview: server }
}

async function develop(
  t: ExecutionContext,
  files: Partial<typeof FILES> = {},
  more: object = {},
  plugins: object[] = [],
) {
  const folder = await scratchFolder(t, { ...FILES, ...files })
  const server = await vite.createServer(settings(folder, more, plugins))
  t.teardown(() => server.close())
  await server.listen()
  return {
    url: server.resolvedUrls.local[0]!.replace(/\/$/, ''),
    server,
    /** As editors do it that never leave half a file. */
    async write(name: string, text: string): Promise<void> {
      await writeFile(join(folder, `.${name}~`), text)
      await rename(join(folder, `.${name}~`), join(folder, name))
    },
  }
}

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

// One after another: each has a Python of its own to start.
test.serial('development: a startup that fails is told of by each request', async (t) => {
  const failing = `
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
`
  const { url, server } = await develop(t, { 'main.py': failing }, { lifespan: 'on' })
  const logged = log(server)
  for (let n = 0; n < 2; n++) t.is((await request(`${url}/api/hello`)).status, 500)
  t.regex(logged.join(''), /no database/)
})

/** What is said to be wrong from now on. */
function log({ config }: Server): string[] {
  const logged: string[] = []
  config.logger.error = (text) => logged.push(text)
  return logged
}

/** What others do in front of the app. */
type Middleware = (request: AsyncIterable<unknown>, response: unknown, next: () => void) => unknown
interface Hook {
  middlewares: { use(middleware: Middleware): void }
}
/** Connect's own function would be called once more, were it given back. */
const readFirst = ({ middlewares }: Hook): void => {
  middlewares.use(readAll)
}
const reader = { name: 'reads', enforce: 'pre', configureServer: readFirst, configurePreviewServer: readFirst }
const readAll: Middleware = async (asked, _response, next) => {
  for await (const _ of asked);
  next()
}

test.serial(
  'development: a body that a plugin has read is an error that says so, not a request without an end',
  async (t) => {
    const { url, server } = await develop(t, {}, {}, [reader])
    const logged = log(server)
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
      t.is((await request(`${url}/api/digest`, { method: 'POST', body: 'x', headers })).status, 500)
    }
    t.is(logged.length, 2)
    for (const text of logged) t.regex(text, /The body of POST \/api\/digest was read before the Python app saw it/)
    t.is((await request(`${url}/api/hello`)).status, 200)
  },
)

test('preview: a body that a plugin has read is an error as well', async (t) => {
  const url = await preview(t, {}, [reader])
  const answer = await request(`${url}/api/digest`, { method: 'POST', body: 'x' })
  t.is(answer.status, 500)
  t.regex(answer.text, /The body of POST \/api\/digest was read before the Python app saw it/)
})

test.serial('development: a body that is too large is a 413', async (t) => {
  const { url } = await develop(t, {}, { maxBodySize: 3 })
  t.is((await request(`${url}/api/digest`, { method: 'POST', body: 'long' })).status, 413)
})

test.serial('development: clients that leave before the answer or in an upload are no error', async (t) => {
  const { url, server } = await develop(t)
  const logged = log(server)
  for (const head of ['POST /api/waits HTTP/1.1\r\nContent-Length: 100', 'GET /api/waits HTTP/1.1']) {
    const connection = await RawConnection.open(t, Number(new URL(url).port))
    connection.write(`${head}\r\nHost: localhost\r\n\r\n`)
    if (head.startsWith('POST')) connection.write('some')
    t.is((await request(`${url}/api/began`)).text, '"began"')
    connection.reset()
    t.is((await request(`${url}/api/left`)).text, '"left"')
  }
  t.deepEqual(logged, [])
})

/** Built once: previews share this process, and Python has one `main` in it. */
let built: Promise<string> | undefined
test.after.always(async () => built && rm(await built, { recursive: true }))

async function build(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-vite-'))
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text)
  await vite.build({ ...settings(folder), build: { target: 'esnext' } })
  return folder
}

async function preview(t: ExecutionContext, more: object = {}, plugins: object[] = []): Promise<string> {
  const server = await vite.preview(settings(await (built ??= build()), more, plugins))
  t.teardown(() => server.close())
  return server.resolvedUrls.local[0]!.replace(/\/$/, '')
}

const servers = {
  development: async (t: ExecutionContext, more: object) => (await develop(t, {}, more)).url,
  preview,
}

for (const [name, serve] of Object.entries(servers)) {
  test.serial(
    `${name}: the app finds what the host knows of a request and of a WebSocket, and no client can say it`,
    async (t) => {
      const forged = { 'x-amphis-context': '{"user":"eve"}' }
      const heard = async (url: string, headers: Record<string, string>): Promise<unknown> => {
        const socket = new WebSocket(`${url.replace('http', 'ws')}/api/known`, { headers })
        t.teardown(() => socket.terminate())
        return JSON.parse(String((await once(socket, 'message'))[0])) as unknown
      }
      const context = async ({ headers }: IncomingMessage) => {
        if (headers['x-user'] === 'nobody') throw Object.assign(new Error('nobody'), { status: 401 })
        return { user: `${String(headers['x-user'])} é`, long: 'x'.repeat(60_000) }
      }
      const url = await serve(t, { context })
      const known = { user: 'ada é', long: 'x'.repeat(60_000) }
      const ada = { 'x-user': 'ada' }
      t.deepEqual((await request(`${url}/api/known`, { headers: { ...ada, ...forged } })).json(), known)
      t.deepEqual(await heard(url, { ...ada, ...forged }), known)
      t.true((await request(`${url}/api/known`, { headers: { 'x-user': 'nobody' } })).status >= 400)
      await t.throwsAsync(heard(url, { 'x-user': 'nobody' }), { message: /401/ })

      const without = await serve(t, {})
      t.is((await request(`${without}/api/known`, { headers: forged })).json(), null)
      t.is(await heard(without, forged), null)
    },
  )

  test.serial(`${name}: what a handler that falls through does not have is Vite’s`, async (t) => {
    const url = await serve(t, { fallthrough: true })
    const headers = { accept: 'text/html' }
    const answer = await request(`${url}/api/nothing-here`, { headers })
    t.deepEqual([answer.status, answer.text.includes('<p id="hello">')], [200, true])
    t.is((await request(`${url}/api/hello`, { headers })).status, 200)
    t.is((await request(`${url}/api/nothing-here`, { method: 'POST', headers })).text, '{"detail":"Not Found"}')
    const body = { body: 'x', headers: { ...headers, 'content-length': '1' } }
    t.is((await request(`${url}/api/nothing-here`, body)).text, '{"detail":"Not Found"}')
  })
}

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

test('what is wrong with the options is said at once, with the nearest name', (t) => {
  const wrong = { code: 'AMPHIS_ERR_INVALID_OPTIONS' }
  t.throws(() => amphis({ ap: 'main:app' } as object), { ...wrong, message: /no option ap of amphis\/vite/ })
  t.throws(() => amphis({ app: 'main' }), { ...wrong, message: /main:app/ })
  t.throws(() => amphis({ app: 'main:app', path: 'api' }), { ...wrong, message: /path of amphis\/vite must be a path/ })
  t.throws(() => amphis({ app: 'main:app', path: '/' }), { ...wrong, message: /path of amphis\/vite must be a path/ })
  const withLogger = { app: 'main:app', logger: console } as { app: string }
  t.throws(() => amphis({ app: withLogger }), { ...wrong, message: /logger is no option of amphis\/vite/ })
  t.throws(() => amphis({ app: { app: 'main:app', appdir: 'x' } as { app: string } }), { ...wrong, message: /appDir/ })
})
