import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { PATIENCE } from './helpers/patience.js'
import { closeFrame, frame, handshake, opcode, RawWebSocket } from './helpers/frames.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { settled } from './helpers/settled.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const logger = new Recorder()
const websocket = shareHandler({ app: 'websocket_app:app', logger })
const probe = shareProbe()

const mebibyte = 2 ** 20
const gibibyte = 2 ** 30

/** What a kernel's buffers of one loopback connection may hold, generously. */
const bufferedAtMost = 24 * mebibyte

/** How much the process may grow while a GiB goes through it. */
const growthAtMost = 100 * mebibyte

/** Follows the resident memory of the process, which holds server, client and Python alike. */
function watchMemory() {
  const before = process.memoryUsage.rss()
  let peak = before
  return {
    sample: () => (peak = Math.max(peak, process.memoryUsage.rss())),
    growth: () => peak - before,
  }
}

/** A connection that has asked for a WebSocket and reads nothing yet. */
async function ask(t: ExecutionContext, port: number, target: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  socket.pause()
  socket.write(handshake(target))
  return socket
}

/** Reads to the end and gives how many bytes came. */
async function count(socket: Socket, sample: () => void): Promise<number> {
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    sample()
    // The answer to the server's close frame, which is the last.
    if (chunk.at(-4) === 0x88) socket.write(closeFrame(1000))
  })
  socket.resume()
  await once(socket, 'end')
  return received
}

for (const [what, size, times] of [
  ['1 MiB', mebibyte, 1024],
  ['16 KiB', 16 * 1024, 65_536],
] as const) {
  test.serial(
    `an app that floods a client who does not read waits in send(): a GiB in messages of ${what}`,
    async (t) => {
      const { port } = await serveWebSockets(t, websocket)
      const name = unique()
      const socket = await ask(t, port, `/flood?name=${name}&size=${size}&count=${times}`)
      await probe.wait(`${name}:started`)
      const sent = (await settled(() => probe.peek(name))) as number
      t.true(sent > 0)
      t.true(sent * size <= bufferedAtMost, `${sent} messages were taken from the app`)
      const memory = watchMemory()
      const received = await count(socket, memory.sample)
      t.true(received > gibibyte, `${received} bytes arrived`)
      t.is(await probe.peek(name), times)
      t.true(memory.growth() < growthAtMost, `grew by ${Math.round(memory.growth() / mebibyte)} MiB`)
    },
  )
}

for (const size of [8, 0]) {
  test.serial(`a flood of messages of ${size} bytes to a client who does not read is held back as well`, async (t) => {
    const { port } = await serveWebSockets(t, websocket)
    const name = unique()
    const memory = watchMemory()
    const times = 5_000_000
    const socket = await ask(t, port, `/flood?name=${name}&size=${size}&count=${times}`)
    await probe.wait(`${name}:started`)
    const sent = (await settled(() => probe.peek(name))) as number
    memory.sample()
    t.true(sent < times, 'everything was taken from the app')
    t.true(memory.growth() < growthAtMost, `grew by ${Math.round(memory.growth() / mebibyte)} MiB`)
    socket.destroy()
    t.is(await probe.wait(`${name}:raised`), 'ClientDisconnected')
  })
}

for (const [what, size] of [
  ['1 MiB', mebibyte],
  ['4 KiB', 4096],
] as const) {
  test.serial(
    `a client that floods an app which does not read is held back: a GiB in messages of ${what}`,
    async (t) => {
      const { port } = await serveWebSockets(t, websocket)
      const name = unique()
      const socket = await ask(t, port, `/slow?name=${name}`)
      socket.resume()
      await probe.wait(`${name}:accepted`)
      const memory = watchMemory()
      const chunk = Buffer.concat(
        Array.from({ length: mebibyte / size }, () => frame(opcode.binary, Buffer.alloc(size))),
      )
      let handedOver = 0
      const writing = (async () => {
        for (; handedOver < gibibyte; handedOver += mebibyte) {
          memory.sample()
          if (!socket.write(chunk)) await once(socket, 'drain')
        }
        socket.write(closeFrame(1000))
      })()
      const taken = await settled(async () => handedOver)
      t.true(taken <= bufferedAtMost, `${taken / mebibyte} MiB were taken from the client`)
      await probe.tell(`${name}:go`)
      await writing
      await once(socket, 'end')
      // The close is answered by the server; the app comes to it when it has received what was sent before.
      t.is(await probe.wait(`${name}:left`), gibibyte)
      t.true(memory.growth() < growthAtMost, `grew by ${Math.round(memory.growth() / mebibyte)} MiB`)
    },
  )
}

