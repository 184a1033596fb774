import test from 'ava'
import { AmphisError } from '../index.js'
import { PATIENCE } from './helpers/patience.js'
import { request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const probe = shareProbe()

for (const lifespan of ['auto', 'on'] as const) {
  test(`ready() waits for the startup: ${lifespan}`, async (t) => {
    const handler = createHandler(t, { app: 'lifespans:state', lifespan })
    await handler.ready()
    t.like(await (await handler.handle({ url: '/' })).json(), { name: 'from startup' })
  })

  test(`ready() rejects with the message of a failed startup: ${lifespan}`, async (t) => {
    const handler = createHandler(t, { app: 'lifespans:fails', lifespan, logger: new Recorder() })
    const failure = await t.throwsAsync(handler.ready(), {
      instanceOf: AmphisError,
      code: 'AMPHIS_ERR_LIFESPAN_FAILED',
    })
    t.regex(failure.message, /the database is not there/)
  })

  test(`a failed startup may have no message: ${lifespan}`, async (t) => {
    const handler = createHandler(t, { app: 'lifespans:fails_silently', lifespan, logger: new Recorder() })
    const failure = await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_LIFESPAN_FAILED' })
    t.true(failure.message.length > 20)
  })

  test(`a startup that takes too long is given up and cancelled: ${lifespan}`, async (t) => {
    const handler = createHandler(t, { app: 'lifespans:hangs_in_startup', lifespan, timeoutStartup: 100 })
    const failure = await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_STARTUP_TIMEOUT' })
    t.regex(failure.message, /100/)
    await t.notThrowsAsync(probe.wait('hangs_in_startup:cancelled'))
  })
}

test('follows the protocol: one scope, startup, shutdown', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:complete', lifespan: 'on' })
  await handler.ready()
  await handler.close()
  const [scope, ...messages] = (await probe.marks('complete')) as [[string[], object, object], ...unknown[]]
  t.deepEqual(scope, [['asgi', 'state', 'type'], { version: '3.0', spec_version: '2.0' }, {}])
  t.deepEqual(messages, [{ type: 'lifespan.startup' }, { type: 'lifespan.shutdown' }])
})

test('auto: an app that raises before its startup is complete has no lifespan', async (t) => {
  const logger = new Recorder()
  for (const app of ['unsupported', 'raises_in_startup', 'exits_in_startup']) {
    const handler = createHandler(t, { app: `lifespans:${app}`, lifespan: 'auto', logger })
    await handler.ready()
    t.is((await handler.handle({ url: '/' })).status, 200)
  }
  // Small apps do so by an assertion: nobody wants to read of it.
  t.deepEqual(logger.at('error'), [])
  t.deepEqual(logger.at('warn'), [])
  t.true(logger.at('debug').length >= 3)
})

test('auto: an app that returns at once has no lifespan', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:returns_at_once', lifespan: 'auto' })
  await handler.ready()
  t.is((await handler.handle({ url: '/' })).status, 200)
})

for (const [app, says] of [
  ['unsupported', /only http here/],
  ['raises_in_startup', /startup went wrong/],
  ['exits_in_startup', /SystemExit|7/],
] as const) {
  test(`on: ${app} fails the start`, async (t) => {
    const handler = createHandler(t, { app: `lifespans:${app}`, lifespan: 'on', logger: new Recorder() })
    const failure = await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_LIFESPAN_FAILED' })
    t.regex(`${failure.message}\n${failure.stack}\n${String(failure.cause)}`, says)
  })
}

test('on: the traceback of a failed startup is kept', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:raises_in_startup', lifespan: 'on', logger: new Recorder() })
  const failure = await t.throwsAsync(handler.ready())
  t.regex(
    `${failure.stack}\n${String((failure.cause as Error | undefined)?.stack)}`,
    /lifespans\.py.*\n.*startup went wrong/,
  )
})

test('on: an app that returns at once fails the start', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:returns_at_once', lifespan: 'on', logger: new Recorder() })
  await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_LIFESPAN_FAILED' })
})

test('off: the app is never asked', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:fails', lifespan: 'off' })
  await handler.ready()
  t.deepEqual(await (await handler.handle({ url: '/' })).json(), { state: null, has_state: false })
})

test('requests wait for the startup', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:gated_startup', lifespan: 'on' })
  const { url } = await serve(t, handler.listener)
  let answered = 0
  const pending = Promise.all(
    Array.from({ length: 10 }, async () => {
      const { status } = await request(url)
      answered++
      return status
    }),
  )
  await probe.wait('gated_startup:started')
  t.is(answered, 0)
  await probe.tell('gated_startup:go')
  t.deepEqual(
    await pending,
    Array.from({ length: 10 }, () => 200),
  )
})

