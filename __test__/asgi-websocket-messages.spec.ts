import { createHash } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { closeFrame, type Frame, frame, handshake, opcode, RawWebSocket } from './helpers/frames.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { accept, bytes, connected, disconnected, receive, Script, sends, type Step } from './helpers/script.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const websocket = shareHandler({ app: 'websocket_app:app', logger: new Recorder() })
const script = shareHandler({ app: 'asgi_script:app', logger: new Recorder() })
const probe = shareProbe()

async function connect(t: ExecutionContext, target: string, options?: Partial<HandlerOptions>) {
  const handler = options
    ? createHandler(t, { app: 'websocket_app:app', logger: new Recorder(), ...options })
    : websocket
  const { ws } = await serveWebSockets(t, handler)
  return WebSocketClient.open(t, ws + target)
}

async function connectRaw(t: ExecutionContext, target: string) {
  const { port } = await serveWebSockets(t, websocket)
  return RawWebSocket.open(t, port, target)
}

/** A connection whose app marks what it receives. */
async function record(t: ExecutionContext, options?: Partial<HandlerOptions>) {
  const handler = options
    ? createHandler(t, { app: 'websocket_app:app', logger: new Recorder(), ...options })
    : websocket
  const name = unique()
  const { port } = await serveWebSockets(t, handler)
  const raw = await RawWebSocket.open(t, port, `/record?name=${name}`)
  const outcome = async () => {
    await probe.wait(`${name}:left`)
    return probe.marks(name)
  }
  return { raw, outcome }
}

/** Runs an app that does what it is told. */
async function run(t: ExecutionContext, steps: Step[]) {
  const { ws } = await serveWebSockets(t, script)
  const played = new Script(probe, steps)
  return { client: await WebSocketClient.open(t, ws + played.target), script: played }
}

const received = (text: string) => ({ type: 'websocket.receive', text })
const receivedBytes = (text: string) => ({ type: 'websocket.receive', bytes: bytes(text) })

/** Text of which every part depends on its place, as the fixture makes it. */
function numbered(size: number): string {
  let text = ''
  for (let index = 0; text.length < size; index++) text += `${String(index).padStart(7, '0')}\n`
  return text.slice(0, size)
}

// What arrives.

for (const [what, text] of [
  ['empty', ''],
  ['ASCII', 'hello'],
  ['NUL and other control characters', 'a\0b\r\n\x1f\x7f'],
  ['of Latin-1', 'caf\u00e9 \u00ff\u0080'],
  ['of the Basic Multilingual Plane', '\u0100\u20ac\ufffd\uffff\u2028\ufeff'],
  ['astral', '🐍 \u{10ffff}'],
  ['JSON', '{"type": "websocket.close"}'],
] as const) {
  test(`text that is ${what} arrives as it is, and comes back`, async (t) => {
    const name = unique()
    const { ws } = await serveWebSockets(t, websocket)
    const client = await WebSocketClient.open(t, `${ws}/record?name=${name}`)
    client.send(text)
    client.close(1000)
    await probe.wait(`${name}:left`)
    // Only the one key: an app may ask which of the two is there.
    t.deepEqual(await probe.marks(name), [received(text), disconnected(1000)])
    const echo = await WebSocketClient.open(t, `${ws}/echo`)
    echo.send(text)
    t.is(await echo.next(), text)
  })
}

for (const [what, data] of [
  ['empty', Buffer.alloc(0)],
  ['of every value', Buffer.from(Array.from({ length: 256 }, (_, index) => index))],
  ['that look like text', Buffer.from('hello')],
  ['that are no UTF-8', Buffer.from([0xff, 0xfe, 0xc3])],
] as const) {
  test(`bytes ${what} arrive as they are, and come back`, async (t) => {
    const name = unique()
    const { ws } = await serveWebSockets(t, websocket)
    const client = await WebSocketClient.open(t, `${ws}/record?name=${name}`)
    client.send(data)
    client.close(1000)
    await probe.wait(`${name}:left`)
    t.deepEqual(await probe.marks(name), [receivedBytes(data.toString('latin1')), disconnected(1000)])
    const echo = await WebSocketClient.open(t, `${ws}/echo`)
    echo.send(data)
    t.deepEqual(await echo.next(), data)
  })
}

