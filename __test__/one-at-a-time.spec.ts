// A client that asks again as soon as it is answered: both sides stay awake for it (src/bridge/linger.rs), in HTTP, in
// WebSockets and in `handle()`, and nothing else may suffer from that.
import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import test from 'ava'
import { request } from './helpers/client.js'
import { shareHandler } from './helpers/python.js'
import { serve } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'

const handler = shareHandler({ app: 'one_at_a_time:app', lifespan: 'on' })

interface Counts {
  task: number
  thread: number
  socket: number
  after: number
}

const counts = async (): Promise<Counts> => (await handler.handle({ url: '/count' })).json() as Promise<Counts>

/** Bodies of many sizes: in a record, beside it, in several pieces. */
const bodies = Array.from({ length: 300 }, (_, index) => randomBytes(index % 50 === 49 ? 200_000 : (index * 37) % 9000))

test.serial('each request over one connection has its own answer', async (t) => {
  const { url } = await serve(t, handler.listener)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (const [index, body] of bodies.entries()) {
    const path = ['/echo', '/stream', '/after'][index % 3]!
    const answer = await request(url + path, { method: 'POST', body, agent })
    t.is(answer.status, 200)
    t.deepEqual(answer.body, path === '/stream' ? Buffer.concat([body, body]) : body)
  }
})

test.serial('each call of handle() has its own answer, or its own error', async (t) => {
  for (const [index, body] of bodies.entries()) {
    if (index % 5 === 0) {
      await t.throwsAsync(handler.handle({ url: '/fail' }), { code: 'AMPHIS_ERR_PYTHON' })
    } else {
      const response = await handler.handle({ method: 'POST', url: index % 2 ? '/echo' : '/stream', body })
      const expected = index % 2 ? body : Buffer.concat([body, body])
      t.deepEqual(Buffer.from(await response.bytes()), expected)
    }
  }
})

test.serial('each message of a WebSocket has its own answer, also where some come at once', async (t) => {
  const server = await serve(t, handler.listener)
  server.server.on('upgrade', handler.upgrade)
  const client = await WebSocketClient.open(t, server.url.replace('http', 'ws'))
  for (const [index, body] of bodies.entries()) {
    const burst = index % 10 === 0 ? [body, Buffer.from('second'), Buffer.from('third')] : [body]
    for (const message of burst) client.send(message)
    for (const message of burst) t.deepEqual(await client.next(), message)
  }
})

test.serial('what is asked for in the answer to another request is answered as well', async (t) => {
  let answered = 0
  const ask = async (depth: number): Promise<void> => {
    const response = await handler.handle({ method: 'POST', url: '/echo', body: String(depth) })
    t.is(await response.text(), String(depth))
    answered += 1
    if (depth > 0) await Promise.all([ask(depth - 1), ask(depth - 1)])
  }
  await ask(7)
  t.is(answered, 2 ** 8 - 1)
})

test.serial('tasks, threads and sockets of the app go on while a client asks without a pause', async (t) => {
  const before = await counts()
  for (let now = before; ; now = await counts()) {
    if (['task', 'thread', 'socket'].every((kind) => now[kind as keyof Counts] >= before[kind as keyof Counts] + 20)) {
      break
    }
  }
  t.pass()
})

test.serial('what an app does after its answer is done', async (t) => {
  const { after } = await counts()
  for (let index = 0; index < 50; index++) {
    await (await handler.handle({ url: '/after' })).text()
  }
  // The last one is counted in a turn of its own, which the next request may come before.
  while ((await counts()).after < after + 50);
  t.is((await counts()).after, after + 50)
})

test.serial('timers and immediates of Node go on while a client asks without a pause', async (t) => {
  const ticks: number[] = []
  const timer = setInterval(() => ticks.push(ticks.length), 1)
  t.teardown(() => clearInterval(timer))
  while (ticks.length < 20) await counts()
  t.pass()
})
