import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { closeFrame, frame, handshake, opcode, RawWebSocket } from './helpers/frames.js'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const logger = new Recorder()
const websocket = shareHandler({ app: 'websocket_app:app', logger })
const limited = shareHandler({ app: 'websocket_app:app', logger, wsMaxSize: 2000, wsMaxQueue: 2 })
const deflating = shareHandler({ app: 'websocket_app:app', logger, wsPerMessageDeflate: true })
const probe = shareProbe()

/** Text of characters of every width, lone surrogates left out, which a client cannot send. */
const text = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', ' ', '\0', '\n', '"', '\\', '\u00e9', '\u00ff', '\u20ac', '\uffff', '🐍'),
  maxLength: 200,
})
const bytes = fc.uint8Array({ maxLength: 300 })

// To shrink a failure would take hundreds of connections.
const runs = { endOnFailure: true }

interface Sent {
  data: string | Uint8Array
  /** Where it is cut into frames, in thousandths of its length. */
  cuts: number[]
  /** Whether a ping comes before each part. */
  pings: boolean
}

const sent: fc.Arbitrary<Sent> = fc.record({
  data: fc.oneof(text, bytes, fc.constantFrom('', 'x'.repeat(126), 'y'.repeat(70_000))),
  cuts: fc.array(fc.nat(1000), { maxLength: 4 }),
  pings: fc.boolean(),
})

function framesOf({ data, cuts, pings }: Sent): Buffer[] {
  const payload = Buffer.from(data as string)
  const places = [0, ...cuts.map((cut) => Math.floor((cut * payload.length) / 1000)).toSorted((a, b) => a - b)]
  return places.flatMap((start, index) => {
    const first = typeof data === 'string' ? opcode.text : opcode.binary
    const part = frame(index === 0 ? first : opcode.continuation, payload.subarray(start, places[index + 1]), {
      fin: index === places.length - 1,
    })
    return pings ? [frame(opcode.ping, String(index)), part] : [part]
  })
}

/** A message as the fixture marks it. */
function marked({ data }: Sent): unknown {
  return typeof data === 'string'
    ? { type: 'websocket.receive', text: data }
    : { type: 'websocket.receive', bytes: { bytes: Buffer.from(data).toString('latin1') } }
}

/** Writes bytes in pieces of random sizes, each in a packet of its own as far as that can be. */
async function writeInPieces(raw: RawConnection, all: Buffer, pieces: number[]): Promise<void> {
  let at = 0
  for (const piece of pieces) {
    raw.write(all.subarray(at, at + piece).toString('latin1'))
    at += piece
    await new Promise(setImmediate)
  }
  raw.write(all.subarray(at).toString('latin1'))
}

const pieces = fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 10 })

async function served(t: ExecutionContext, handler = websocket) {
  const { port, ws } = await serveWebSockets(t, handler)
  const neighbour = await WebSocketClient.open(t, `${ws}/echo`)
  /** Whether a connection that did nothing wrong still works. */
  const isUndisturbed = async () => {
    const word = unique()
    neighbour.send(word)
    return (await neighbour.next()) === word
  }
  return { port, ws, isUndisturbed }
}

test.serial('messages arrive equal and in order, however they are cut', async (t) => {
  const { port, isUndisturbed } = await served(t)
  await fc.assert(
    fc.asyncProperty(fc.array(sent, { maxLength: 12 }), pieces, fc.boolean(), async (messages, sizes, isEarly) => {
      const name = unique()
      const frames = Buffer.concat([...messages.flatMap(framesOf), closeFrame(3000, 'all sent')])
      const raw = await RawConnection.open(t, port)
      if (isEarly) {
        // Frames right behind the request, without having seen the answer.
        await writeInPieces(raw, Buffer.concat([Buffer.from(handshake(`/record?name=${name}`)), frames]), sizes)
      } else {
        raw.write(handshake(`/record?name=${name}`))
        if ((await raw.response()).status !== 101) return false
        await writeInPieces(raw, frames, sizes)
      }
      if (isEarly && (await raw.response()).status !== 101) return false
      // A client that has closed ends its side of the connection.
      raw.socket.end()
      await probe.wait(`${name}:left`)
      const marks = await probe.marks(name)
      const expected = [...messages.map(marked), { type: 'websocket.disconnect', code: 3000, reason: 'all sent' }]
      return JSON.stringify(marks) === JSON.stringify(expected) && (await isUndisturbed())
    }),
    { ...runs, numRuns: 200 },
  )
  t.pass()
})

for (const [how, handler] of [
  ['as they are', websocket],
  ['compressed', deflating],
] as const) {
  test.serial(`messages come back equal and in order: ${how}`, async (t) => {
    const { ws } = await served(t, handler)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(text, bytes), { maxLength: 30 }), async (messages) => {
        const client = await WebSocketClient.open(t, `${ws}/echo`, { perMessageDeflate: how === 'compressed' })
        for (const message of messages) client.send(message)
        for (const message of messages) {
          const back = await client.next()
          if (typeof message === 'string' ? back !== message : !Buffer.from(message).equals(back as Buffer))
            return false
        }
        client.close(1000)
        return (await client.closed()).code === 1000
      }),
      { ...runs, numRuns: 100 },
    )
    t.pass()
  })
}

/** Codes that a disconnect may have after garbage: a protocol error, no UTF-8, too big, lost, or a close by chance. */
const isDefined = (code: number) =>
  [1002, 1005, 1006, 1007, 1009].includes(code) ||
  (code >= 1000 && code <= 1014 && code !== 1004) ||
  (code >= 3000 && code <= 4999)

