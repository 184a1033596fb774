import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { deflateRawSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { valuesOf } from './helpers/client.js'
import { frame, handshake, opcode, RawWebSocket } from './helpers/frames.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const plain = shareHandler('websocket_app:app')
const deflating = shareHandler({ app: 'websocket_app:app', wsPerMessageDeflate: true })
const probe = shareProbe()

const offer = 'Sec-WebSocket-Extensions: permessage-deflate'

async function open(t: ExecutionContext, options: Partial<HandlerOptions>, lines: string[]) {
  const handler = createHandler(t, { app: 'websocket_app:app', logger: new Recorder(), ...options })
  const { port } = await serveWebSockets(t, handler)
  const name = unique()
  return { raw: await RawWebSocket.open(t, port, `/record?name=${name}`, lines), name }
}

const agreedOn = ({ response }: RawWebSocket) => valuesOf(response.headers.flat(), 'sec-websocket-extensions')

test('compression that a client offers is declined by default', async (t) => {
  const { raw } = await open(t, {}, [offer])
  t.deepEqual(agreedOn(raw), [])
  const { ws } = await serveWebSockets(t, plain)
  const client = await WebSocketClient.open(t, `${ws}/echo`, { perMessageDeflate: true })
  t.is(client.socket.extensions, '')
  client.send('as it is')
  t.is(await client.next(), 'as it is')
})

test('with wsPerMessageDeflate it is agreed on', async (t) => {
  const { raw } = await open(t, { wsPerMessageDeflate: true }, [offer])
  t.regex(String(agreedOn(raw)), /^permessage-deflate/)
})

test('with wsPerMessageDeflate a client that offers nothing is served without', async (t) => {
  const { raw, name } = await open(t, { wsPerMessageDeflate: true }, [])
  t.deepEqual(agreedOn(raw), [])
  raw.write(frame(opcode.text, 'plain'))
  raw.connection.socket.end()
  await probe.wait(`${name}:left`)
  t.deepEqual((await probe.marks(name))[0], { type: 'websocket.receive', text: 'plain' })
})

test('with wsPerMessageDeflate an extension nobody knows is declined', async (t) => {
  const { raw } = await open(t, { wsPerMessageDeflate: true }, ['Sec-WebSocket-Extensions: x-webkit-nonsense'])
  t.deepEqual(agreedOn(raw), [])
})

for (const line of ['permessage-deflate; server_max_window_bits=99', 'permessage-deflate; nonsense', ';;;']) {
  test(`with wsPerMessageDeflate the offer "${line}" is a 400`, async (t) => {
    const { port } = await serveWebSockets(t, deflating)
    const raw = await RawConnection.open(t, port)
    raw.write(handshake('/echo', [`Sec-WebSocket-Extensions: ${line}`]))
    t.is((await raw.response()).status, 400)
  })
}

test('messages of every length come back as they were, and long ones are shorter on the wire', async (t) => {
  const { server, ws } = await serveWebSockets(t, deflating)
  let served: Socket | undefined
  server.on('connection', (socket: Socket) => (served = socket))
  const client = await WebSocketClient.open(t, `${ws}/echo`, { perMessageDeflate: { threshold: 0 } })
  t.regex(client.socket.extensions, /permessage-deflate/)
  for (const size of [0, 1, 125, 1024, 65_536, 1_000_000]) {
    const text = 'ab€'.repeat(size / 3 + 1).slice(0, size)
    client.send(text)
    t.true((await client.next()) === text)
    const noise = randomBytes(size)
    client.send(noise)
    t.true(noise.equals((await client.next()) as Buffer))
  }
  const before = served?.bytesWritten ?? 0
  const long = 'compressible '.repeat(100_000)
  client.send(long)
  t.true((await client.next()) === long)
  t.true((served?.bytesWritten ?? 0) - before < long.length / 10)
})

test('many messages keep their order, whatever their length', async (t) => {
  const { ws } = await serveWebSockets(t, deflating)
  const client = await WebSocketClient.open(t, `${ws}/echo`, { perMessageDeflate: true })
  const texts = Array.from({ length: 500 }, (_, index) => `${index} `.repeat(index % 7 ? 1 : 5000))
  for (const text of texts) client.send(text)
  const messages = await client.take(500)
  t.true(messages.every((message, index) => message === texts[index]))
})

/** A message as a client compresses it: without the last four bytes of a flush. */
function compressed(text: string): Buffer {
  const whole = deflateRawSync(text, { finishFlush: 2 })
  return frame(opcode.text, whole.subarray(0, -4), { reserved: 4 })
}

test('wsMaxSize counts what a message is once it is unpacked', async (t) => {
  const { raw, name } = await open(t, { wsPerMessageDeflate: true, wsMaxSize: 100_000 }, [offer])
  raw.write(compressed('x'.repeat(100_000)), compressed('x'.repeat(100_001)))
  t.is((await raw.closed()).code, 1009)
  await probe.wait(`${name}:left`)
  const [first, last] = (await probe.marks(name)) as [{ text: string }, { code: number }]
  t.is(first.text.length, 100_000)
  t.is(last.code, 1009)
})

test('what cannot be unpacked is 1007, and the app is told', async (t) => {
  const { raw, name } = await open(t, { wsPerMessageDeflate: true }, [offer])
  raw.write(frame(opcode.text, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]), { reserved: 4 }))
  const { code } = await raw.closed()
  t.is(code, 1007)
  await probe.wait(`${name}:left`)
  t.like((await probe.marks(name)).at(-1), { type: 'websocket.disconnect', code })
})

test('a client that leaves while its messages are unpacked is a disconnect', async (t) => {
  const { raw, name } = await open(t, { wsPerMessageDeflate: true }, [offer])
  raw.write(...Array.from({ length: 50 }, () => compressed('x'.repeat(200_000))))
  raw.connection.reset()
  await probe.wait(`${name}:left`)
  t.like((await probe.marks(name)).at(-1), { type: 'websocket.disconnect', code: 1006 })
})

test('closing while messages are packed sends them all first', async (t) => {
  const { ws } = await serveWebSockets(t, deflating)
  const client = await WebSocketClient.open(t, `${ws}/numbers?count=2000`, { perMessageDeflate: true })
  client.socket.pause()
  client.socket.resume()
  const messages = await client.take(2000)
  t.deepEqual(
    messages.map(String),
    messages.map((_, index) => String(index)),
  )
})
