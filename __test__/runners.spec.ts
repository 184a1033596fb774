import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import { python } from './helpers/python.js'
import { runIn } from './helpers/python-project.js'
import { testedProject } from './helpers/runners.js'
import { scratchFolder } from './helpers/scratch.js'

// What loads modules in its own way: Jest of either kind, Vitest. Its other pools are in `hosts/runners.host.ts`.

const root = fileURLToPath(new URL('..', import.meta.url))

test('Jest loads it as ES modules', async (t) => {
  const { jest } = await testedProject(t)
  const { code, stderr } = await jest('test.mjs', '--experimental-vm-modules')
  t.is(code, 0, stderr)
  t.regex(stderr, /Tests: +2 passed, 2 total/)
})

test('Jest loads it as CommonJS', async (t) => {
  const { jest } = await testedProject(t)
  const { code, stderr } = await jest('test.cjs')
  t.is(code, 0, stderr)
  t.regex(stderr, /Tests: +2 passed, 2 total/)
})

test('Vitest loads it in contexts of its own', async (t) => {
  const { vitest } = await testedProject(t)
  const { code, stdout, stderr } = await vitest('vmThreads')
  t.is(code, 0, stdout + stderr)
  t.regex(stdout, /Tests +2 passed/)
})

test('as ES modules and as CommonJS in one process it is one: errors, Python, and who takes the WebSockets', async (t) => {
  const folder = await scratchFolder(t, {
    'main.py': `
import os
seen = []

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["root_path"]})
        return
    seen.append(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(len(seen)).encode()})
`,
    'both.mjs': `
import { createRequire } from 'node:module'
import { once } from 'node:events'
import { createServer } from 'node:http'
import * as modules from ${JSON.stringify(pathToFileURL(join(root, 'index.js')).href)}
const require = createRequire(${JSON.stringify(join(root, 'index.js'))})
const { index: common } = require('./dist/required.cjs')
const { WebSocket } = require('ws')

console.log(modules.PythonHandler === common.PythonHandler)
const options = { app: 'main:app', lifespan: 'off', python: ${JSON.stringify(python)} }
const first = new modules.PythonHandler(options)
const second = new common.PythonHandler(options)
for (const handler of [first, second, first]) console.log(await (await handler.handle({ url: '/' })).text())
const error = await new common.PythonHandler({ ...options, app: 'main:nothing' }).ready().catch((reason) => reason)
console.log(error instanceof modules.AmphisError, error instanceof common.AmphisError)

const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
first.attach(server, { path: '/a' })
second.attach(server, { path: '/a/b' })
console.log(server.listenerCount('upgrade'))
for (const path of ['/a/x', '/a/b/x']) {
  const [text] = await once(new WebSocket('ws://127.0.0.1:' + server.address().port + path), 'message')
  console.log(String(text))
}
await first.close()
await second.close()
server.closeAllConnections()
server.close()
`,
  })
  t.like(await runIn(t, folder, ['both.mjs']), {
    stderr: '',
    stdout: ['false', '1', '2', '3', 'true true', '1', '/a', '/a/b', ''].join('\n'),
    code: 0,
  })
})