/** Garbage that often begins like a frame. */
const garbage = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 400 }),
  fc
    .record({
      code: fc.constantFrom(0, 1, 2, 3, 7, 8, 9, 10, 11, 15),
      payload: fc.uint8Array({ maxLength: 200 }),
      fin: fc.boolean(),
      reserved: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
      isMasked: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
      length: fc.option(fc.nat(70_000)),
    })
    .map(({ code, payload, length, ...options }) =>
      frame(code, payload, length === null ? options : { ...options, length }),
    ),
)

for (const [what, handler] of [
  ['', websocket],
  [' with narrow limits', limited],
  [' with compression', deflating],
] as const) {
  test.serial(`garbage behind the handshake ends in one disconnect with a defined code${what}`, async (t) => {
    const { port, isUndisturbed } = await served(t, handler)
    const codes = new Set<number>()
    await fc.assert(
      fc.asyncProperty(fc.array(garbage, { minLength: 1, maxLength: 8 }), pieces, async (parts, sizes) => {
        const name = unique()
        const extensions = handler === deflating ? ['Sec-WebSocket-Extensions: permessage-deflate'] : []
        const raw = await RawWebSocket.open(t, port, `/record?name=${name}`, extensions)
        await writeInPieces(raw.connection, Buffer.concat(parts), sizes)
        raw.connection.socket.end()
        await raw.connection.rest()
        await probe.wait(`${name}:left`)
        const marks = (await probe.marks(name)) as { type: string; code: number; reason: string }[]
        const last = marks.at(-1)
        codes.add(last?.code ?? 0)
        return (
          last?.type === 'websocket.disconnect' &&
          isDefined(last.code) &&
          typeof last.reason === 'string' &&
          marks.slice(0, -1).every(({ type }) => type === 'websocket.receive') &&
          (await isUndisturbed())
        )
      }),
      { ...runs, numRuns: 300 },
    )
    // A fuzz that never met a protocol error would show nothing.
    t.true(codes.has(1002), [...codes].join(' '))
    t.true(codes.has(1006), [...codes].join(' '))
    t.deepEqual(logger.at('error'), [])
  })
}

test.serial('a client that is lost at any moment is a disconnect to its app, and to no other', async (t) => {
  const { port, isUndisturbed } = await served(t)
  const moments = fc.record({
    messages: fc.array(sent, { maxLength: 6 }),
    // Of all that it would write, the handshake included.
    part: fc.nat(1000),
    how: fc.constantFrom('reset' as const, 'leave' as const),
    kind: fc.constantFrom('record', 'echo', 'numbers'),
    waits: fc.nat(3),
  })
  const ended = { started: 0, not: 0 }
  await fc.assert(
    fc.asyncProperty(moments, async ({ messages, part, how, kind, waits }) => {
      const name = unique()
      const head = handshake(`/${kind}?name=${name}&count=3000`)
      const all = Buffer.concat([Buffer.from(head), ...messages.flatMap(framesOf)])
      const length = Math.floor((part * all.length) / 1000)
      const raw = await RawConnection.open(t, port)
      raw.write(all.subarray(0, length).toString('latin1'))
      for (let turn = 0; turn < waits; turn++) await new Promise(setImmediate)
      raw[how]()
      if (!(await isUndisturbed())) return false
      if (kind !== 'record' || length < head.length) return true
      // The connection may have broken before the server had read the request.
      if ((await probe.marks(`${name}:entered`)).length === 0) {
        ended.not++
        return true
      }
      await probe.wait(`${name}:left`)
      ended.started++
      const marks = (await probe.marks(name)) as { type: string; code: number }[]
      const disconnects = marks.filter(({ type }) => type === 'websocket.disconnect')
      return disconnects.length === 1 && disconnects[0]?.code === 1006 && marks.at(-1) === disconnects[0]
    }),
    { ...runs, numRuns: 300 },
  )
  t.true(ended.started > 20, JSON.stringify(ended))
  t.deepEqual(logger.at('error'), [])
})

test.serial('a client that resets behind much data is never taken for one that breaks the protocol', async (t) => {
  const { port, isUndisturbed } = await served(t)
  const large = frame(opcode.binary, Buffer.alloc(70_000, 'y'))
  for (let index = 0; index < 40; index++) {
    const name = unique()
    const raw = await RawConnection.open(t, port)
    raw.write(handshake(`/record?name=${name}`) + Buffer.concat([large, large, large]).toString('latin1'))
    for (let turn = 0; turn < index % 4; turn++) await new Promise(setImmediate)
    raw.reset()
    t.true(await isUndisturbed())
    if ((await probe.marks(`${name}:entered`)).length === 0) continue
    await probe.wait(`${name}:left`)
    const marks = (await probe.marks(name)) as { code?: number; bytes?: { bytes: string } }[]
    t.is(marks.at(-1)?.code, 1006)
    t.true(marks.slice(0, -1).every(({ bytes: content }) => content?.bytes === 'y'.repeat(70_000)))
  }
})

test.serial('no task and no connection is left behind', async (t) => {
  const { server } = await serveWebSockets(t, websocket)
  t.deepEqual(
    (await probe.tasks()).filter((task) => /websocket/.test(task)),
    [],
  )
  const count = await new Promise<number>((resolve, reject) => {
    server.getConnections((error, connections) => (error ? reject(error) : resolve(connections)))
  })
  t.is(count, 0)
})
