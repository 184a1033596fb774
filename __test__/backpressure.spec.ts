import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { serve } from './helpers/server.js'
import { settled } from './helpers/settled.js'

const stream = shareHandler('stream:app')
const upload = shareHandler('stream:slow_upload')
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

async function open(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

test.serial('an app that floods a client who does not read waits in send()', async (t) => {
  const { port } = await serve(t, stream.listener)
  const socket = await open(t, port)
  socket.pause()
  const name = unique()
  socket.write(`GET /flood/${name} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
  await probe.wait(`${name}:started`)
  const sent = (await settled(() => probe.peek(name))) as number
  t.true(sent * mebibyte <= bufferedAtMost, `${sent} MiB were taken from the app`)

  const memory = watchMemory()
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    memory.sample()
  })
  socket.resume()
  await once(socket, 'end')
  t.true(received > gibibyte, `${received} bytes arrived`)
  t.is(await probe.peek(name), 1024)
  t.true(memory.growth() < growthAtMost, `grew by ${Math.round(memory.growth() / mebibyte)} MiB`)
})

test.serial('a client that floods an app which does not read is held back', async (t) => {
  const { port } = await serve(t, upload.listener)
  const socket = await open(t, port)
  const name = unique()
  const memory = watchMemory()
  socket.write(`POST /${name} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: ${gibibyte}\r\n\r\n`)
  const chunk = Buffer.alloc(mebibyte)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  const ended = once(socket, 'end')
  let handedOver = 0
  const writing = (async () => {
    for (; handedOver < gibibyte; handedOver += mebibyte) {
      memory.sample()
      if (!socket.write(chunk)) await once(socket, 'drain')
    }
  })()
  await probe.wait(`${name}:first`)
  const taken = await settled(async () => handedOver)
  t.true(taken <= bufferedAtMost, `${taken / mebibyte} MiB were taken from the client`)
  await probe.tell(`${name}:go`)
  await writing
  await ended
  t.true(answer.endsWith(String(gibibyte)), answer)
  t.true(memory.growth() < growthAtMost, `grew by ${Math.round(memory.growth() / mebibyte)} MiB`)
})

test.serial('an app waits in send() while nobody reads the response of handle()', async (t) => {
  const name = unique()
  const response = await stream.handle({ url: `/flood/${name}` })
  await probe.wait(`${name}:started`)
  const sent = (await settled(() => probe.peek(name))) as number
  t.true(sent * mebibyte <= bufferedAtMost, `${sent} MiB were taken from the app`)
  const memory = watchMemory()
  let received = 0
  for await (const chunk of response) {
    received += chunk.length
    memory.sample()
  }
  t.is(received, gibibyte)
  t.true(memory.growth() < growthAtMost, `grew by ${Math.round(memory.growth() / mebibyte)} MiB`)
})

test.serial('the request body of handle() is drawn only as the app takes it', async (t) => {
  const name = unique()
  const chunk = new Uint8Array(mebibyte)
  let drawn = 0
  async function* body(): AsyncGenerator<Uint8Array> {
    for (; drawn < 256; drawn++) yield chunk
  }
  const pending = upload.handle({ method: 'POST', url: `/${name}`, body: body() })
  await probe.wait(`${name}:first`)
  const taken = await settled(async () => drawn)
  t.true(taken * mebibyte <= bufferedAtMost, `${taken} MiB were drawn`)
  await probe.tell(`${name}:go`)
  t.is(await (await pending).json(), 256 * mebibyte)
})

test.serial('a slow client holds up nobody else', async (t) => {
  const { port, url } = await serve(t, stream.listener)
  const socket = await open(t, port)
  socket.pause()
  const name = unique()
  socket.write(`GET /flood/${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
  await probe.wait(`${name}:started`)
  await settled(() => probe.peek(name))
  const response = await fetch(`${url}/count/100`)
  t.is((await response.text()).split('\n').length, 101)
})

test.serial('pieces of a byte are counted by what they cost, not by their bytes alone', async (t) => {
  const name = unique()
  const response = await stream.handle({ url: `/drizzle/${name}` })
  await probe.wait(`${name}:started`)
  const sent = (await settled(() => probe.peek(name))) as number
  t.true(sent <= 2048, `${sent} pieces were taken from the app, and nobody reads them`)
  t.is((await response.text()).length, 100_000)
  t.is(await probe.peek(name), 100_000)
})

test.serial('streams at full speed do not keep a newcomer waiting behind what they have sent', async (t) => {
  const { port } = await serve(t, stream.listener)
  const name = unique()
  const follow = async () => {
    const socket = await open(t, port)
    socket.setEncoding('latin1').write(`GET /events/${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
    const [first] = (await once(socket, 'data')) as [string]
    socket.resume()
    return /\r\n\r\n[0-9a-f]+\r\n(\d+)\n/.exec(first)?.[1]
  }
  await Promise.all(Array.from({ length: 100 }, follow))
  for (let newcomer = 0; newcomer < 10; newcomer++) {
    const number = await follow()
    const behind = ((await probe.peek(name)) as number) - Number(number)
    // Events that were made while its first one, and the answer to the probe, were on their way.
    t.true(behind < 25_000, `${behind} events of others were sent before the first one of a newcomer arrived`)
  }
})

test.serial('more streams than are let go on at once all come to their end', async (t) => {
  const clients = 1200
  const bodies = await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const response = await stream.handle({ url: client % 2 === 0 ? '/count/40' : '/burst/40' })
      return response.text()
    }),
  )
  t.deepEqual(
    bodies.map((body) => body.split('\n').length),
    Array.from({ length: clients }, () => 41),
  )
})
