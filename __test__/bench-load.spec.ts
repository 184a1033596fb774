import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { WebSocketServer, type RawData, type WebSocket } from 'ws'
import { ContestantFailed } from '../bench/harness/child.js'
import { WrongBytes } from '../bench/harness/wire.js'
import { FileLoad } from '../bench/load/file.js'
import { WebSocketLoad } from '../bench/load/websocket.js'
import { serve } from './helpers/server.js'

// What a benchmark's load generators must notice, or its figures may be those of servers that answer wrongly.

type Answer = (socket: WebSocket, data: Buffer, isBinary: boolean) => void

const echo: Answer = (socket, data, binary) => socket.send(data, { binary })

const notFound: RequestListener = (_, res) => res.writeHead(404).end()

/** A server whose sockets answer each message as `answer` does. */
async function webSocketServer(t: ExecutionContext, answer: Answer) {
  const { server, port } = await serve(t, notFound)
  const webSockets = new WebSocketServer({ server })
  webSockets.on('connection', (socket) => {
    socket.on('message', (data: RawData, isBinary) => answer(socket, data as Buffer, isBinary))
  })
  t.teardown(() => webSockets.clients.forEach((socket) => socket.terminate()))
  return { port, clients: webSockets.clients }
}

const webSocketLoad = (t: ExecutionContext) => {
  const load = new WebSocketLoad()
  t.teardown(() => load.stop())
  return load
}

const fileLoad = async (t: ExecutionContext, content: Buffer) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-bench-'))
  const path = join(folder, 'file')
  await writeFile(path, content)
  const load = new FileLoad()
  t.teardown(async () => {
    await load.stop()
    await rm(folder, { recursive: true })
  })
  await load.expect(path)
  return load
}

const slice = { kind: 'text', bytes: 64, connections: 2, seconds: 1 } as const
const large = { kind: 'binary', bytes: 64 * 1024, connections: 1, seconds: 1 } as const

test('right echoes of either kind are counted and timed', async (t) => {
  const { port } = await webSocketServer(t, echo)
  const load = webSocketLoad(t)
  for (const each of [slice, large]) {
    const { echoes, p50, p99, cpuSeconds } = await load.run('it', { ...each, port })
    t.true(echoes > 0)
    t.true(p50 > 0 && p50 <= p99)
    t.true(cpuSeconds > 0)
  }
})

test('an echo in several frames, with a ping among them, counts as one', async (t) => {
  let pongs = 0
  const { port } = await webSocketServer(t, (socket, data, binary) => {
    socket.once('pong', (payload) => (pongs += payload.equals(data.subarray(0, 8)) ? 1 : 0))
    socket.send(data.subarray(0, 1), { binary, fin: false })
    socket.ping(data.subarray(0, 8))
    socket.send(data.subarray(1, data.length - 2), { binary, fin: false })
    socket.send(data.subarray(data.length - 2), { binary, fin: true })
  })
  const { echoes } = await webSocketLoad(t).run('it', { ...large, port })
  t.true(echoes > 1)
  t.true(pongs > 1)
})

for (const [what, wrong, message] of [
  ['one byte', (data, binary) => [data.with(data.length - 1, 0x7f), { binary }], /other bytes/],
  ['one byte less', (data, binary) => [data.subarray(1), { binary }], /bytes/],
  ['one byte more', (data, binary) => [Buffer.concat([data, data.subarray(0, 1)]), { binary }], /more than/],
  ['the other kind', (data, binary) => [data, { binary: !binary }], /of kind/],
] as [string, (data: Buffer, binary: boolean) => [Uint8Array, { binary: boolean }], RegExp][]) {
  test(`an echo that differs by ${what} is wrong`, async (t) => {
    const { port } = await webSocketServer(t, (socket, data, binary) => socket.send(...wrong(data, binary)))
    await t.throwsAsync(webSocketLoad(t).run('it', { ...slice, port }), { instanceOf: WrongBytes, message })
  })
}

test('the echo of an earlier message is wrong', async (t) => {
  let first: Buffer | undefined
  const { port } = await webSocketServer(t, (socket, data, binary) => {
    first ??= data
    socket.send(first, { binary })
  })
  const load = webSocketLoad(t)
  await load.hold('it', port, 1, [])
  t.is(await load.echoAll('it', slice), 1)
  await t.throwsAsync(load.echoAll('it', slice), { instanceOf: WrongBytes })
})

test('a server that closes, or refuses the handshake, has failed', async (t) => {
  const load = webSocketLoad(t)
  const closing = await webSocketServer(t, (socket) => socket.close(1011))
  await t.throwsAsync(load.run('it', { ...slice, port: closing.port }), {
    instanceOf: ContestantFailed,
    message: /1011/,
  })
  const refusing = await serve(t, notFound)
  refusing.server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'))
  await t.throwsAsync(load.run('it', { ...slice, port: refusing.port }), { instanceOf: WrongBytes, message: /403/ })
})

test('sockets that are held and lost meanwhile do not count as alive', async (t) => {
  const { port, clients } = await webSocketServer(t, echo)
  const load = webSocketLoad(t)
  await load.hold('it', port, 60, [])
  t.is(await load.echoAll('it', slice), 60)
  const [lost] = clients
  lost?.terminate()
  await t.throwsAsync(load.echoAll('it', slice), { instanceOf: ContestantFailed })
})

test('files that are right are counted', async (t) => {
  const content = Buffer.alloc(300_000, 'abcdefg')
  const load = await fileLoad(t, content)
  const { port } = await serve(t, sending(content))
  const file = { port, path: '/file', connections: 2 }
  t.is((await load.run('it', { ...file, seconds: 0, whole: true })).files, 2)
  t.true((await load.run('it', { ...file, seconds: 1, whole: false })).files >= 2)
})

for (const [what, sent, whole] of [
  ['its first byte', (content: Buffer) => content.with(0, 0), false],
  ['a byte in the middle, where every byte is compared', (content: Buffer) => content.with(150_000, 0), true],
  ['its last byte', (content: Buffer) => content.with(content.length - 1, 0), false],
  ['its length', (content: Buffer) => content.subarray(1), false],
] as [string, (content: Buffer) => Uint8Array, boolean][]) {
  test(`a file that differs in ${what} is wrong`, async (t) => {
    const content = Buffer.alloc(300_000, 'abcdefg')
    const load = await fileLoad(t, content)
    const { port } = await serve(t, sending(sent(content)))
    await t.throwsAsync(load.run('it', { port, path: '/file', connections: 1, seconds: 0, whole }), {
      instanceOf: WrongBytes,
    })
  })
}

test('a server that sends half of a file and closes has failed', async (t) => {
  const content = Buffer.alloc(300_000, 'abcdefg')
  const load = await fileLoad(t, content)
  const { port } = await serve(t, (_, res) => {
    res.writeHead(200, { 'content-length': content.length })
    res.write(content.subarray(0, 150_000), () => res.destroy())
  })
  await t.throwsAsync(load.run('it', { port, path: '/file', connections: 1, seconds: 0, whole: false }), {
    instanceOf: ContestantFailed,
    message: /closed/,
  })
})

function sending(content: Uint8Array): RequestListener {
  return (_, res) => {
    res.writeHead(200, { 'content-length': content.length })
    res.end(content)
  }
}