test('requests fail like the startup did', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'lifespans:fails', lifespan: 'on', logger })
  await t.throwsAsync(handler.handle({ url: '/' }), { code: 'AMPHIS_ERR_LIFESPAN_FAILED' })
  await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_LIFESPAN_FAILED' })
  const { url } = await serve(t, handler.listener)
  t.is((await request(url)).status, 500)
  t.regex((await logger.waitForError()).message, /the database is not there/)
})

test('a startup that fails harms no other handler', async (t) => {
  const good = createHandler(t, { app: 'lifespans:state', lifespan: 'on' })
  const bad = createHandler(t, { app: 'lifespans:fails', lifespan: 'on', logger: new Recorder() })
  const [first, second] = await Promise.allSettled([good.ready(), bad.ready()])
  t.is(first.status, 'fulfilled')
  t.is(second.status, 'rejected')
  t.is((await good.handle({ url: '/' })).status, 200)
})

test('startup and shutdown run in one task and one context', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:one_task', lifespan: 'on' })
  await handler.ready()
  await handler.close()
  t.deepEqual(await probe.wait('one_task'), [true, 'set in startup'])
})

test('an app may leave its lifespan after the startup', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:leaves_after_startup', lifespan: 'on' })
  await handler.ready()
  t.is((await handler.handle({ url: '/' })).status, 200)
  await t.notThrowsAsync(handler.close())
})

test('a lifespan that dies after the startup is logged, and requests go on', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'lifespans:raises_after_startup', lifespan: 'on', logger })
  await handler.ready()
  t.regex((await logger.waitForError()).message, /the background work died/)
  t.is((await handler.handle({ url: '/' })).status, 200)
  await t.notThrowsAsync(handler.close())
})

for (const [app, says] of [
  ['shutdown_fails', /could not flush/],
  ['raises_in_shutdown', /shutdown went wrong/],
] as const) {
  test(`${app}: close() rejects with what the app said`, async (t) => {
    const handler = createHandler(t, { app: `lifespans:${app}`, lifespan: 'on', logger: new Recorder() })
    await handler.ready()
    const failure = await t.throwsAsync(handler.close(), { code: 'AMPHIS_ERR_LIFESPAN_FAILED' })
    t.regex(`${failure.stack}\n${String((failure.cause as Error | undefined)?.stack)}`, says)
    // It is closed all the same.
    await t.throwsAsync(handler.handle({ url: '/' }), { code: 'AMPHIS_ERR_CLOSED' })
  })
}

test('a message of another protocol raises in the app', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:wrong_message', lifespan: 'on' })
  await handler.ready()
  const [, message] = (await probe.wait('wrong_message')) as [string, string]
  t.regex(message, /http\.response\.start/)
})

test('closing lets requests finish, then cancels them, then shuts the app down', async (t) => {
  const handler = createHandler(t, {
    app: 'lifespans:close_order',
    lifespan: 'on',
    timeoutGracefulShutdown: 300,
    logger: new Recorder(),
  })
  const [slow, stuck] = [unique(), unique()]
  const first = handler.handle({ url: `/${slow}` })
  const second = handler.handle({ url: `/${stuck}/stubborn` })
  const failed = t.throwsAsync(second)
  await Promise.all([probe.wait(`${slow}:started`), probe.wait(`${stuck}:started`)])
  const closed = handler.close()
  // Closed for new requests at once, while old ones go on.
  await t.throwsAsync(handler.handle({ url: '/late' }), { code: 'AMPHIS_ERR_CLOSED' })
  await probe.tell(`${slow}:go`)
  t.is(await (await first).json(), slow)
  await closed
  await failed
  // Other tests use the same app, without its lifespan.
  const marks = (await probe.marks('close_order')).map(String)
  t.deepEqual(
    marks.filter((mark) => mark === 'shutdown' || mark.startsWith(slow) || mark.startsWith(stuck)),
    [`${slow} finished`, `${stuck} cancelled`, 'shutdown'],
  )
})

test('closing without requests does not wait for the grace limit', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:state', lifespan: 'on', timeoutGracefulShutdown: 60_000 })
  await handler.ready()
  const start = performance.now()
  await handler.close()
  t.true(performance.now() - start < PATIENCE)
})

test('a request that cannot even be cancelled does not hold up closing', async (t) => {
  const handler = createHandler(t, {
    app: 'lifespans:ignores_cancellation',
    lifespan: 'on',
    timeoutGracefulShutdown: 50,
    logger: new Recorder(),
  })
  const failed = t.throwsAsync(handler.handle({ url: '/' }))
  await probe.wait('ignores_cancellation:started')
  await handler.close()
  await failed
  await t.notThrowsAsync(probe.wait('ignores_cancellation:shutdown'))
  t.deepEqual((await probe.marks('ignores_cancellation')).slice(0, 1), ['swallowed'])
  await probe.tell('ignores_cancellation:go')
})

