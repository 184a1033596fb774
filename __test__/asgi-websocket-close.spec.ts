import { once } from 'node:events'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import test, { type ExecutionContext } from 'ava'
import { PythonError } from '../index.js'
import { PATIENCE } from './helpers/patience.js'
import { closeFrame, frame, handshake, opcode, RawWebSocket } from './helpers/frames.js'
import { runNode } from './helpers/node-process.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import {
  accept,
  bytes,
  closes,
  connected,
  disconnected,
  type Raised,
  receive,
  Script,
  sends,
  type Step,
} from './helpers/script.js'
import { serveWebSockets, WebSocketClient } from './helpers/websocket-client.js'

const probe = shareProbe()

/** Serves an app that does what it is told, with a logger of its own. */
async function run(t: ExecutionContext, steps: Step[], options: Partial<HandlerOptions> = {}) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', logger, ...options })
  const served = await serveWebSockets(t, handler)
  const script = new Script(probe, steps)
  return { ...served, handler, logger, script, at: served.ws + script.target }
}

/** The same, connected byte by byte. */
async function runRaw(t: ExecutionContext, steps: Step[], options?: Partial<HandlerOptions>) {
  const running = await run(t, steps, options)
  return { ...running, raw: await RawWebSocket.open(t, running.port, running.script.target) }
}

async function runApp(t: ExecutionContext, kind: string, options: Partial<HandlerOptions> = {}) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'websocket_app:app', logger, ...options })
  const served = await serveWebSockets(t, handler)
  const name = unique()
  return { ...served, handler, logger, name, at: `${served.ws}/${kind}?name=${name}` }
}

const quiet = (logger: Recorder) => logger.entries.filter(({ level }) => level === 'error' || level === 'warn')

// The client closes.

const longest = 'é'.repeat(61) + 'x'

for (const [code, reason] of [
  [1000, ''],
  [1000, 'good bye'],
  [1001, 'going away'],
  [1002, ''],
  [1003, ''],
  [1007, ''],
  [1008, ''],
  [1009, ''],
  [1010, ''],
  [1011, ''],
  [1012, ''],
  [1013, ''],
  [1014, ''],
  [3000, '🐍'],
  [4999, longest],
] as const) {
  test(`the client's ${code} (${reason}) reaches the app, and is answered`, async (t) => {
    const { raw, script, logger } = await runRaw(t, [receive, accept, receive, receive])
    raw.write(closeFrame(code, reason))
    t.is((await raw.closed()).code, code)
    t.is((await raw.connection.rest()).end, 'end')
    // Every later receive() says it again.
    t.deepEqual(await script.outcome(), [connected, disconnected(code, reason), disconnected(code, reason)])
    t.deepEqual(quiet(logger), [])
  })
}

test('a close frame without a code is 1005', async (t) => {
  const { raw, script } = await runRaw(t, [accept, receive, receive])
  raw.write(closeFrame())
  t.deepEqual(await raw.closed(), { code: 1005, reason: '' })
  t.deepEqual(await script.outcome(), [connected, disconnected(1005)])
})

for (const how of ['reset', 'leave'] as const) {
  test(`a connection that is lost is 1006 at once: ${how}`, async (t) => {
    const { raw, script, logger } = await runRaw(t, [receive, accept, ['tell', 'idle'], receive, receive])
    await script.wait('idle')
    const left = performance.now()
    raw.connection[how]()
    t.deepEqual(await script.outcome(), [connected, disconnected(1006), disconnected(1006)])
    t.true(performance.now() - left < PATIENCE)
    t.deepEqual(quiet(logger), [])
  })
}

test('a stream that ends without a close frame is 1006', async (t) => {
  const { raw, script } = await runRaw(t, [accept, receive, receive])
  raw.connection.socket.end()
  t.deepEqual(await script.outcome(), [connected, disconnected(1006)])
})

test('a connection that is lost within a message is 1006, and the part is not delivered', async (t) => {
  const { raw, script } = await runRaw(t, [accept, receive, receive])
  raw.write(frame(opcode.text, 'half a mess', { length: 100 }))
  raw.connection.leave()
  t.deepEqual(await script.outcome(), [connected, disconnected(1006)])
})

for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) {
  test(`a close frame of ${code} is a protocol error: 1002`, async (t) => {
    const { raw, script, logger } = await runRaw(t, [accept, receive, receive])
    raw.write(closeFrame(code))
    t.is((await raw.closed()).code, 1002)
    const [, message] = await script.outcome()
    t.like(message, { type: 'websocket.disconnect', code: 1002 })
    t.deepEqual(logger.at('error'), [])
  })
}

