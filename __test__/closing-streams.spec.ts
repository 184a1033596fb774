// What becomes of open responses when a server stops: event streams are told, the others have their time.
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http2'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { createServer } from '../index.js'
import { openSession, resetCode } from './helpers/http2-client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { bytes, receive, Script, type Step } from './helpers/script.js'
import { serve, serveH2c } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'
import { listen } from './helpers/listen.js'

const probe = shareProbe()

const start = (type: string, more: [string, string][] = []): Step => [
  'send',
  {
    type: 'http.response.start',
    status: 200,
    headers: [['Content-Type', type], ...more].map((pair) => pair.map((text) => bytes(text))),
  },
]
const piece = (text: string, more = true) => ({ type: 'http.response.body', body: bytes(text), more_body: more })
const sends = (text: string, more = true): Step => ['send', piece(text, more)]
const EVENTS = 'text/event-stream'

/** Longer than a test may take: what ends before has not waited for it. */
const GRACE = 60_000

function run(t: ExecutionContext, steps: Step[], options: Partial<HandlerOptions> = {}) {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', timeoutGracefulShutdown: GRACE, logger, ...options })
  return { handler, logger, script: new Script(probe, steps) }
}

const line = (target: string, version = '1.1') => `GET ${target} HTTP/${version}\r\nHost: test\r\n\r\n`

/** An app that sends an event, waits in receive(), and does the rest once it is told. */
const told = (...rest: Step[]): Step[] => [receive, start(EVENTS), sends('one '), receive, ...rest]
const disconnect = { type: 'http.disconnect' }

/** What ends an open stream well. */
const endings: Record<string, [rest: Step[], body: string]> = {
  'says a last word': [[sends('bye'), sends('', false)], 'one bye'],
  'ends in the way of ASGI': [[sends('', false)], 'one '],
  'only returns': [[], 'one '],
}

for (const [how, [rest, body]] of Object.entries(endings)) {
  test(`an event stream whose app ${how} when it is told ends cleanly`, async (t) => {
    const { handler, script, logger } = run(t, told(...rest))
    const { port } = await serve(t, handler.listener)
    const raw = await RawConnection.open(t, port)
    raw.write(line(script.target))
    const head = await raw.until('\r\n\r\n')
    t.regex(head, /transfer-encoding: chunked/i)
    await raw.until('one ')
    await handler.close()
    t.deepEqual((await script.outcome())[1], disconnect)
    t.regex(await raw.until('0\r\n\r\n'), rest.length > 1 ? /bye/ : /^\r\n0/)
    t.deepEqual(logger.at('error'), [])
  })

  test(`so it is over HTTP/1.0, HTTP/2, in Express and by handle(): ${how}`, async (t) => {
    {
      const { handler, script } = run(t, told(...rest))
      const { port } = await serve(t, express().use('/py', handler.middleware))
      const raw = await RawConnection.open(t, port)
      raw.write(line(`/py${script.target}`, '1.0'))
      await raw.until('one ')
      await handler.close()
      t.deepEqual(await raw.rest(), { text: body.slice(4), end: 'end' })
    }
    {
      const { handler, script } = run(t, told(...rest))
      const session = await openSession(t, (await serveH2c(t, handler.listener)).url)
      const stream = session.request({ ':path': script.target })
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
      t.is(headers['content-type'], EVENTS)
      let text = ''
      stream.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
      await once(stream, 'data')
      const ended = once(stream, 'close')
      await handler.close()
      await ended
      t.deepEqual([text, stream.rstCode], [body, 0])
    }
    {
      const { handler, script, logger } = run(t, told(...rest))
      const answer = await handler.handle({ url: script.target })
      const text = answer.text()
      await handler.close()
      t.is(await text, body)
      t.deepEqual(logger.at('error'), [])
    }
  })
}

test('an app that is told before its first event has an empty stream', async (t) => {
  const { handler, script, logger } = run(t, [receive, start(EVENTS), ['tell', 'open'], receive])
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line(script.target))
  await script.wait('open')
  await handler.close()
  t.like(await raw.response(), { status: 200, body: '' })
  t.deepEqual(logger.at('error'), [])
})