test('who waits in receive() is told when closing gives up the app', async (t) => {
  const handler = createHandler(t, {
    app: 'lifespans:leaves_a_watcher',
    timeoutGracefulShutdown: 50,
    logger: new Recorder(),
  })
  const name = unique()
  const failed = t.throwsAsync(handler.handle({ url: `/?${name}` }))
  await probe.wait(`${name}:started`)
  await handler.close()
  await failed
  t.deepEqual(await probe.wait(`${name}:message`), ['http.disconnect', 'http.disconnect'])
  await probe.tell(`${name}:go`)
})

test('requests made before closing are answered, also while Python is busy', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:busy', lifespan: 'on' })
  const holding = await handler.handle({ url: '/holds' })
  const waiting = handler.handle({ url: '/waits' })
  const closed = handler.close()
  const refused = t.throwsAsync(handler.handle({ url: '/late' }), { code: 'AMPHIS_ERR_CLOSED' })
  t.is(await holding.text(), 'held')
  t.is(await (await waiting).json(), 'answered')
  await refused
  await closed
  // The second may reach Python before the first begins to hold it.
  const marks = (await probe.marks('busy')) as string[]
  t.deepEqual(marks.slice(0, 2).toSorted(), ['/holds', '/waits'])
  t.deepEqual(marks.slice(2), ['shutdown'])
})

test('a shutdown that hangs does not hold up closing for ever', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, {
    app: 'lifespans:hangs_in_shutdown',
    lifespan: 'on',
    timeoutGracefulShutdown: 50,
    logger,
  })
  await handler.ready()
  await t.throwsAsync(handler.close(), { code: 'AMPHIS_ERR_LIFESPAN_FAILED', message: /did not finish/ })
  await t.notThrowsAsync(probe.wait('hangs_in_shutdown:shutdown'))
})

test('a client whose request is cancelled by closing is not left hanging', async (t) => {
  const handler = createHandler(t, {
    app: 'lifespans:close_order',
    lifespan: 'off',
    timeoutGracefulShutdown: 20,
    logger: new Recorder(),
  })
  const { url } = await serve(t, handler.listener)
  const name = unique()
  const pending = request(`${url}/${name}/stubborn`)
  await probe.wait(`${name}:started`)
  await handler.close()
  t.is((await pending).status, 503)
})

test('closing is idempotent', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:state', lifespan: 'on' })
  await handler.ready()
  await Promise.all([handler.close(), handler.close()])
  await handler.close()
  t.pass()
})

test('closing during the startup ends it', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:hangs_in_startup', lifespan: 'on', timeoutGracefulShutdown: 50 })
  const failed = t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_CLOSED' })
  await handler.close()
  await failed
})

test('closing before the start keeps it from starting', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:state', lifespan: 'on' })
  await handler.close()
  await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_CLOSED' })
  await t.throwsAsync(handler.handle({ url: '/' }), { code: 'AMPHIS_ERR_CLOSED' })
})

test('an abort signal closes', async (t) => {
  const controller = new AbortController()
  const name = unique()
  const handler = createHandler(t, {
    app: 'lifespans:close_order',
    lifespan: 'off',
    signal: controller.signal,
    timeoutGracefulShutdown: 10,
    logger: new Recorder(),
  })
  const failed = t.throwsAsync(handler.handle({ url: `/${name}/stubborn` }))
  await probe.wait(`${name}:started`)
  controller.abort()
  await failed
  await t.throwsAsync(handler.handle({ url: '/' }), { code: 'AMPHIS_ERR_CLOSED' })
})

test('a signal that is aborted already makes a closed handler', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:state', signal: AbortSignal.abort() })
  await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_CLOSED' })
})

test('disposing closes', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:state', lifespan: 'on' })
  await handler.ready()
  await handler[Symbol.asyncDispose]()
  await t.throwsAsync(handler.ready(), { code: 'AMPHIS_ERR_CLOSED' })
})

test('streams under way are drained before the shutdown', async (t) => {
  const stream = createHandler(t, 'stream:app')
  const name = unique()
  const response = await stream.handle({ url: `/gated/${name}` })
  const closed = stream.close()
  for (let index = 0; index < 3; index++) await probe.tell(`${name}:${index}`)
  t.is(await response.text(), 'chunk 0\nchunk 1\nchunk 2\n')
  await closed
})

test('closing ends an app that waits for a reader', async (t) => {
  const stream = createHandler(t, { app: 'stream:app', timeoutGracefulShutdown: 20, logger: new Recorder() })
  const name = unique()
  const response = await stream.handle({ url: `/flood/${name}` })
  await probe.wait(`${name}:started`)
  await stream.close()
  await t.throwsAsync(response.bytes(), { code: 'AMPHIS_ERR_CLOSED' })
})