for (const [what, bad, code] of [
  ['of one byte', frame(opcode.close, '\x03'), 1002],
  ['whose reason is no UTF-8', closeFrame(1000, Buffer.from([0xc3, 0x28])), 1007],
  ['of 126 bytes', closeFrame(1000, 'x'.repeat(124)), 1002],
  ['in fragments', frame(opcode.close, '', { fin: false }), 1002],
] as const) {
  test(`a close frame ${what} is a protocol error: ${code}`, async (t) => {
    const { raw, script } = await runRaw(t, [accept, receive, receive])
    raw.write(bad)
    t.is((await raw.closed()).code, code)
    const [, message] = await script.outcome()
    t.like(message, { type: 'websocket.disconnect', code })
  })
}

test('what the client sent before its close frame is received before the disconnect', async (t) => {
  const { raw, script } = await runRaw(t, [accept, ['wait', 'go'], receive, receive, receive, receive])
  raw.write(frame(opcode.text, 'one'), frame(opcode.text, 'two'), closeFrame(3000, 'after two'))
  await raw.closed()
  await script.open('go')
  t.deepEqual(await script.outcome(), [
    connected,
    { type: 'websocket.receive', text: 'one' },
    { type: 'websocket.receive', text: 'two' },
    disconnected(3000, 'after two'),
  ])
})

test('what the client sends after its close frame is not received', async (t) => {
  const { raw, script } = await runRaw(t, [accept, receive, receive, receive])
  raw.write(closeFrame(1000), frame(opcode.text, 'late'), closeFrame(3000))
  t.deepEqual(await script.outcome(), [connected, disconnected(1000), disconnected(1000)])
})

test('after the client has closed, send() and close() raise an OSError', async (t) => {
  const { raw, script, logger } = await runRaw(t, [
    receive,
    accept,
    receive,
    ['try', { type: 'websocket.send', text: 'late' }],
    ['try', { type: 'websocket.send', bytes: bytes('late') }],
    ['try', { type: 'websocket.close' }],
    receive,
  ])
  raw.write(closeFrame(1001))
  const outcome = await script.outcome()
  t.deepEqual([outcome[1], outcome[5]], [disconnected(1001), disconnected(1001)])
  for (const tried of outcome.slice(2, 5) as Raised[]) {
    t.is(tried.error, 'ClientDisconnected')
    t.true(tried.classes.includes('OSError'))
    t.not(tried.message, '')
  }
  t.deepEqual(quiet(logger), [])
})

// The app closes.

for (const [message, code, reason] of [
  [{}, 1000, ''],
  [{ code: 1000 }, 1000, ''],
  [{ code: 1000, reason: null }, 1000, ''],
  [{ reason: 'only a reason' }, 1000, 'only a reason'],
  [{ code: 1001, reason: 'going away' }, 1001, 'going away'],
  [{ code: 1002 }, 1002, ''],
  [{ code: 1003 }, 1003, ''],
  [{ code: 1007 }, 1007, ''],
  [{ code: 1008, reason: 'policy' }, 1008, 'policy'],
  [{ code: 1014 }, 1014, ''],
  [{ code: 3000, reason: '🐍' }, 3000, '🐍'],
  [{ code: 4999, reason: longest }, 4999, longest],
] as const) {
  test(`the app's close ${JSON.stringify(message).slice(0, 60)} reaches the client`, async (t) => {
    const { at, script, logger } = await run(t, [receive, accept, closes(message), receive, receive])
    const client = await WebSocketClient.open(t, at)
    t.deepEqual(await client.closed(), { code, reason })
    const [, first, second] = await script.outcome()
    // The client echoes the code; its reason is its own matter.
    t.like(first, { type: 'websocket.disconnect', code })
    t.deepEqual(second, first)
    t.deepEqual(quiet(logger), [])
  })
}