// Around the lengths at which a frame, the bridge or a socket takes another way.
const sizes = [1, 125, 126, 127, 4095, 4096, 4097, 16383, 16384, 16385, 65535, 65536, 65537, 1_000_003]

test('text and bytes of every length come back as they were', async (t) => {
  const client = await connect(t, '/echo')
  for (const size of sizes) {
    const text = numbered(size)
    client.send(text)
    client.send(Buffer.from(text))
    t.true((await client.next()) === text, `text of ${size}`)
    t.true(Buffer.from(text).equals((await client.next()) as Buffer), `bytes of ${size}`)
  }
})

for (const [character, wide] of [
  ['é', 'one byte'],
  ['€', 'two bytes'],
  ['🐍', 'four bytes'],
] as const) {
  test(`text of characters that take ${wide} in Python goes both ways in every length`, async (t) => {
    const client = await connect(t, '/echo')
    const { ws } = await serveWebSockets(t, websocket)
    for (const count of [1, 1000, 16384, 16385, 70_000]) {
      const text = character.repeat(count)
      client.send(text)
      t.true((await client.next()) === text, `${count} there and back`)
      const made = await WebSocketClient.open(t, `${ws}/characters?code=${character.codePointAt(0)}&count=${count}`)
      t.true((await made.next()) === text, `${count} from Python`)
    }
  })
}

for (const kind of ['text', 'bytes']) {
  test(`an app may send many MiB in one message: ${kind}`, async (t) => {
    const size = 20 * 2 ** 20
    const client = await connect(t, `/large?kind=${kind}&size=${size}`)
    const message = await client.next()
    t.is(typeof message === 'string' ? 'text' : 'bytes', kind)
    t.is(message.length, size)
    const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
    t.is(hash(message), hash(numbered(size)))
  })

  test(`a message of 16 MiB is taken by default: ${kind}`, async (t) => {
    const client = await connect(t, '/digest')
    const text = numbered(2 ** 24)
    client.send(kind === 'text' ? text : Buffer.from(text))
    t.deepEqual(await client.json(), [kind, 2 ** 24, createHash('sha256').update(text).digest('hex')])
  })
}

test('a message of 16 MiB and one byte closes with 1009 by default, and the app is told', async (t) => {
  const { raw, outcome } = await record(t)
  // The length alone is enough: nothing of such a message is taken in.
  raw.write(frame(opcode.binary, '', { length: 2 ** 24 + 1 }))
  t.is((await raw.closed()).code, 1009)
  const [message] = await outcome()
  t.like(message, { type: 'websocket.disconnect', code: 1009 })
})

for (const [what, frames] of [
  ['in one frame', [frame(opcode.text, '12345678901')]],
  ['in fragments', [frame(opcode.text, '123456', { fin: false }), frame(opcode.continuation, '78901')]],
  ['in characters of two bytes', [frame(opcode.text, 'éééééé')]],
  ['that only says so', [frame(opcode.binary, '', { length: 2 ** 62 })]],
] as const) {
  test(`wsMaxSize counts bytes of a message ${what}`, async (t) => {
    const { raw, outcome } = await record(t, { wsMaxSize: 10 })
    raw.write(frame(opcode.text, '1234567890'), frame(opcode.text, 'ééééé'), ...frames)
    const { code } = await raw.closed()
    // A length that no number can hold is an error of its own.
    t.true(code === 1009 || (code === 1002 && what === 'that only says so'), String(code))
    const marks = await outcome()
    t.deepEqual(marks.slice(0, -1), [received('1234567890'), received('ééééé')])
    t.like(marks.at(-1), { type: 'websocket.disconnect', code })
  })
}

// Frames.

