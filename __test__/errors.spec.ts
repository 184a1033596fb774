import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import express, { type ErrorRequestHandler } from 'express'
import { AmphisError, PythonError, PythonHandler } from '../index.js'
import { request } from './helpers/client.js'
import { runNode } from './helpers/node-process.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder, textOf } from './helpers/recorder.js'
import { serve } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'

const main = shareHandler('main:app')
const error = shareHandler({ app: 'error:app', logger: new Recorder() })
const responses = shareHandler({ app: 'responses:app', timeoutRequest: 50 })
const probe = shareProbe()

async function fail(t: ExecutionContext, url: string): Promise<PythonError> {
  const failure = await t.throwsAsync(error.handle({ url }), { instanceOf: PythonError })
  t.is(failure.code, 'AMPHIS_ERR_PYTHON')
  return failure
}

for (const [path, type, message] of [
  ['before', 'ValueError', 'before the response'],
  ['custom', 'error.CustomError', 'a custom error'],
  ['inner', 'error.CustomError.Inner', 'an inner class'],
  ['base', 'error.Grave', 'a BaseException'],
  ['system_exit', 'SystemExit', '3'],
  ['exit_after_await', 'SystemExit', '4'],
  ['keyboard_interrupt', 'KeyboardInterrupt', ''],
  ['cancelled', 'asyncio.exceptions.CancelledError', 'nobody asked'],
  ['generator_exit', 'GeneratorExit', ''],
  ['stop_iteration', 'RuntimeError', 'coroutine raised StopIteration'],
  ['unknown_route', 'KeyError', "'unknown_route'"],
] as const) {
  test(`${path} is contained and keeps its type and message`, async (t) => {
    const failure = await fail(t, `/${path}`)
    t.is(failure.type, type)
    t.is(failure.message, message)
    t.true(failure instanceof AmphisError)
    t.true(failure instanceof Error)
    // The loop is still there.
    t.is(await (await main.handle({ url: '/' })).text(), 'Hello, world!')
  })
}