for (const [code, kind] of [
  [-1, 'ValueError'],
  [0, 'ValueError'],
  [999, 'ValueError'],
  [1004, 'ValueError'],
  [1005, 'ValueError'],
  [1006, 'ValueError'],
  [1015, 'ValueError'],
  [1016, 'ValueError'],
  [2999, 'ValueError'],
  [5000, 'ValueError'],
  [66536, 'ValueError'],
  [2 ** 40, 'ValueError'],
  ['1000', 'TypeError'],
  [1000.5, 'TypeError'],
  [[], 'TypeError'],
] as const) {
  test(`the app cannot close with ${JSON.stringify(code)}: ${kind}, and may still close rightly`, async (t) => {
    const { at, script } = await run(t, [accept, ['try', { type: 'websocket.close', code }], closes({ code: 3333 })])
    const client = await WebSocketClient.open(t, at)
    t.deepEqual(await client.closed(), { code: 3333, reason: '' })
    const [tried] = (await script.outcome()) as Raised[]
    t.true(tried?.classes.includes(kind), JSON.stringify(tried))
    t.regex(String(tried?.message), /code/)
  })
}

for (const [what, reason, kind] of [
  ['of 124 bytes', 'x'.repeat(124), 'ValueError'],
  ['of 62 characters in 124 bytes', 'é'.repeat(62), 'ValueError'],
  ['with a lone surrogate', '\ud800', 'ValueError'],
  ['that is bytes', bytes('x'), 'TypeError'],
  ['that is a number', 5, 'TypeError'],
] as const) {
  test(`the app cannot close with a reason ${what}: ${kind}, and may still close rightly`, async (t) => {
    const { at, script } = await run(t, [accept, ['try', { type: 'websocket.close', reason }], closes({ code: 3333 })])
    const client = await WebSocketClient.open(t, at)
    t.is((await client.closed()).code, 3333)
    const [tried] = (await script.outcome()) as Raised[]
    t.true(tried?.classes.includes(kind), JSON.stringify(tried))
    t.regex(String(tried?.message), /reason/)
  })
}

test('what the app sent before its close arrives before it', async (t) => {
  const { at } = await run(t, [accept, sends({ text: 'one' }), sends({ bytes: bytes('two') }), closes({ code: 4000 })])
  const client = await WebSocketClient.open(t, at)
  t.deepEqual(await client.take(2), ['one', Buffer.from('two')])
  t.is((await client.closed()).code, 4000)
})

test('after its own close an app can send nothing more: RuntimeError', async (t) => {
  const { raw, script } = await runRaw(t, [
    accept,
    closes({ code: 3000 }),
    ['try', { type: 'websocket.send', text: 'late' }],
    ['try', { type: 'websocket.close' }],
    ['try', { type: 'websocket.accept' }],
  ])
  t.deepEqual(await raw.closed(), { code: 3000, reason: '' })
  for (const tried of (await script.outcome()) as Raised[]) {
    t.is(tried.error, 'RuntimeError')
    t.regex(tried.message, /websocket\./)
  }
})

test('after its own close receive() waits for the client’s answer', async (t) => {
  const { raw, script } = await runRaw(t, [receive, accept, closes({ code: 3000 }), ['tell', 'closed'], receive])
  t.deepEqual(await raw.closed(), { code: 3000, reason: '' })
  await script.wait('closed')
  t.deepEqual(await script.marks(), [connected])
  raw.write(closeFrame(3001, 'the answer'))
  const [, message] = await script.outcome()
  t.like(message, { type: 'websocket.disconnect', code: 3001, reason: 'the answer' })
})

test('an app that closes before it has received all has the client’s answer at once', async (t) => {
  const { raw, script } = await runRaw(t, [receive, accept, ['wait', 'go'], closes({ code: 3000 }), receive], {
    wsMaxQueue: 4,
  })
  // Beyond the queue: the socket is no longer read.
  raw.write(...Array.from({ length: 200 }, () => frame(opcode.binary, Buffer.alloc(1000))))
  await script.open('go')
  t.deepEqual(await raw.closed(), { code: 3000, reason: '' })
  const answered = performance.now()
  raw.write(closeFrame(3000))
  t.is((await raw.connection.rest()).end, 'end')
  const took = performance.now() - answered
  t.true(took < PATIENCE, `${took} ms`)
  t.like((await script.outcome())[1], disconnected(3000))
})

test('a client that is lost instead of answering the close is 1006', async (t) => {
  const { raw, script } = await runRaw(t, [receive, accept, closes({ code: 3000 }), receive])
  await raw.closed()
  raw.connection.reset()
  t.deepEqual(await script.outcome(), [connected, disconnected(1006)])
})

test('the server ends the connection once both have closed', async (t) => {
  const { raw } = await runRaw(t, [accept, closes({ code: 3000 })])
  await raw.closed()
  raw.write(closeFrame(3000))
  t.deepEqual(await raw.connection.rest(), { text: '', end: 'end' })
})

