import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent } from 'node:http'
import test from 'ava'
import { WebSocket } from 'ws'
import { PythonHandler } from '../index.js'
import { request } from './helpers/client.js'
import { flat, shareMemory } from './helpers/memory.js'
import { unique } from './helpers/probe.js'
import { shareHandler, testOptions } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { serve } from './helpers/server.js'
import { serveWebSockets } from './helpers/websocket-client.js'

const main = shareHandler('main:app')
const fastapi = shareHandler({ app: 'fastapi_app:app', lifespan: 'on' })
const echo = shareHandler('echo:app')
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const error = shareHandler({ app: 'error:app', logger: silent })
const disconnect = shareHandler({ app: 'disconnect:app', logger: silent })
const barrier = shareHandler('barrier:app')
const websocket = shareHandler({ app: 'websocket_app:app', logger: silent })
const { probe, leftPerRound } = shareMemory()

const get = async (handler: PythonHandler, url: string) => (await handler.handle({ url })).bytes()

test.serial('thirty thousand requests leave nothing behind', async (t) => {
  flat(t, await leftPerRound(10_000, async () => get(main, '/')))
})

test.serial('twelve thousand requests over connections leave nothing behind', async (t) => {
  const { url } = await serve(t, main.listener)
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  t.teardown(() => agent.destroy())
  flat(t, await leftPerRound(4000, async () => request(url, { agent })))
})

test.serial('requests of FastAPI leave nothing behind', async (t) => {
  flat(t, await leftPerRound(2000, async (index) => get(fastapi, `/items/${index}?q=x`)))
})

test.serial('bodies leave nothing behind', async (t) => {
  const body = randomBytes(100_000)
  flat(t, await leftPerRound(1000, async () => (await echo.handle({ method: 'POST', url: '/', body })).bytes()))
})

test.serial('errors leave nothing behind', async (t) => {
  flat(t, await leftPerRound(2000, async () => get(error, '/before').catch(() => {})))
})

test.serial('responses that nobody reads leave nothing behind', async (t) => {
  flat(t, await leftPerRound(1000, async () => echo.handle({ method: 'POST', url: '/', body: 'x'.repeat(1000) })))
})

test.serial('aborted requests leave nothing behind', async (t) => {
  const round = async () => {
    const controller = new AbortController()
    const name = unique()
    const pending = disconnect.handle({ url: `/escapes?${name}`, signal: controller.signal })
    controller.abort()
    await pending.catch(() => {})
  }
  const left = async () => (await probe.tasks()).filter((task) => task.includes('escapes'))
  // Their caller hears of the abort before the app does.
  const settled = async () => {
    while ((await left()).length > 0) await new Promise(setImmediate)
  }
  // The probe itself keeps the facts of every name.
  flat(t, { ...(await leftPerRound(1000, round, settled)), blocks: 0 })
  t.deepEqual(await left(), [])
})

test.serial('clients that leave, leave no task', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const names = Array.from({ length: 200 }, () => unique())
  await Promise.all(
    names.map(async (name) => {
      const connection = await RawConnection.open(t, port)
      connection.write(`GET /idle_during?${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
      await probe.wait(`${name}:idle`)
      connection.reset()
      await probe.wait(`${name}:left`)
    }),
  )
  t.deepEqual(
    (await probe.tasks()).filter((task) => /app|idle_during/.test(task)),
    [],
  )
})

/** A WebSocket of `ws` by itself: a helper that cleans up after the test would keep every one until then. */
async function openWebSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  await once(socket, 'open')
  return socket
}

test.serial('WebSockets that come and go leave nothing behind', async (t) => {
  const { ws } = await serveWebSockets(t, websocket)
  flat(
    t,
    await leftPerRound(1000, async (index) => {
      const socket = await openWebSocket(`${ws}/echo`)
      socket.send(index % 2 ? 'text' : randomBytes(20_000))
      await once(socket, 'message')
      if (index % 3) socket.close(1000)
      else socket.terminate()
      await once(socket, 'close')
    }),
  )
})

test.serial('messages of WebSockets leave nothing behind', async (t) => {
  const { ws } = await serveWebSockets(t, websocket)
  const sockets = await Promise.all(Array.from({ length: 50 }, () => openWebSocket(`${ws}/echo`)))
  t.teardown(() => sockets.forEach((socket) => socket.terminate()))
  const data = randomBytes(20_000)
  flat(
    t,
    await leftPerRound(10_000, async (index) => {
      const socket = sockets[index % 50]!
      socket.send(index % 4 ? 'text' : data)
      await once(socket, 'message')
    }),
  )
})

test.serial('WebSockets that are refused leave nothing behind', async (t) => {
  const { ws } = await serveWebSockets(t, websocket)
  flat(
    t,
    await leftPerRound(1000, async (index) => {
      // There is no such app, and an app that denies.
      const socket = new WebSocket(`${ws}/${index % 4 ? 'nothing' : 'flood_denial?name=memory&count=1'}`)
      await once(socket, 'error')
    }),
  )
})

test.serial('handlers that come and go leave nothing behind', async (t) => {
  const left = await leftPerRound(300, async () => {
    const handler = new PythonHandler(testOptions({ app: 'lifespans:state', lifespan: 'on' }))
    await get(handler, '/')
    await handler.close()
  })
  flat(t, left)
  t.deepEqual(
    (await probe.tasks()).filter((task) => /state/.test(task)),
    [],
  )
})

test.serial('requests that wait cost no CPU', async (t) => {
  const names = Array.from({ length: 100 }, () => unique())
  const pending = names.map(async (name) => get(barrier, `/slow/${name}`))
  await Promise.all(names.map((name) => probe.wait(`${name}:started`)))
  const start = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const { user, system } = process.cpuUsage(start)
  // A thread that polls would take most of the half second.
  t.true(user + system < 50_000, `${(user + system) / 1000} ms of CPU in 500 ms`)
  await Promise.all(names.map((name) => probe.tell(`${name}:go`)))
  t.is((await Promise.all(pending)).length, 100)
})

test.serial('an idle handler costs no CPU', async (t) => {
  await get(main, '/')
  const start = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const { user, system } = process.cpuUsage(start)
  t.true(user + system < 50_000, `${(user + system) / 1000} ms of CPU in 500 ms`)
})
