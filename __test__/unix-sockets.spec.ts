import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { request } from './helpers/client.js'
import { RawWebSocket } from './helpers/frames.js'
import { readAnswer as readHttp2 } from './helpers/http2-client.js'
import { shareHandler } from './helpers/python.js'

// Servers on Unix sockets whose names cannot stand in a head as they are.

const scope = shareHandler('scope:app')
const websocket = shareHandler('websocket_app:app')

const unique = `${process.pid}-${randomUUID()}`

/** Listens until the test ends. */
async function listenOn(t: ExecutionContext, server: Server, path: string): Promise<void> {
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  server.listen(path)
  await once(server, 'listening')
}

/** A path for a socket, and how the app is to be told of it. */
type Place = (t: ExecutionContext) => Promise<{ path: string; shown: string }>

const abstract =
  (name: string): Place =>
  () =>
    // As ss and /proc/net/unix show them.
    Promise.resolve({ path: `\0${name}`, shown: `@${name.replaceAll('\0', '@')}` })

const inFolder =
  (name: string, shown: string): Place =>
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
    t.teardown(() => rm(folder, { recursive: true }))
    return { path: join(folder, name), shown: join(folder, shown) }
  }

const PLACES: Record<string, Place> = {
  'a socket with a line break in its name': inFolder('line\r\nbreak.sock', 'line??break.sock'),
  'a socket with letters beyond latin-1 in its name': inFolder('schön ☃.sock', 'schön ☃.sock'),
  // Only Linux has them.
  ...(process.platform === 'linux' && {
    'an abstract socket': abstract(unique),
    'an abstract socket with a NUL in its name': abstract(`a\0b\0${unique}`),
  }),
}

for (const [what, find] of Object.entries(PLACES)) {
  test(`HTTP/1.1 and WebSockets on ${what}`, async (t) => {
    const { path, shown } = await find(t)
    const server = createServer(scope.listener)
    websocket.attach(server)
    await listenOn(t, server, path)
    const expected = { server: { tuple: [shown, null] }, client: null }
    t.like((await request('http://localhost/', { socketPath: path })).json(), expected)
    const client = await RawWebSocket.open(t, path, '/show_scope')
    t.like(JSON.parse(String(await client.message())), expected)
    client.connection.leave()
  })

  test(`HTTP/2 on ${what}`, async (t) => {
    const { path, shown } = await find(t)
    const other = path.startsWith('\0') ? { path: `${path}-2`, shown: `${shown}-2` } : { path, shown }
    await listenOn(t, createHttp2Server(scope.listener as never), other.path)
    const session = connectHttp2('http://localhost', { createConnection: () => connect(other.path) })
    const { json } = await readHttp2(session.request({ ':path': '/' }))
    t.like(json(), { server: { tuple: [other.shown, null] }, client: null })
    session.destroy()
  })
}