test('the traceback names the file and the line, and is part of the stack', async (t) => {
  const failure = await fail(t, '/before')
  t.regex(failure.traceback, /^Traceback \(most recent call last\):\n/)
  t.regex(failure.traceback, /error\.py", line \d+, in before\n.*raise ValueError\("before the response"\)/)
  t.regex(failure.traceback, /ValueError: before the response\n?$/)
  t.true(String(failure.stack).includes(failure.traceback.trimEnd()))
})

test('the traceback begins at the app, without frames of amphis', async (t) => {
  const { traceback } = await fail(t, '/before')
  t.notRegex(traceback, /_amphis|uvloop|asyncio/)
})

test('the traceback keeps the cause', async (t) => {
  const { traceback } = await fail(t, '/cause')
  t.regex(traceback, /KeyError: 'the cause'[\s\S]*direct cause of[\s\S]*CustomError: the consequence/)
})

test('the traceback keeps the context', async (t) => {
  const { traceback } = await fail(t, '/context')
  t.regex(traceback, /KeyError: 'the first'[\s\S]*During handling of[\s\S]*CustomError: the second/)
})

test('the traceback keeps every member of an exception group', async (t) => {
  const failure = await fail(t, '/group')
  t.regex(failure.type, /ExceptionGroup$/)
  t.regex(failure.traceback, /ValueError: one of the group/)
  t.regex(failure.traceback, /LookupError: other of the group/)
})

test('an exception that cannot print itself is still an error', async (t) => {
  t.is((await fail(t, '/unprintable')).type, 'error.Unprintable')
})

test('a message that is no valid Unicode is still an error', async (t) => {
  const { message } = await fail(t, '/surrogate')
  t.regex(message, /^lone .* surrogate and NUL \0$/u)
})

test('deep recursion is a RecursionError, on the loop and in a thread', async (t) => {
  for (const path of ['/recursion', '/recursion_in_thread', '/recursion']) {
    const failure = await fail(t, path)
    t.is(failure.type, 'RecursionError')
  }
  t.is(await (await main.handle({ url: '/' })).text(), 'Hello, world!')
})

test('SystemExit in a task of the app’s own does not end the loop', async (t) => {
  const handler = createHandler(t, { app: 'error:app', logger: new Recorder() })
  const response = await handler.handle({ url: '/exit_in_task' })
  t.is(await response.text(), 'still here')
  t.is(await (await main.handle({ url: '/' })).text(), 'Hello, world!')
})

for (const path of ['base', 'system_exit', 'keyboard_interrupt', 'cancelled', 'generator_exit', 'recursion']) {
  test(`${path} is a 500, and the server goes on`, async (t) => {
    const logger = new Recorder()
    const { url } = await serve(t, createHandler(t, { app: 'error:app', logger }).listener)
    t.like(await request(`${url}/${path}`), { status: 500, text: 'Internal Server Error' })
    t.true((await logger.waitForError()) instanceof PythonError)
    t.is((await request(`${url}/${path}`)).status, 500)
  })
}

test('an app that returns without a response is an error at once', async (t) => {
  const failure = await t.throwsAsync(error.handle({ url: '/no_response' }), { code: 'AMPHIS_ERR_NO_RESPONSE' })
  t.true(failure.message.length > 20)
  const { url } = await serve(t, createHandler(t, { app: 'error:app', logger: new Recorder() }).listener)
  t.is((await request(`${url}/no_response`)).status, 500)
})

test('an app that returns in the middle of its response is never a clean end', async (t) => {
  const outcome = error.handle({ url: '/incomplete' }).then((response) => response.text())
  await t.throwsAsync(outcome, { code: 'AMPHIS_ERR_INCOMPLETE_RESPONSE' })
  const logger = new Recorder()
  const { port } = await serve(t, createHandler(t, { app: 'error:app', logger }).listener)
  const connection = await RawConnection.open(t, port)
  connection.write('GET /incomplete HTTP/1.1\r\nHost: test\r\n\r\n')
  const { text } = await connection.rest()
  t.notRegex(text, /\r\n0\r\n\r\n$/)
  t.like(await logger.waitForError(), { code: 'AMPHIS_ERR_INCOMPLETE_RESPONSE' })
})

// A server must not send the head before the first piece of the body, so that until then everything can still be a 500.
for (const [path, what, code] of [
  ['started', 'raises', 'AMPHIS_ERR_PYTHON'],
  ['start_only', 'returns', 'AMPHIS_ERR_NO_RESPONSE'],
] as const) {
  test(`an app that ${what} between its start and its body is a 500`, async (t) => {
    await t.throwsAsync(error.handle({ url: `/${path}` }), { instanceOf: AmphisError, code })
    const { url } = await serve(t, createHandler(t, { app: 'error:app', logger: new Recorder() }).listener)
    t.like(await request(`${url}/${path}`), { status: 500, text: 'Internal Server Error' })
  })
}

test('a second response raises in the app; the first is whole', async (t) => {
  const logger = new Recorder()
  const { url } = await serve(t, createHandler(t, { app: 'error:app', logger }).listener)
  t.is((await request(`${url}/twice`)).text, 'once')
  const failure = (await logger.waitForError()) as PythonError
  t.is(failure.type, 'RuntimeError')
  t.regex(failure.message, /http\.response\.start/)
})

test.serial('an app that never responds is given up after timeoutRequest, and cancelled', async (t) => {
  const handler = createHandler(t, { app: 'error:app', timeoutRequest: 100, logger: new Recorder() })
  const name = unique()
  const failure = await t.throwsAsync(handler.handle({ url: `/never?${name}` }), { code: 'AMPHIS_ERR_REQUEST_TIMEOUT' })
  t.regex(failure.message, /100/)
  await t.notThrowsAsync(probe.wait(`${name}:cancelled`))
})

test.serial('the client of an app that never responds gets 504', async (t) => {
  const handler = createHandler(t, { app: 'error:app', timeoutRequest: 100, logger: new Recorder() })
  const { url } = await serve(t, handler.listener)
  t.is((await request(`${url}/never?${unique()}`)).status, 504)
  t.is((await request(`${url}/after`)).status, 200)
})

test.serial('a time-out goes to next(err) with the status 504', async (t) => {
  const handler = createHandler(t, { app: 'error:app', timeoutRequest: 100, logger: new Recorder() })
  const app = express().use(handler.middleware)
  const catching: ErrorRequestHandler = (failure: { code: string; status?: number }, _req, res, _next) => {
    res.status(failure.status ?? 599).end(failure.code)
  }
  app.use(catching)
  t.like(await request(`${(await serve(t, app)).url}/never?${unique()}`), {
    status: 504,
    text: 'AMPHIS_ERR_REQUEST_TIMEOUT',
  })
})

test.serial('an app that stops in the middle of its response loses the connection after timeoutRequest', async (t) => {
  const handler = createHandler(t, { app: 'error:app', timeoutRequest: 100, logger: new Recorder() })
  const { port } = await serve(t, handler.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`GET /never_after_start?${name} HTTP/1.1\r\nHost: test\r\n\r\n`)
  t.notRegex((await connection.rest()).text, /0\r\n\r\n/)
  await t.notThrowsAsync(probe.wait(`${name}:cancelled`))
})

test.serial('an app that answers after it was given up is told so', async (t) => {
  const handler = createHandler(t, { app: 'error:app', timeoutRequest: 50, logger: new Recorder() })
  const name = unique()
  await t.throwsAsync(handler.handle({ url: `/stubborn?${name}` }), { code: 'AMPHIS_ERR_REQUEST_TIMEOUT' })
  t.is(await probe.wait(name), 'ClientDisconnected')
})

for (const way of ['handle()', 'a socket'] as const) {
  test.serial(`timeoutRequest leaves an app alone that works on after its response: ${way}`, async (t) => {
    const name = unique()
    if (way === 'handle()') {
      t.is(await (await responses.handle({ url: `/works_on?${name}` })).text(), 'done')
    } else {
      const { url } = await serve(t, responses.listener)
      t.is((await request(`${url}/works_on?${name}`)).text, 'done')
    }
    // Timers of one duration fire in their order: once this request is given up, the first one would be too.
    const late = await responses.handle({ url: `/head_first?${unique()}` })
    await t.throwsAsync(late.text(), { code: 'AMPHIS_ERR_REQUEST_TIMEOUT' })
    await probe.tell(`${name}:go`)
    await t.notThrowsAsync(probe.wait(`${name}:finished`))
  })
}

test('requests that end in time know nothing of the limit', async (t) => {
  const handler = createHandler(t, { app: 'main:app', timeoutRequest: 5000 })
  for (let index = 0; index < 20; index++) t.is((await handler.handle({ url: '/' })).status, 200)
})

test('an app that is no coroutine function is an error that says so', async (t) => {
  const handler = createHandler(t, { app: 'error:not_a_coroutine', logger: new Recorder() })
  const failure = await t.throwsAsync(handler.handle({ url: '/' }), { instanceOf: PythonError })
  t.is(failure.type, 'TypeError')
  t.regex(failure.message, /await|coroutine|async/)
})

test('an error raised by the call itself is like any other', async (t) => {
  const handler = createHandler(t, { app: 'error:raises_when_called', logger: new Recorder() })
  const failure = await t.throwsAsync(handler.handle({ url: '/' }), { instanceOf: PythonError })
  t.is(failure.message, 'raised by the call itself')
})

test('loop.stop() in an app ends neither the loop nor what runs on it', async (t) => {
  const name = unique()
  const waiting = error.handle({ url: `/during?${name}` }).then((response) => response.text())
  const failed = t.throwsAsync(waiting, { message: 'in the middle of the response' })
  const handler = createHandler(t, 'error:app')
  t.is(await (await handler.handle({ url: '/stops_loop' })).text(), 'stopped')
  t.is(await (await main.handle({ url: '/' })).text(), 'Hello, world!')
  await t.notThrowsAsync(handler.close())
  await probe.tell(name)
  await failed
})

for (const [what, logs, call] of [
  ['a logger', 'throw new Error("the callback is broken")', 'handler.listener(req, res)'],
  ['next(err)', '', 'handler.middleware(req, res, () => { throw new Error("the callback is broken") })'],
] as const) {
  test(`${what} that throws is an uncaught exception, and costs no other request its answer`, async (t) => {
    const child = runNode(
      t,
      { app: 'barrier:app', lifespan: 'off' },
      `import { createServer, get } from 'node:http'
       process.on('uncaughtException', (error) => console.log('uncaught: ' + error.message))
       const quiet = () => {}
       const logger = { debug: quiet, info: quiet, warn: quiet, error() { ${logs} } }
       const handler = new PythonHandler({ ...options, logger })
       await handler.ready()
       const ask = async (name) => (await handler.handle({ url: '/fast/' + name })).json()
       const server = createServer(async (req, res) => {
         const before = ask('before')
         ${call}
         const after = ['first', 'second', 'third'].map(ask)
         // All answers come in one batch, when this thread is back.
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
         console.log((await Promise.all([before, ...after])).join())
         console.log(await ask('later'))
         process.exit(0)
       })
       server.listen(0, '127.0.0.1', () => get({ port: server.address().port, path: '/unknown' }).on('error', quiet))
       // Answers that are lost are waited for in vain.
       setTimeout(() => process.exit(9), 20_000)`,
    )
    const { code, stdout, stderr } = await child.ends()
    t.is(code, 0, stdout + stderr)
    t.deepEqual(stdout.trim().split('\n'), ['uncaught: the callback is broken', 'before,first,second,third', 'later'])
  })
}

test('a logger that throws costs no request its end', async (t) => {
  const child = runNode(
    t,
    { app: 'error:app', lifespan: 'off' },
    `import { createServer } from 'node:http'
     process.on('uncaughtException', () => {})
     const quiet = () => {}
     const logger = { debug: quiet, info: quiet, warn: quiet, error() { throw new Error('the logger is broken') } }
     const handler = new PythonHandler({ ...options, logger })
     const server = createServer(handler.listener)
     await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
     const url = 'http://127.0.0.1:' + server.address().port
     // Ends that are lost are waited for in vain.
     setTimeout(() => process.exit(9), 20_000)
     console.log(await (await handler.handle({ url: '/incomplete' })).bytes().catch((error) => error.code))
     console.log((await fetch(url + '/before')).status)
     console.log(await fetch(url + '/incomplete').then((response) => response.text()).catch(() => 'cut off'))
     process.exit(0)`,
  )
  const { code, stdout, stderr } = await child.ends()
  t.is(code, 0, stdout + stderr)
  t.deepEqual(stdout.trim().split('\n'), ['AMPHIS_ERR_INCOMPLETE_RESPONSE', '500', 'cut off'])
})

test('a hundred failing requests among a hundred good ones', async (t) => {
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, async (_, index) =>
      index % 2
        ? (await main.handle({ url: '/' })).text()
        : error.handle({ url: index % 4 ? '/before' : '/system_exit' }).then(
            () => 'no error',
            (failure: PythonError) => failure.type,
          ),
    ),
  )
  t.deepEqual(
    outcomes,
    Array.from({ length: 200 }, (_, index) => (index % 2 ? 'Hello, world!' : index % 4 ? 'ValueError' : 'SystemExit')),
  )
})