test('when both close at once, each has the other’s code', async (t) => {
  const close: Step = ['try', { type: 'websocket.close', code: 3001 }]
  const { raw, script } = await runRaw(t, [receive, accept, ['wait', 'go'], close, receive])
  // The client's frame is on its way when the app closes, and may be read before or after.
  const opened = script.open('go')
  raw.write(closeFrame(3002))
  await opened
  const { code } = await raw.closed()
  t.true([3001, 3002].includes(code), String(code))
  const [, tried, last] = await script.outcome()
  t.true(tried === 'sent' || (tried as Raised).error === 'ClientDisconnected', JSON.stringify(tried))
  t.like(last, { type: 'websocket.disconnect', code: 3002 })
})

// The app ends.

test('an app that returns closes with 1000', async (t) => {
  const { at, logger } = await run(t, [receive, accept])
  const client = await WebSocketClient.open(t, at)
  t.deepEqual(await client.closed(), { code: 1000, reason: '' })
  t.deepEqual(quiet(logger), [])
})

test('an app that returns with messages unread closes with 1000', async (t) => {
  const { raw, script, logger } = await runRaw(t, [accept, ['wait', 'go']])
  raw.write(...Array.from({ length: 200 }, (_, index) => frame(opcode.text, String(index))))
  await script.open('go')
  t.is((await raw.closed()).code, 1000)
  t.deepEqual(quiet(logger), [])
})

