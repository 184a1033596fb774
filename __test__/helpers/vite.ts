import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { amphis } from '../../lib/vite.js'
import { loop, python } from './python.js'
import { scratchFolder } from './scratch.js'

// A project with a page and a Python app, in Vite's own servers.

export interface Server {
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
const host = createRequire(fileURLToPath(new URL('../hosts/vite/package.json', import.meta.url)))
const vite = (await import(pathToFileURL(host.resolve('vite')).href)) as Vite

/** An app that greets. */
export const app = (greeting: string): string => `
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
    response.headers["vary"] = "accept"
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

/** The server of development. */
export async function develop(
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

/** Built once: previews share this process, and Python has one `main` in it. */
let built: Promise<string> | undefined
test.after.always(async () => built && rm(await built, { recursive: true }))

async function build(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-vite-'))
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text)
  await vite.build({ ...settings(folder), build: { target: 'esnext' } })
  return folder
}

/** The server of what was built. */
export async function preview(t: ExecutionContext, more: object = {}, plugins: object[] = []): Promise<string> {
  const server = await vite.preview(settings(await (built ??= build()), more, plugins))
  t.teardown(() => server.close())
  return server.resolvedUrls.local[0]!.replace(/\/$/, '')
}

export const servers = {
  development: async (t: ExecutionContext, more: object, plugins: object[] = []) =>
    (await develop(t, {}, more, plugins)).url,
  preview,
}