test('a fragmented message is one message, cut wherever', async (t) => {
  const { raw, outcome } = await record(t)
  const snake = Buffer.from('🐍')
  raw.write(
    // In the middle of a character.
    frame(opcode.text, snake.subarray(0, 1), { fin: false }),
    frame(opcode.continuation, snake.subarray(1, 3), { fin: false }),
    frame(opcode.continuation, snake.subarray(3)),
    // Empty parts.
    frame(opcode.binary, '', { fin: false }),
    frame(opcode.continuation, '', { fin: false }),
    frame(opcode.continuation, 'ab', { fin: false }),
    frame(opcode.continuation, ''),
    frame(opcode.text, '', { fin: false }),
    frame(opcode.continuation, ''),
    closeFrame(1000),
  )
  t.deepEqual(await outcome(), [received('🐍'), receivedBytes('ab'), received(''), disconnected(1000)])
})

test('a message of ten thousand fragments is one message', async (t) => {
  const raw = await connectRaw(t, '/echo')
  const text = numbered(10_000)
  raw.write(
    ...Array.from(text, (letter, index) =>
      frame(index === 0 ? opcode.text : opcode.continuation, letter, { fin: index === text.length - 1 }),
    ),
  )
  t.true((await raw.message()) === text)
})

test('a length may be told in more bytes than it needs, or is a protocol error', async (t) => {
  const { raw, outcome } = await record(t)
  raw.write(frame(opcode.text, 'short', { lengthBytes: 8 }), closeFrame(1000))
  const { code } = await raw.closed()
  const marks = await outcome()
  t.deepEqual(marks, code === 1000 ? [received('short'), disconnected(1000)] : [disconnected(1002, '')])
})

test('frames that come byte by byte are taken', async (t) => {
  const { raw, outcome } = await record(t)
  const all = Buffer.concat([
    frame(opcode.text, 'slowly'),
    frame(opcode.binary, 'x'.repeat(200)),
    closeFrame(3000, 'ok'),
  ])
  for (const byte of all) {
    raw.write(Buffer.from([byte]))
    await new Promise(setImmediate)
  }
  t.deepEqual(await outcome(), [received('slowly'), receivedBytes('x'.repeat(200)), disconnected(3000, 'ok')])
})

test('a ping is answered with its payload, also between the parts of a message', async (t) => {
  const raw = await connectRaw(t, '/echo')
  raw.write(
    frame(opcode.ping, 'first'),
    frame(opcode.text, 'one ', { fin: false }),
    frame(opcode.ping, 'x'.repeat(125)),
    frame(opcode.continuation, 'two ', { fin: false }),
    frame(opcode.ping),
    frame(opcode.continuation, 'three'),
  )
  const frames: Frame[] = []
  while (frames.length < 4) frames.push(await raw.next())
  const told = frames.map(({ opcode: code, payload }) => [code, payload.toString()])
  // Pongs keep their order; the message is the app's matter and may come between.
  t.deepEqual(
    told.filter(([code]) => code === opcode.pong),
    [
      [opcode.pong, 'first'],
      [opcode.pong, 'x'.repeat(125)],
      [opcode.pong, ''],
    ],
  )
  t.deepEqual(
    told.filter(([code]) => code === opcode.text),
    [[opcode.text, 'one two three']],
  )
})

test('pings and pongs are no messages to the app', async (t) => {
  const { raw, outcome } = await record(t)
  raw.write(frame(opcode.ping, 'a'), frame(opcode.pong, 'nobody asked'), frame(opcode.text, 'b'), closeFrame(1000))
  t.deepEqual(await outcome(), [received('b'), disconnected(1000)])
})

test('the server does not mask and sets no reserved bits', async (t) => {
  const raw = await connectRaw(t, '/echo')
  for (const size of [0, 1, 126, 65536]) {
    raw.write(frame(opcode.text, 'x'.repeat(size)))
    const { fin, isMasked, reserved, opcode: code, payload } = await raw.next()
    t.deepEqual([fin, isMasked, reserved, code, payload.length], [true, false, 0, opcode.text, size])
  }
})