test('an app that raises when it is told has not ended its stream', async (t) => {
  const { handler, script, logger } = run(t, told(['raise', 'in the end']))
  const served = await serve(t, handler.listener)
  const loud = await RawConnection.open(t, served.port)
  loud.write(line(script.target))
  await loud.until('one ')
  await handler.close()
  t.notRegex((await loud.rest()).text, /0\r\n\r\n$/)
  t.like(await logger.waitForError(), { message: 'in the end' })
})

for (const [type, isTold] of [
  ['Text/Event-Stream; charset=utf-8', true],
  ['text/event-stream;charset=utf-8', true],
  ['text/event-streams', false],
  ['text/event', false],
  ['application/json; of=text/event-stream', false],
  ['application/octet-stream', false],
] as const) {
  test(`${type} is told of the stop: ${isTold}`, async (t) => {
    const { handler, script } = run(t, [receive, start(type), sends('one '), ['tell', 'open'], receive], {
      timeoutGracefulShutdown: isTold ? GRACE : 300,
      logger: new Recorder(),
    })
    const { port } = await serve(t, handler.listener)
    const raw = await RawConnection.open(t, port)
    raw.write(line(script.target))
    await script.wait('open')
    await handler.close()
    const marks = await script.marks()
    // Cancelled, it never came back from its second receive().
    t.is(marks.length, isTold ? 2 : 1)
    if (isTold) await t.notThrowsAsync(raw.until('0\r\n\r\n'))
    else t.notRegex((await raw.rest()).text, /0\r\n\r\n$/)
  })
}

test('a stream that begins once the stop has begun is told at once', async (t) => {
  const { handler, script } = run(t, [receive, ['tell', 'in'], ['wait', 'go'], start(EVENTS), sends('one '), receive])
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line(script.target))
  await script.wait('in')
  const closed = handler.close()
  await script.open('go')
  await closed
  t.like(await raw.response(), { status: 200, body: 'one ' })
  t.deepEqual((await script.marks()).at(-1), disconnect)
})

/** An app that takes no notice: it sends on, and waits for what the test never says. */
const deaf: Step[] = [receive, start(EVENTS), sends('one '), receive, ['try', piece('two ')], ['wait', 'never']]

test('what is still open in the end is cut off: HTTP/1.1', async (t) => {
  const { handler, script, logger } = run(t, deaf, { timeoutGracefulShutdown: 200 })
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line(script.target))
  await raw.until('one ')
  await handler.close()
  // It could send on meanwhile.
  const { text } = await raw.rest()
  t.regex(text, /two /)
  t.notRegex(text, /0\r\n\r\n$/)
  t.is((await script.marks())[2], 'sent')
  t.like(await logger.waitForError(), { code: 'AMPHIS_ERR_CLOSED' })
})

test('what is still open in the end is cut off: HTTP/1.0, whose end of a body is that of the connection', async (t) => {
  const { handler, script } = run(t, deaf, { timeoutGracefulShutdown: 200 })
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line(script.target, '1.0'))
  await raw.until('one ')
  await handler.close()
  t.is((await raw.rest()).end, 'reset')
})

test('what is still open in the end is cut off: HTTP/2', async (t) => {
  const { handler, script } = run(t, deaf, { timeoutGracefulShutdown: 200 })
  const session = await openSession(t, (await serveH2c(t, handler.listener)).url)
  const stream = session.request({ ':path': script.target })
  await once(stream, 'response')
  const code = resetCode(stream)
  await handler.close()
  t.is(await code, 2)
})

test('what is still open in the end is cut off: handle()', async (t) => {
  const { handler, script } = run(t, deaf, { timeoutGracefulShutdown: 200 })
  const answer = await handler.handle({ url: script.target })
  const text = answer.text()
  await Promise.all([t.throwsAsync(text, { code: 'AMPHIS_ERR_CLOSED' } as never), handler.close()])
})

