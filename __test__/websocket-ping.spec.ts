import { once } from 'node:events'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import test, { type ExecutionContext } from 'ava'
import { PATIENCE } from './helpers/patience.js'
import { closed } from './helpers/closed.js'
import { closeFrame, frame, opcode, RawWebSocket } from './helpers/frames.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { disconnected } from './helpers/script.js'
import { settled } from './helpers/settled.js'
import { serveWebSockets } from './helpers/websocket-client.js'

const probe = shareProbe()

/** A connection, answered by hand, to an app that marks what it receives. */
async function open(t: ExecutionContext, options: Partial<HandlerOptions>, query = '') {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'websocket_app:app', logger, ...options })
  const { server, port } = await serveWebSockets(t, handler)
  const connected = once(server, 'connection') as Promise<[Socket]>
  const name = unique()
  const raw = await RawWebSocket.open(t, port, `/record?name=${name}${query}`)
  const [served] = await connected
  return { raw, served, name, logger, opened: performance.now() }
}

/** Answers so many pings. */
async function answer(raw: RawWebSocket, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { opcode: code, payload } = await raw.next()
    if (code !== opcode.ping) throw new Error(`a frame of opcode ${code}`)
    raw.write(frame(opcode.pong, payload))
  }
}

test('a client is pinged every wsPingInterval, and stays while it answers', async (t) => {
  const { raw, name, opened } = await open(t, { wsPingInterval: 20, wsPingTimeout: 2000 })
  await answer(raw, 10)
  const took = performance.now() - opened
  t.true(took >= 150, `ten pings in ${took} ms`)
  raw.write(frame(opcode.text, 'still here'))
  await answer(raw, 1)
  t.deepEqual(await probe.marks(name), [{ type: 'websocket.receive', text: 'still here' }])
})

test('a client that does not answer within wsPingTimeout is lost: 1006', async (t) => {
  const { raw, name, opened, logger } = await open(t, { wsPingInterval: 50, wsPingTimeout: 100 })
  await probe.wait(`${name}:left`)
  const took = performance.now() - opened
  t.true(took >= 120 && took < PATIENCE, `${took} ms`)
  t.deepEqual(await probe.marks(name), [disconnected(1006)])
  // Terminated, not closed: nobody is there to answer.
  const { text } = await raw.connection.rest()
  t.notRegex(text, /\x88/)
  t.deepEqual(logger.at('error'), [])
})

test('a client that stops answering later is lost as well', async (t) => {
  const { raw, name } = await open(t, { wsPingInterval: 20, wsPingTimeout: 300 })
  await answer(raw, 5)
  t.deepEqual(await probe.marks(name), [])
  await probe.wait(`${name}:left`)
  t.deepEqual(await probe.marks(name), [disconnected(1006)])
})

test('a client of wsPingInterval 0 is never pinged nor lost', async (t) => {
  const silent = await open(t, { wsPingInterval: 0, wsPingTimeout: 1 })
  const other = await open(t, { wsPingInterval: 10 })
  // By the other's pings time has passed for both.
  await answer(other.raw, 20)
  silent.raw.write(frame(opcode.ping, 'the first frame'))
  const { opcode: code, payload } = await silent.raw.next()
  t.deepEqual([code, payload.toString()], [opcode.pong, 'the first frame'])
  t.deepEqual(await probe.marks(silent.name), [])
})

test('with a wsPingTimeout of 0 a client need not answer', async (t) => {
  const { raw, name } = await open(t, { wsPingInterval: 10, wsPingTimeout: 0 })
  for (let index = 0; index < 20; index++) t.is((await raw.next()).opcode, opcode.ping)
  t.deepEqual(await probe.marks(name), [])
})

test('a client whose socket is not read, since its app is slow, is not taken for lost', async (t) => {
  // Long enough for a machine that is busy before the socket is left unread.
  const { raw, name } = await open(t, { wsPingInterval: 20, wsPingTimeout: 1000, wsMaxQueue: 1 }, '&hold')
  const other = await open(t, { wsPingInterval: 20, wsPingTimeout: 5000 })
  // More than the queue holds: the pongs are stuck behind it.
  raw.write(...Array.from({ length: 50 }, () => frame(opcode.binary, Buffer.alloc(100_000))))
  const answering = answer(raw, 1000).catch(() => {})
  // Longer than that.
  await answer(other.raw, 75)
  raw.write(closeFrame(3000, 'never lost'))
  await probe.tell(`${name}:go`)
  await probe.wait(`${name}:left`)
  const marks = (await probe.marks(name)) as { type: string }[]
  t.is(marks.filter(({ type }) => type === 'websocket.receive').length, 50, JSON.stringify(marks.at(-1)))
  t.deepEqual(marks.at(-1), disconnected(3000, 'never lost'))
  await answering
})

test('a client that leaves while its socket is not read, since its app is slow, is lost: 1006', async (t) => {
  const { raw, served, name, logger } = await open(t, { wsPingInterval: 50, wsPingTimeout: 50, wsMaxQueue: 4 }, '&hold')
  await probe.wait(`${name}:accepted`)
  const count = 400
  raw.write(...Array.from({ length: count }, () => frame(opcode.binary, Buffer.alloc(1000))))
  // Nobody reads on: that the client has left shows only to those who write.
  await settled(async () => served.bytesRead)
  const left = performance.now()
  raw.connection.reset()
  await closed(served)
  t.true(performance.now() - left < PATIENCE)
  await probe.tell(`${name}:go`)
  await probe.wait(`${name}:left`)
  const marks = await probe.marks(name)
  t.true(marks.length < count, `${marks.length} were read`)
  t.deepEqual(marks.at(-1), disconnected(1006))
  t.deepEqual(logger.at('error'), [])
})