for (const [what, frames, code] of [
  ['a frame without a mask', [frame(opcode.text, 'x', { isMasked: false })], 1002],
  ['reserved bits', [frame(opcode.text, 'x', { reserved: 1 })], 1002],
  ['the bit of compression that was not agreed on', [frame(opcode.text, 'x', { reserved: 4 })], 1002],
  ['opcode 3', [frame(0x3, 'x')], 1002],
  ['opcode 11', [frame(0xb, 'x')], 1002],
  ['a continuation of nothing', [frame(opcode.continuation, 'x')], 1002],
  ['a message within a message', [frame(opcode.text, 'x', { fin: false }), frame(opcode.text, 'y')], 1002],
  ['a ping in fragments', [frame(opcode.ping, 'x', { fin: false })], 1002],
  ['a ping of 126 bytes', [frame(opcode.ping, 'x'.repeat(126))], 1002],
  ['text that is no UTF-8', [frame(opcode.text, Buffer.from([0xc3, 0x28]))], 1007],
  ['text that ends within a character', [frame(opcode.text, Buffer.from([0xf0, 0x9f]))], 1007],
  ['an encoded surrogate', [frame(opcode.text, Buffer.from([0xed, 0xa0, 0x80]))], 1007],
  ['an overlong NUL', [frame(opcode.text, Buffer.from([0xc0, 0x80]))], 1007],
  ['a character beyond Unicode', [frame(opcode.text, Buffer.from([0xf4, 0x90, 0x80, 0x80]))], 1007],
] as const) {
  test(`${what} closes with ${code}, and the app gets what came before`, async (t) => {
    const { raw, outcome } = await record(t)
    raw.write(frame(opcode.text, 'before'), ...frames, frame(opcode.text, 'after'))
    t.is((await raw.closed()).code, code)
    const marks = await outcome()
    t.deepEqual(marks.slice(0, -1), [received('before')])
    t.like(marks.at(-1), { type: 'websocket.disconnect', code })
  })
}

// Order.

test('five thousand messages of both kinds keep their order there and back', async (t) => {
  const client = await connect(t, '/echo')
  const count = 5000
  for (let index = 0; index < count; index++) client.send(index % 3 ? String(index) : Buffer.from(String(index)))
  for (let index = 0; index < count; index++) {
    const message = await client.next()
    if ((typeof message === 'string') !== (index % 3 !== 0) || message.toString() !== String(index)) {
      t.fail(`${index}: ${message.toString()}`)
      return
    }
  }
  t.pass()
})

test('ten thousand messages of an app that only sends keep their order', async (t) => {
  const client = await connect(t, '/numbers?count=10000')
  const messages = await client.take(10_000)
  t.deepEqual(
    messages.map((message, index) => [typeof message === 'string', message.toString(), index]),
    messages.map((_, index) => [index % 2 === 0, String(index), index]),
  )
})

test('an app may send and receive at the same time', async (t) => {
  const client = await connect(t, '/talk?count=2000')
  for (let index = 0; index < 2000; index++) client.send(`up ${index}`)
  const messages = await client.take(2001)
  t.deepEqual(
    messages,
    messages.map((_, index) => (index < 2000 ? `down ${index}` : 'all came in order')),
  )
})

test('small and large messages keep their order', async (t) => {
  const client = await connect(t, '/echo')
  const texts = Array.from({ length: 60 }, (_, index) => `${index} `.repeat(index % 3 ? 1 : 20_000))
  for (const text of texts) client.send(text)
  const messages = await client.take(60)
  t.true(messages.every((message, index) => message === texts[index]))
})

test('many connections have each their own messages', async (t) => {
  const { ws } = await serveWebSockets(t, websocket)
  const clients = await Promise.all(Array.from({ length: 50 }, () => WebSocketClient.open(t, `${ws}/echo`)))
  for (let round = 0; round < 20; round++) {
    for (const [index, client] of clients.entries()) client.send(`${index}: ${round}`)
  }
  for (const [index, client] of clients.entries()) {
    t.deepEqual(
      await client.take(20),
      Array.from({ length: 20 }, (_, round) => `${index}: ${round}`),
    )
  }
})

// What apps send.

