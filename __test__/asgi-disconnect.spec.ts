import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import test, { type ExecutionContext } from 'ava'
import express, { type ErrorRequestHandler } from 'express'
import type { PythonHandler } from '../index.js'
import { PATIENCE } from './helpers/patience.js'
import { type Probe, shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { settled } from './helpers/settled.js'

const disconnect = shareHandler('disconnect:app')
const fastapi = shareHandler({ app: 'fastapi_app:app', lifespan: 'on' })
const starlette = shareHandler('starlette_app:app')
const probe: Probe = shareProbe()

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`

/** A connection whose request is inside an app that has told so. */
async function enter(t: ExecutionContext, kind: string, handler = disconnect) {
  const { port } = await serve(t, handler.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(get(`/${kind}?${name}`))
  await probe.wait(`${name}:idle`)
  return { connection, name }
}

/** Calls a handler for a request whose client has gone meanwhile, as behind middleware that asks a database first. */
async function arriveGone(t: ExecutionContext, handler: PythonHandler, lines: string) {
  let noteCall = (): void => {}
  const called = new Promise<void>((resolve) => (noteCall = resolve))
  const { port } = await serve(t, (req, res) => {
    res.once('close', () => {
      void handler.listener(req, res)
      noteCall()
    })
    // Not before the request is there.
    connection.leave()
  })
  const connection = await RawConnection.open(t, port)
  connection.write(lines)
  await called
}

for (const kind of ['idle_before', 'idle_during']) {
  for (const how of ['reset', 'leave'] as const) {
    const when = kind === 'idle_before' ? 'before its response' : 'in the middle of its response'
    test(`tells an app that is idle ${when} that the client ${how === 'reset' ? 'reset' : 'left'}`, async (t) => {
      const { connection, name } = await enter(t, kind)
      const left = performance.now()
      connection[how]()
      t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
      t.true(performance.now() - left < PATIENCE)
    })
  }
}

test('tells an app in the middle of an upload', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`POST /upload?${name} HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf`)
  await probe.wait(`${name}:idle`)
  connection.reset()
  t.deepEqual(await probe.wait(`${name}:message`), [
    ['http.request', 4],
    ['http.disconnect', 0],
  ])
})

test('send() raises an OSError after the disconnect, and receive() repeats it', async (t) => {
  const { connection, name } = await enter(t, 'sends_after')
  connection.reset()
  t.deepEqual(await probe.wait(`${name}:message`), [
    'http.disconnect',
    ['ClientDisconnected', true, true],
    ['ClientDisconnected', true, true],
    'http.disconnect',
  ])
})

test('send() raises in an app that never calls receive()', async (t) => {
  const { connection, name } = await enter(t, 'sends_until_it_fails')
  connection.leave()
  t.is(await probe.wait(`${name}:message`), 'ClientDisconnected')
})

test('a send() that waits for a client who does not read ends when the client leaves', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const connection = await RawConnection.open(t, port)
  connection.socket.pause()
  const name = unique()
  connection.write(get(`/blocked_in_send?${name}`))
  await probe.wait(`${name}:idle`)
  await settled(() => probe.peek(name))
  connection.reset()
  t.is(await probe.wait(`${name}:message`), 'ClientDisconnected')
})

test('the task is never cancelled', async (t) => {
  const { connection, name } = await enter(t, 'not_cancelled')
  connection.reset()
  await once(connection.socket, 'close')
  await probe.tell(`${name}:go`)
  t.is(await probe.wait(`${name}:message`), 'finished')
})

test('all who wait in receive() are told', async (t) => {
  const { connection, name } = await enter(t, 'two_receivers')
  connection.reset()
  t.deepEqual(await probe.wait(`${name}:message`), ['http.disconnect', 'http.disconnect'])
})

test('a receive() that was given up loses no message', async (t) => {
  const { connection, name } = await enter(t, 'cancelled_receive')
  connection.reset()
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('Starlette’s is_disconnected() is false and then true', async (t) => {
  const { port } = await serve(t, starlette.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(get(`/watch/${name}`))
  t.is(await probe.wait(`${name}:idle`), false)
  connection.reset()
  t.is(await probe.wait(`${name}:disconnected`), true)
})

test('a busy event stream ends at once', async (t) => {
  const { port } = await serve(t, starlette.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(get(`/ticks/${name}`))
  await probe.wait(`${name}:idle`)
  const left = performance.now()
  connection.leave()
  await probe.wait(`${name}:left`)
  t.true(performance.now() - left < PATIENCE)
  // Where the error of `send` meets a generator at its yield, its finally runs when Python collects it.
  await probe.memory()
  await t.notThrowsAsync(probe.wait(`${name}:finally`))
})

test('Starlette’s request.stream() raises ClientDisconnect', async (t) => {
  const { port } = await serve(t, starlette.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`POST /upload/${name} HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf`)
  await probe.wait(`${name}:idle`)
  connection.reset()
  t.is(await probe.wait(`${name}:disconnected`), 4)
})

for (const [what, handler, kind] of [
  ['an idle event stream of Starlette', starlette, 'events'],
  ['an idle event stream of FastAPI', fastapi, 'sse'],
] as const) {
  test(`the generator of ${what} runs its finally at once`, async (t) => {
    const { port } = await serve(t, handler.listener)
    const connection = await RawConnection.open(t, port)
    const name = unique()
    connection.write(get(`/${kind}/${name}`))
    await connection.until('\n\n')
    await probe.wait(`${name}:idle`)
    const left = performance.now()
    connection.leave()
    await probe.wait(`${name}:finally`)
    t.true(performance.now() - left < PATIENCE)
  })
}

for (const kind of ['escapes', 'escapes_in_group', 'escapes_in_nested_groups']) {
  test(`the disconnect that an app lets out is quiet: ${kind}`, async (t) => {
    const logger = new Recorder()
    const app = express().use(createHandler(t, { app: 'disconnect:app', logger }).middleware)
    const errors: unknown[] = []
    const catching: ErrorRequestHandler = (error, _req, res, _next) => {
      errors.push(error)
      res.end()
    }
    app.use(catching)
    const { port } = await serve(t, app)
    const connection = await RawConnection.open(t, port)
    const name = unique()
    connection.write(get(`/${kind}?${name}`))
    await probe.wait(`${name}:idle`)
    connection.reset()
    await probe.wait(`${name}:left`)
    // It is not lost either: whoever looks for it finds it at debug level.
    await logger.waitFor('debug', /disconnect/i)
    t.deepEqual(
      logger.entries.filter(({ level }) => level !== 'debug' && level !== 'info'),
      [],
    )
    t.deepEqual(errors, [])
  })
}

test('a real error beside the disconnect is logged', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'disconnect:app', logger })
  const { connection } = await enter(t, 'escapes_with_company', handler)
  connection.reset()
  t.regex(String((await logger.waitForError()).stack), /a real error in company/)
})

test('an OSError of the app’s own is an error', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'disconnect:app', logger })
  await t.throwsAsync(handler.handle({ url: `/own_os_error?${unique()}` }), {
    code: 'AMPHIS_ERR_PYTHON',
    message: 'the database is gone',
  })
})

test('an app is not run for a client that left before the handler was called', async (t) => {
  const handler = createHandler(t, { app: 'barrier:app' })
  await handler.ready()
  const name = unique()
  await arriveGone(t, handler, get(`/order/${name}`))
  // Would the app run, it would do so before this.
  t.is(await (await handler.handle({ url: '/fast/next' })).json(), 'next')
  t.deepEqual(await probe.marks(name), [])
})

for (const [what, lines] of [
  ['no body', get('/idle_before?nobody')],
  ['half a body', 'POST /upload?nobody HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf'],
] as const) {
  test(`a request of ${what} whose client left before the handler was called does not hold up closing`, async (t) => {
    const handler = createHandler(t, { app: 'disconnect:app', timeoutGracefulShutdown: 60_000 })
    await handler.ready()
    await arriveGone(t, handler, lines)
    const start = performance.now()
    await handler.close()
    t.true(performance.now() - start < PATIENCE)
  })
}

test('all pipelined requests of a connection are told, also those whose turn has not come', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const connection = await RawConnection.open(t, port)
  const names = Array.from({ length: 20 }, unique)
  connection.write(names.map((name) => get(`/idle_before?${name}`)).join(''))
  await Promise.all(names.map((name) => probe.wait(`${name}:idle`)))
  connection.reset()
  const told = await Promise.all(names.map((name) => probe.wait(`${name}:message`)))
  t.deepEqual(
    told,
    names.map(() => ({ type: 'http.disconnect' })),
  )
})

test('send() raises for a pipelined request whose turn never came', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const connection = await RawConnection.open(t, port)
  const [first, second] = [unique(), unique()]
  connection.write(get(`/idle_before?${first}`) + get(`/sends_until_it_fails?${second}`))
  await Promise.all([probe.wait(`${first}:idle`), probe.wait(`${second}:idle`)])
  connection.reset()
  t.is(await probe.wait(`${second}:message`), 'ClientDisconnected')
})

for (const [kind, when, expected] of [
  ['sends_late', 'before its response', ['http.disconnect', 'ClientDisconnected']],
  [
    'sends_after',
    'in the middle of its response',
    ['http.disconnect', ['ClientDisconnected', true, true], ['ClientDisconnected', true, true], 'http.disconnect'],
  ],
  ['sends_until_it_fails', 'while it streams', 'ClientDisconnected'],
] as const) {
  test(`an app whose response the host ends ${when} is told so`, async (t) => {
    const logger = new Recorder()
    const handler = createHandler(t, { app: 'disconnect:app', logger, timeoutGracefulShutdown: 60_000 })
    const name = unique()
    // The way of middleware that limits the time of a request.
    let endByHost = (): void => {}
    const { port } = await serve(t, (req, res) => {
      endByHost = () => {
        if (!res.headersSent) res.statusCode = 503
        res.end('ended by the host')
      }
      void handler.listener(req, res)
    })
    const connection = await RawConnection.open(t, port)
    connection.write(get(`/${kind}?${name}`))
    await probe.wait(`${name}:idle`)
    endByHost()
    const { status, body } = await connection.response()
    t.is(status, kind === 'sends_late' ? 503 : 200)
    t.true(body.endsWith('ended by the host'), body)
    t.deepEqual(await probe.wait(`${name}:message`), expected)
    await probe.wait(`${name}:left`)
    const start = performance.now()
    await handler.close()
    t.true(performance.now() - start < PATIENCE)
    t.deepEqual(logger.at('error'), [])
  })
}

test('nothing is written to a connection that is only being closed', async (t) => {
  await disconnect.ready()
  const name = unique()
  let response: ServerResponse | undefined
  const { port } = await serve(t, (req, res) => {
    response = res
    void disconnect.listener(req, res)
    // Node's side of a client that has ended its own; what is still on its way keeps the connection open.
    req.socket.end(Buffer.alloc(32 * 2 ** 20))
  })
  const connection = await RawConnection.open(t, port)
  connection.socket.pause()
  connection.write(get(`/sends_until_it_fails?${name}`))
  t.is(await probe.wait(`${name}:message`), 'ClientDisconnected')
  t.false(response?.destroyed)
  t.is(response?.writableLength, 32 * 2 ** 20)
})

test('a late answer of the app does not cut the long one of the host', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'stream:app', logger })
  const name = unique()
  const size = 32 * 2 ** 20
  const { port } = await serve(t, (req, res) => {
    void handler.listener(req, res)
    res.statusCode = 503
    res.end(Buffer.alloc(size))
  })
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  socket.write(`GET /gated/${name} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
  // The app answers while the host's bytes are still on their way.
  for (let gate = 0; gate < 3; gate++) await probe.tell(`${name}:${gate}`)
  await handler.close()
  let received = 0
  socket.on('data', (chunk: Buffer) => (received += chunk.length))
  socket.resume()
  await once(socket, 'end')
  t.true(received > size, `${received} bytes`)
  t.deepEqual(logger.at('error'), [])
})