test.serial('wsMaxQueue messages that the app has not received stop the reading of its socket', async (t) => {
  for (const wsMaxQueue of [1, 4]) {
    const handler = createHandler(t, { app: 'websocket_app:app', wsMaxQueue })
    const { server, port } = await serveWebSockets(t, handler)
    let served: Socket | undefined
    server.on('connection', (socket: Socket) => (served = socket))
    const name = unique()
    const raw = await RawWebSocket.open(t, port, `/slow?name=${name}`)
    await probe.wait(`${name}:accepted`)
    const size = 100_000
    const messages = Array.from({ length: 300 }, () => frame(opcode.binary, Buffer.alloc(size)))
    raw.write(...messages, closeFrame(1000))
    const read = await settled(async () => served?.bytesRead ?? 0)
    // A chunk that was read may hold the end of one message and the start of the next.
    t.true(read <= (wsMaxQueue + 4) * size, `${read} bytes were read with a queue of ${wsMaxQueue}`)
    await probe.tell(`${name}:go`)
    t.is(await probe.wait(`${name}:left`), 300 * size)
  }
})

test.serial('a send() that waits for a client who does not read ends when the client leaves', async (t) => {
  const { port } = await serveWebSockets(t, websocket)
  const name = unique()
  const socket = await ask(t, port, `/flood?name=${name}&size=${mebibyte}&count=1024`)
  await probe.wait(`${name}:started`)
  await settled(() => probe.peek(name))
  socket.resetAndDestroy()
  t.is(await probe.wait(`${name}:raised`), 'ClientDisconnected')
})

test.serial('a denial response waits for a client who does not read', async (t) => {
  const { port } = await serveWebSockets(t, websocket)
  const name = unique()
  const socket = await ask(t, port, `/flood_denial?name=${name}&count=256`)
  await probe.wait(`${name}:started`)
  const sent = (await settled(() => probe.peek(name))) as number
  t.true(sent * mebibyte <= bufferedAtMost, `${sent} MiB were taken from the app`)
  const memory = watchMemory()
  const received = await count(socket, memory.sample)
  t.true(received > 256 * mebibyte, `${received} bytes arrived`)
  t.true(memory.growth() < growthAtMost, `grew by ${Math.round(memory.growth() / mebibyte)} MiB`)
})

test.serial('a slow client and a slow app hold up nobody else', async (t) => {
  const { port, ws } = await serveWebSockets(t, websocket)
  const [flood, slow] = [unique(), unique()]
  await ask(t, port, `/flood?name=${flood}&size=${mebibyte}&count=1024`)
  await probe.wait(`${flood}:started`)
  const full = await ask(t, port, `/slow?name=${slow}`)
  await probe.wait(`${slow}:accepted`)
  const chunk = frame(opcode.binary, Buffer.alloc(mebibyte))
  while (full.write(chunk)) await new Promise(setImmediate)
  await settled(() => probe.peek(flood))
  const client = await WebSocketClient.open(t, `${ws}/echo`)
  for (let index = 0; index < 100; index++) {
    client.send(String(index))
    t.is(await client.next(), String(index))
  }
})

test.serial('closing while a client does not read ends in time', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:app', timeoutGracefulShutdown: 200, logger: new Recorder() })
  const { port } = await serveWebSockets(t, handler)
  const name = unique()
  await ask(t, port, `/flood?name=${name}&size=${mebibyte}&count=1024`)
  await probe.wait(`${name}:started`)
  await settled(() => probe.peek(name))
  const start = performance.now()
  await handler.close()
  t.true(performance.now() - start < PATIENCE)
})