for (const size of [10, 20_000, 200_000]) {
  test(`bytes, bytearray and memoryview arrive as they were when sent: ${size} bytes`, async (t) => {
    const client = await connect(t, `/buffers?size=${size}`)
    const messages = await client.take(3)
    for (const [index, letter] of ['a', 'm', 'b'].entries()) {
      t.true(Buffer.alloc(size, letter).equals(messages[index] as Buffer), letter)
    }
  })
}

test('a subclass of str is text, and a dict may be changed and sent again', async (t) => {
  const client = await connect(t, '/subclasses')
  t.deepEqual(await client.take(3), ['a subclass of str', 'one', 'two'])
})

test('takes messages from tasks and timers of the app', async (t) => {
  const client = await connect(t, '/from_tasks')
  t.deepEqual(await client.take(3), ['task', 'wait_for', 'timer'])
})

test('several may wait in receive(); one that gave up loses no message', async (t) => {
  const name = unique()
  const client = await connect(t, `/two_receivers?name=${name}`)
  t.is(await client.next(), 'both wait')
  client.send('one')
  client.send('two')
  t.deepEqual(await client.json(), ['one', 'two'])
  client.close(3001, 'both are told')
  t.deepEqual(await probe.wait(name), [disconnected(3001, 'both are told'), disconnected(3001, 'both are told')])
})

for (const [what, message, expected] of [
  ['text beside bytes of None', { text: 'text', bytes: null }, 'text'],
  ['bytes beside text of None', { bytes: bytes('bytes'), text: null }, Buffer.from('bytes')],
  ['bytes where both are there', { bytes: bytes('bytes'), text: 'text' }, Buffer.from('bytes')],
  ['empty bytes where both are there', { bytes: bytes(''), text: 'text' }, Buffer.alloc(0)],
  ['empty text', { text: '' }, ''],
  ['empty bytes', { bytes: bytes('') }, Buffer.alloc(0)],
] as const) {
  test(`an app sends ${what}`, async (t) => {
    const { client } = await run(t, [accept, sends(message), receive])
    t.deepEqual(await client.next(), expected)
  })
}

for (const text of ['\ud800', 'a\udfffb', '\udc00\ud800', 'caf\u00e9 \ud83d']) {
  test(`a lone surrogate from the app is an error at send(), and nothing is sent: ${JSON.stringify(text)}`, async (t) => {
    const { client, script: played } = await run(t, [
      receive,
      accept,
      ['try', { type: 'websocket.send', text }],
      sends({ text: 'next' }),
      receive,
    ])
    t.is(await client.next(), 'next')
    client.close(1000)
    const [, tried, last] = await played.outcome()
    t.true((tried as { classes: string[] }).classes.includes('ValueError'), JSON.stringify(tried))
    t.regex((tried as { message: string }).message, /surrogate/)
    t.deepEqual(last, disconnected(1000))
  })
}

// The handshake's packet.

test('messages in the packet of the handshake are received once the app has accepted', async (t) => {
  const { port } = await serveWebSockets(t, script)
  const played = new Script(probe, [receive, ['wait', 'go'], accept, receive, receive, receive])
  const connection = await RawConnection.open(t, port)
  const frames = [frame(opcode.text, 'early'), frame(opcode.binary, 'x'.repeat(1000)), closeFrame(3000, 'all said')]
  connection.write(handshake(played.target) + Buffer.concat(frames).toString('latin1'))
  await played.open('go')
  t.is((await connection.response()).status, 101)
  t.deepEqual(await played.outcome(), [
    connected,
    received('early'),
    receivedBytes('x'.repeat(1000)),
    disconnected(3000, 'all said'),
  ])
})

test('messages between the handshake and the accept are received as well', async (t) => {
  const { port } = await serveWebSockets(t, script)
  const played = new Script(probe, [receive, ['tell', 'idle'], ['wait', 'go'], accept, receive, receive])
  const connection = await RawConnection.open(t, port)
  connection.write(handshake(played.target))
  await played.wait('idle')
  connection.write(Buffer.concat([frame(opcode.text, 'hasty'), closeFrame(1000)]).toString('latin1'))
  await played.open('go')
  t.is((await connection.response()).status, 101)
  t.deepEqual(await played.outcome(), [connected, received('hasty'), disconnected(1000)])
})