test('a client that leaves harms no other', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const staying = await RawConnection.open(t, port)
  const stayingName = unique()
  staying.write(get(`/sends_until_it_fails?${stayingName}`))
  await staying.until('tick')
  for (let index = 0; index < 20; index++) {
    const leaving = await RawConnection.open(t, port)
    const name = unique()
    leaving.write(get(`/idle_during?${name}`))
    await probe.wait(`${name}:idle`)
    leaving.reset()
    await probe.wait(`${name}:message`)
  }
  await staying.until('tick')
  t.is(await probe.peek(`${stayingName}:message`), null)
  staying.leave()
  t.is(await probe.wait(`${stayingName}:message`), 'ClientDisconnected')
})

test('a response that ended well is no disconnect in the log', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'responses:app', logger })
  const { port } = await serve(t, handler.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(get(`/works_on?${name}`))
  t.is((await connection.response()).body, 'done')
  connection.leave()
  await probe.tell(`${name}:go`)
  await probe.wait(`${name}:finished`)
  t.deepEqual(
    logger.entries.filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  )
})

test('no task is left once the apps have returned', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const names: string[] = []
  for (let index = 0; index < 100; index++) {
    const connection = await RawConnection.open(t, port)
    const name = unique()
    names.push(name)
    connection.write(get(`/${index % 2 ? 'idle_before' : 'sends_after'}?${name}`))
    await probe.wait(`${name}:idle`)
    connection[index % 3 ? 'reset' : 'leave']()
  }
  await Promise.all(names.map((name) => probe.wait(`${name}:left`)))
  const left = (await probe.tasks()).filter((task) => /idle_before|sends_after/.test(task))
  t.deepEqual(left, [])
})