test('an app that raises closes with 1011, and its traceback is logged', async (t) => {
  const { ws, at, logger } = await run(t, [receive, accept, sends({ text: 'so far' }), ['raise', 'a secret']])
  const other = new Script(probe, [accept, receive, sends({ text: 'undisturbed' }), receive])
  const neighbour = await WebSocketClient.open(t, ws + other.target)
  const client = await WebSocketClient.open(t, at)
  t.is(await client.next(), 'so far')
  const { code, reason } = await client.closed()
  t.is(code, 1011)
  t.notRegex(reason, /secret/)
  const error = await logger.waitForError()
  t.true(error instanceof PythonError)
  t.like(error, { type: 'LookupError', message: 'a secret' })
  t.regex((error as PythonError).traceback, /asgi_script\.py", line \d+, in play/)
  neighbour.send('x')
  t.is(await neighbour.next(), 'undisturbed')
})

test('an app that raises after its own close is logged, and the close stays as it is', async (t) => {
  const { at, logger } = await run(t, [accept, closes({ code: 3000, reason: 'mine' }), ['raise', 'too late to matter']])
  const client = await WebSocketClient.open(t, at)
  t.deepEqual(await client.closed(), { code: 3000, reason: 'mine' })
  t.like(await logger.waitForError(), { type: 'LookupError' })
})

test('an app that raises after the client has gone is logged', async (t) => {
  const { raw, logger } = await runRaw(t, [receive, accept, receive, ['raise', 'on the way out']])
  raw.write(closeFrame(1000))
  t.like(await logger.waitForError(), { type: 'LookupError', message: 'on the way out' })
})

test('the disconnect that an app lets out is a line at debug level', async (t) => {
  const { at, logger, name } = await runApp(t, 'escapes')
  const client = await WebSocketClient.open(t, at)
  await probe.wait(`${name}:accepted`)
  client.socket.terminate()
  await logger.waitFor('debug', /disconnect/i)
  t.deepEqual(quiet(logger), [])
})

// The handler closes.

test('close() closes WebSockets with 1012 and tells their apps', async (t) => {
  const { at, handler, script, logger } = await run(t, [receive, accept, receive, receive])
  const client = await WebSocketClient.open(t, at)
  const closing = handler.close()
  t.is((await client.closed()).code, 1012)
  await closing
  const [, first, second] = await script.outcome()
  t.like(first, { type: 'websocket.disconnect', code: 1012 })
  t.deepEqual(second, first)
  t.deepEqual(quiet(logger), [])
})

test('a WebSocket that cannot be written to does not keep close() from the others', async (t) => {
  const { server, at, ws, handler, script, logger } = await run(t, [receive, accept, receive])
  const connections: Socket[] = []
  server.on('connection', (socket: Socket) => connections.push(socket))
  const broken = await WebSocketClient.open(t, at)
  const scripts = [new Script(probe, [receive, accept, receive]), new Script(probe, [receive, accept, receive])]
  const clients = await Promise.all(scripts.map(async ({ target }) => WebSocketClient.open(t, ws + target)))
  connections[0]!.write = () => {
    throw new Error('of the host')
  }
  await handler.close()
  for (const client of clients) t.is((await client.closed()).code, 1012)
  for (const one of scripts) t.like((await one.outcome()).at(-1), { type: 'websocket.disconnect', code: 1012 })
  t.is((await broken.closed()).code, 1006)
  t.like((await script.outcome()).at(-1), { type: 'websocket.disconnect' })
  await logger.waitFor('error', /of the host/)
})

test('close() is not held up by a handshake behind a request that is not answered yet', async (t) => {
  const first = new Script(probe, [receive, ['tell', 'asked'], receive])
  const second = new Script(probe, [receive, accept])
  const { port, handler, at } = await run(t, [receive, accept, receive])
  const client = await WebSocketClient.open(t, at)
  const raw = await RawConnection.open(t, port)
  raw.write(`GET ${first.target} HTTP/1.1\r\nHost: test\r\n\r\n${handshake(second.target)}`)
  await first.wait('asked')
  await handler.close()
  t.is((await client.closed()).code, 1012)
  t.notRegex((await raw.rest()).text, / 101 /)
})

test('close() lets an app finish what it does on the disconnect', async (t) => {
  const steps: Step[] = [accept, receive, receive, ['tell', 'told'], ['wait', 'go']]
  const { at, handler, script } = await run(t, steps, { timeoutGracefulShutdown: 60_000 })
  await WebSocketClient.open(t, at)
  let isClosed = false
  const closing = handler.close().then(() => (isClosed = true))
  await script.wait('told')
  t.false(isClosed)
  await script.open('go')
  await closing
  await t.notThrowsAsync(script.outcome())
})

test('close() cancels an app that ignores the disconnect, after timeoutGracefulShutdown', async (t) => {
  const { at, handler, name } = await runApp(t, 'ignores', { timeoutGracefulShutdown: 100 })
  const client = await WebSocketClient.open(t, at)
  const start = performance.now()
  await handler.close()
  const took = performance.now() - start
  t.true(took >= 90 && took < PATIENCE, `${took} ms`)
  await probe.wait(`${name}:cancelled`)
  t.is((await client.closed()).code, 1012)
})

test('close() does not wait for a client that does not answer', async (t) => {
  const { raw, handler, script } = await runRaw(t, [accept, receive, receive], { timeoutGracefulShutdown: 200 })
  const start = performance.now()
  await handler.close()
  t.true(performance.now() - start < PATIENCE)
  t.is((await raw.closed()).code, 1012)
  await t.notThrowsAsync(script.outcome())
})

test('close() ends a handshake that is not decided', async (t) => {
  const { port, handler, script } = await run(t, [receive, ['tell', 'idle'], ['wait', 'never']], {
    timeoutGracefulShutdown: 100,
  })
  const raw = await RawConnection.open(t, port)
  raw.write(handshake(script.target))
  await script.wait('idle')
  await handler.close()
  const { text } = await raw.rest()
  t.regex(text, /^(HTTP\/1\.1 50[03] .*|$)/)
})

test('a closed handler refuses WebSockets with 503', async (t) => {
  const { at, handler } = await run(t, [accept])
  await handler.ready()
  await handler.close()
  t.is((await WebSocketClient.refused(t, at)).status, 503)
})

test('a WebSocket that closed does not hold up close()', async (t) => {
  const { at, handler } = await run(t, [accept, receive, receive], { timeoutGracefulShutdown: 60_000 })
  const client = await WebSocketClient.open(t, at)
  client.close()
  await client.closed()
  const start = performance.now()
  await handler.close()
  t.true(performance.now() - start < PATIENCE)
})

test('no task is left once the clients have gone, however they went', async (t) => {
  const { ws, port, logger } = await run(t, [])
  const scripts: Script[] = []
  for (let index = 0; index < 60; index++) {
    const script = new Script(probe, [receive, accept, receive])
    scripts.push(script)
    if (index % 2) {
      const client = await WebSocketClient.open(t, ws + script.target)
      client.close(1000 + (index % 4 ? 0 : 1))
    } else {
      const raw = await RawWebSocket.open(t, port, script.target)
      raw.connection[index % 4 ? 'reset' : 'leave']()
    }
  }
  for (const script of scripts) t.is((await script.outcome()).length, 2)
  t.deepEqual(
    (await probe.tasks()).filter((task) => /asgi_script|play/.test(task)),
    [],
  )
  t.deepEqual(quiet(logger), [])
})

// The process ends.

for (const [what, leave, code] of [
  ['process.exit()', 'process.exit(7)', 7],
  ['an uncaught exception', 'throw new Error("uncaught in JavaScript")', 1],
] as const) {
  test.serial(`open WebSockets do not keep ${what} from leaving`, async (t) => {
    const child = runNode(
      t,
      { app: 'websocket_app:app', lifespan: 'off' },
      `import { createServer } from 'node:http'
       const handler = new PythonHandler(options)
       const server = createServer(handler.listener)
       handler.attach(server)
       server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port))
       process.on('SIGUSR2', () => { ${leave} })`,
    )
    const port = Number((await child.printsLine(/port \d+/)).slice(5))
    const client = await WebSocketClient.open(t, `ws://127.0.0.1:${port}/echo`)
    client.send('there')
    t.is(await client.next(), 'there')
    const since = performance.now()
    child.child.kill('SIGUSR2')
    const exit = await child.ends()
    t.is(exit.code, code, exit.stderr)
    t.true(child.endedAt - since < PATIENCE)
    t.is((await client.closed()).code, 1006)
  })
}

test.serial('a process whose server and WebSockets are closed ends by itself', async (t) => {
  const child = runNode(
    t,
    { app: 'websocket_app:app', lifespan: 'off' },
    `import { createServer } from 'node:http'
     const handler = new PythonHandler(options)
     const server = createServer(handler.listener)
     handler.attach(server)
     server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port))
     process.on('SIGUSR2', () => server.close())`,
  )
  const port = Number((await child.printsLine(/port \d+/)).slice(5))
  const client = await WebSocketClient.open(t, `ws://127.0.0.1:${port}/echo`)
  client.send('there')
  await client.next()
  child.child.kill('SIGUSR2')
  client.close()
  await client.closed()
  const exit = await child.ends()
  t.is(exit.code, 0, exit.stderr)
  t.is(exit.stderr, '')
})

test.serial('workers that are terminated with WebSockets open harm nobody', async (t) => {
  const worker = `
    const { parentPort, workerData } = await import('node:worker_threads')
    const { createServer } = await import('node:http')
    const { PythonHandler } = await import(workerData.publicFace)
    const handler = new PythonHandler(workerData.options)
    await handler.ready()
    const server = createServer(handler.listener)
    handler.attach(server)
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
  `
  const child = runNode(
    t,
    { app: 'websocket_app:app', lifespan: 'off' },
    `import { Worker } from 'node:worker_threads'
     import { once } from 'node:events'
     import { createInterface } from 'node:readline'
     const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker)}))
     const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
     while (!(await lines.next()).done) {
       const worker = new Worker(source, { workerData: { publicFace, options } })
       const [port] = await once(worker, 'message')
       console.log('port ' + port + ';')
       await lines.next()
       await worker.terminate()
       console.log('gone ' + port + ';')
     }
     process.exit(0)`,
  )
  const data = Buffer.alloc(50_000)
  for (let round = 0; round < 5; round++) {
    child.child.stdin.write('start\n')
    const port = await child.printsLine(new RegExp(`(?:port \\d+;[^]*){${round}}port \\d+;`))
    const at = `ws://127.0.0.1:${/(\d+);$/.exec(port)?.[1]}`
    const clients = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const name = unique()
        const kind = [`echo`, `slow?name=${name}`, `flood?name=${name}&size=100000&count=1000000`][index % 3]
        const client = await WebSocketClient.open(t, `${at}/${kind}`)
        // Python reads what is not received yet in the memory of the worker.
        for (let count = 0; count < 100; count++) client.send(data)
        return client
      }),
    )
    await clients[2]?.next()
    child.child.stdin.write('stop\n')
    for (const client of clients) t.is((await client.closed()).code, 1006)
    await child.printsLine(new RegExp(`gone ${/(\d+);$/.exec(port)?.[1]};`))
  }
  child.child.stdin.end()
  const { code, signal, stderr } = await child.ends()
  t.deepEqual([code, signal, stderr], [0, null, ''])
})

test('a server that closes waits for its WebSockets', async (t) => {
  const { at, server } = await run(t, [accept, receive, receive])
  const client = await WebSocketClient.open(t, at)
  const closed = once(server, 'close')
  server.close()
  client.close()
  await client.closed()
  await closed
  t.pass()
})