test('an app that returns when it is cancelled has not ended by itself', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, {
    app: 'event_streams:returns_when_cancelled',
    timeoutGracefulShutdown: 200,
    logger,
  })
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line('/'))
  await raw.until('one ')
  await handler.close()
  t.notRegex((await raw.rest()).text, /0\r\n\r\n$/)
})

test('a length that was not kept is no clean end', async (t) => {
  const { handler, script } = run(t, [receive, start(EVENTS, [['content-length', '100']]), sends('one '), receive])
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line(script.target))
  await raw.until('one ')
  await handler.close()
  t.is((await raw.rest()).text, '')
})

test('trailers that were announced and never came do not keep the stream open', async (t) => {
  const head: Step = ['send', { ...(start(EVENTS)[1] as object), trailers: true }]
  const { handler, script } = run(t, [receive, head, sends('one '), receive])
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line(script.target))
  await raw.until('one ')
  await handler.close()
  t.regex(await raw.until('0\r\n\r\n'), /^\r\n0/)
})

test('timeoutStreams cuts streams alone: a download and a request have the whole grace', async (t) => {
  const { handler, script } = run(t, [receive, start('text/plain'), sends('one '), receive], {
    timeoutStreams: 100,
  })
  const events = new Script(probe, deaf)
  const length: [string, string][] = [['content-length', '8']]
  const download = new Script(probe, [start('x/y', length), sends('half'), ['wait', 'go'], sends('half', false)])
  const request = new Script(probe, [receive, ['tell', 'in'], ['wait', 'go'], start('x/y'), sends('whole', false)])
  const { port } = await serve(t, handler.listener)
  const open = async ({ target }: Script) => {
    const raw = await RawConnection.open(t, port)
    raw.write(line(target))
    return raw
  }
  const [cut, cutEvents, kept, asked] = await Promise.all([script, events, download, request].map(open))
  await Promise.all([cut!.until('one '), cutEvents!.until('one '), kept!.until('half'), request.wait('in')])
  const closed = handler.close()
  for (const raw of [cut, cutEvents]) t.notRegex((await raw!.rest()).text, /0\r\n\r\n$/)
  await download.open('go')
  await request.open('go')
  t.is(await kept!.until('half'), 'half')
  t.like(await asked!.response(), { status: 200, body: 'whole' })
  await closed
})

test('a stream that swallows its cancellation is given up, and nobody else waits for it', async (t) => {
  const handler = createHandler(t, {
    app: 'event_streams:swallows_cancellation',
    timeoutGracefulShutdown: GRACE,
    timeoutStreams: 50,
    logger: new Recorder(),
  })
  const { port } = await serve(t, handler.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line('/'))
  await raw.until('one ')
  await handler.close()
  t.notRegex((await raw.rest()).text, /0\r\n\r\n$/)
})

test('a WSGI app’s events end with the next one, and its iterable is closed', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'wsgi:events', timeoutGracefulShutdown: GRACE, logger })
  const { port } = await serve(t, handler.listener)
  const name = unique()
  const raw = await RawConnection.open(t, port)
  raw.write(line(`/?${name}`))
  await probe.wait(`${name}:0`)
  const closed = handler.close()
  await probe.tell(`${name}:go`)
  await closed
  t.regex(await raw.until('0\r\n\r\n'), /data: 0/)
  await probe.wait(`${name}:closed`)
  t.deepEqual(logger.at('error'), [])
})

test('WebSockets keep their 1012', async (t) => {
  const handler = createHandler(t, { app: 'websocket_app:app', timeoutGracefulShutdown: GRACE })
  const { url } = await listen(t, createServer(handler))
  const client = await WebSocketClient.open(t, `${url.replace('http', 'ws')}/echo`)
  const closed = client.closed()
  await handler.close()
  t.like(await closed, { code: 1012 })
})

test('timeoutStreams is a number of milliseconds', async (t) => {
  const error = t.throws(() => createHandler(t, { app: 'main:app', timeoutStreams: -1 }))
  t.regex(error.message, /timeoutStreams/)
  t.notThrows(() => createHandler(t, { app: 'main:app', timeoutStreams: 0 }))
})