test('an error prints with its traceback', async (t) => {
  const failure = await fail(t, '/before')
  t.regex(inspect(failure), /PythonError[\s\S]*AMPHIS_ERR_PYTHON|AMPHIS_ERR_PYTHON[\s\S]*PythonError/)
  t.regex(inspect(failure), /error\.py", line \d+, in before/)
})

test('no task of a failed request is left', async (t) => {
  await Promise.all(Array.from({ length: 50 }, async () => t.throwsAsync(error.handle({ url: '/before' }))))
  t.deepEqual(
    (await probe.tasks()).filter((task) => /^(app|before)$/.test(task)),
    [],
  )
})

// How it prints

test('the classes have the names by which they are exported', async (t) => {
  t.is(AmphisError.name, 'AmphisError')
  t.is(PythonError.name, 'PythonError')
  const failure = await fail(t, '/before')
  t.is(failure.name, 'PythonError')
  t.regex(inspect(failure), /^PythonError: before the response\n/)
  t.regex(inspect(new AmphisError('AMPHIS_ERR_CLOSED', 'words')), /^AmphisError: words\n/)
  class Own extends AmphisError {}
  t.false(failure instanceof Own)
  t.true(new Own('AMPHIS_ERR_CLOSED', 'words') instanceof Own)
})

test('the traceback stands before the frames of the caller, and none of amphis is among them', async (t) => {
  async function somebodysCall() {
    const response = await error.handle({ url: '/before' })
    return response.text()
  }
  const failure = await t.throwsAsync(somebodysCall(), { instanceOf: PythonError })
  const stack = failure.stack ?? ''
  const [said = '', ...frames] = stack.split(/\n(?= {4}at )/)
  t.is(said, `PythonError: before the response\n\n${failure.traceback.trimEnd()}`)
  t.regex(frames.join('\n'), /somebodysCall .*errors\.spec/)
  t.notRegex(stack, /\/dist\/|parseError|dispatch/)
  t.true(inspect(failure).includes(stack))
})

test('an error of the start or of an option begins at its caller, however many wait for it', async (t) => {
  const broken = createHandler(t, 'missing_module:app')
  async function waits() {
    await broken.ready()
  }
  const outcomes = await Promise.allSettled([waits(), waits(), broken.handle({ url: '/' })])
  for (const outcome of outcomes) {
    const { stack = '' } = (outcome as PromiseRejectedResult).reason as Error
    t.notRegex(stack, /\/dist\//)
    t.is(stack.split('AmphisError: ').length, 2, stack)
  }
  const { stack = '' } = t.throws(() => new PythonHandler({ app: 'main:app', lifespan: 'no' as 'off' })) as Error
  t.regex(stack.split('\n')[1] ?? '', /^ {4}at .*errors\.spec/)
})

test('what replaces the inspection of errors, as Next.js does, keeps the traceback', async (t) => {
  const failure = await fail(t, '/before')
  // oxlint-disable-next-line no-extend-native -- as Next.js does
  Object.defineProperty(Error.prototype, inspect.custom, { value: () => 'frames only', configurable: true })
  try {
    t.is(inspect(new Error('another')), 'frames only')
    t.true(inspect(failure).includes(failure.traceback.trimEnd()))
    t.true(inspect({ failure }, { depth: 4 }).includes('raise ValueError("before the response")'))
  } finally {
    delete (Error.prototype as { [inspect.custom]?: unknown })[inspect.custom]
  }
})

test('a copy of an error, as another thread gets it, still shows the traceback', async (t) => {
  const failure = await fail(t, '/before')
  const copy = structuredClone(failure)
  t.is(copy.message, 'before the response')
  t.true(copy.stack?.startsWith(`PythonError: before the response\n\n${failure.traceback.trimEnd()}`))
})

test('without a logger of its own, a handler says which request has failed', async (t) => {
  const child = runNode(
    t,
    { app: 'error:app', lifespan: 'off' },
    `
    import http from 'node:http'
    import { once } from 'node:events'
    const handler = new PythonHandler(options)
    const server = http.createServer((request, response) => {
      // As Express does below a mount.
      request.originalUrl = request.url
      request.url = request.url.slice('/api'.length)
      void handler.listener(request, response)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = 'http://127.0.0.1:' + server.address().port
    await (await fetch(url + '/api/before?token=secret', { method: 'PUT' })).text()
    await (await fetch(url + '/api/%25s%2541')).text()
    server.closeAllConnections()
    server.close()
    await handler.close()`,
  )
  const { stderr } = await child.ends()
  t.regex(stderr, /^PUT \/api\/before failed: PythonError: before the response\n\nTraceback/m)
  t.regex(stderr, /^GET \/api\/%25s%2541 failed: PythonError: /m)
  t.notRegex(stderr, /secret/)
})

test('what keeps an app from starting is logged in full once, by requests and WebSockets together', async (t) => {
  const logger = new Recorder()
  const broken = createHandler(t, { app: 'raises_on_import:app', logger })
  const { url, server } = await serve(t, broken.listener)
  broken.attach(server)
  for (const path of ['/first', '/second', '/third']) t.is((await request(url + path)).status, 500)
  for (const path of ['/fourth', '/fifth']) {
    const { status } = await WebSocketClient.refused(t, url + path)
    t.is(status, 500)
  }
  t.is(logger.errors().length, 1)
  t.is(logger.at('warn').length, 0)
  const again = logger.at('debug').map(textOf)
  t.deepEqual(
    again.map((text) => text.split(' failed as one before: ')[0]),
    ['GET /second', 'GET /third', 'WS /fourth', 'WS /fifth'],
  )
  for (const text of again) t.is(text.split('\n').length, 1, text)
})

test('every request that an app itself fails is logged in full', async (t) => {
  const logger = new Recorder()
  const failing = createHandler(t, { app: 'error:app', logger })
  const { url } = await serve(t, failing.listener)
  for (const path of ['/before', '/before']) await request(url + path)
  t.is(logger.errors().length, 2)
})
