import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { serve } from './helpers/server.js'
import { AmphisError, PythonError, PythonHandler } from '../index.js'
import { valuesOf } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import {
  createHandler,
  fixtures,
  type HandlerOptions,
  loop,
  python as interpreter,
  shareHandler,
  versionsOf,
} from './helpers/python.js'

const main = shareHandler('main:app')
const echo = shareHandler('echo:app')
const echoStream = shareHandler('echo:stream')
const digest = shareHandler('echo:digest')
const bodies = shareHandler('body:app')
const disconnect = shareHandler('disconnect:app')
const status = shareHandler('status:app')
const stream = shareHandler('stream:app')
const error = shareHandler('error:app')
const probe = shareProbe()

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

test('answers a request given by nothing but its url', async (t) => {
  const response = await main.handle({ url: '/' })
  t.is(response.status, 200)
  t.deepEqual(response.rawHeaders, ['content-type', 'text/plain', 'content-length', '13'])
  t.is(await response.text(), 'Hello, world!')
})

test('gives the body as bytes, text, JSON or chunks', async (t) => {
  const ask = () => echo.handle({ method: 'POST', url: '/', body: '{"a":[1,2]}' })
  t.deepEqual(await (await ask()).bytes(), Buffer.from('{"a":[1,2]}'))
  t.is(await (await ask()).text(), '{"a":[1,2]}')
  t.deepEqual(await (await ask()).json(), { a: [1, 2] })
  const seen: Buffer[] = []
  for await (const chunk of await ask()) seen.push(chunk)
  t.true(seen.every((chunk) => Buffer.isBuffer(chunk)))
  t.is(Buffer.concat(seen).toString(), '{"a":[1,2]}')
})

test('gives text as UTF-8', async (t) => {
  const response = await echo.handle({ method: 'POST', url: '/', body: 'naïve ☃ 🐍' })
  t.is(await response.text(), 'naïve ☃ 🐍')
})

for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PROPFIND', 'M-SEARCH']) {
  test(`passes the method ${method} on`, async (t) => {
    const response = await echo.handle({ method, url: '/' })
    t.deepEqual(valuesOf(response.rawHeaders, 'x-method'), [method])
  })
}

test('takes headers as a flat list, in order and with duplicates', async (t) => {
  const scope = createHandler(t, 'scope:app')
  const response = await scope.handle({ url: '/', headers: ['X-B', '1', 'x-a', '2', 'X-b', '3'] })
  const { headers } = (await response.json()) as { headers: unknown }
  t.deepEqual(headers, [
    { tuple: [{ bytes: 'x-b' }, { bytes: '1' }] },
    { tuple: [{ bytes: 'x-a' }, { bytes: '2' }] },
    { tuple: [{ bytes: 'x-b' }, { bytes: '3' }] },
  ])
})

test('takes headers as an object, with lists for duplicates', async (t) => {
  const scope = createHandler(t, 'scope:app')
  const response = await scope.handle({ url: '/', headers: { 'X-Several': ['1', '2'], 'x-one': '3' } })
  const { headers } = (await response.json()) as { headers: unknown }
  t.deepEqual(headers, [
    { tuple: [{ bytes: 'x-several' }, { bytes: '1' }] },
    { tuple: [{ bytes: 'x-several' }, { bytes: '2' }] },
    { tuple: [{ bytes: 'x-one' }, { bytes: '3' }] },
  ])
})

for (const [name, body] of [
  ['a string', 'body text'],
  ['an empty string', ''],
  ['a Buffer', Buffer.from('body text')],
  ['a Uint8Array', new TextEncoder().encode('body text')],
  ['a view into a larger buffer', Buffer.from('..body text..').subarray(2, 11)],
  ['an empty Uint8Array', new Uint8Array()],
] as const) {
  test(`takes a body that is ${name}`, async (t) => {
    const response = await echo.handle({ method: 'POST', url: '/', body })
    t.deepEqual(await response.bytes(), Buffer.from(body as Uint8Array))
  })
}

test('takes a body that is an async iterable', async (t) => {
  const response = await echo.handle({ method: 'POST', url: '/', body: chunks('one ', '', 'two ', 'three') })
  t.is(await response.text(), 'one two three')
})

test('takes an async iterable that yields nothing', async (t) => {
  const response = await echo.handle({ method: 'POST', url: '/', body: chunks() })
  t.is(await response.text(), '')
})

test('carries large bodies unharmed, in one piece and in many', async (t) => {
  const body = randomBytes(5_000_011)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const pieces = Array.from({ length: 51 }, (_, index) => body.subarray(index * 100_000, (index + 1) * 100_000))
  for (const sent of [body, chunks(...pieces)]) {
    const response = await digest.handle({ method: 'POST', url: '/', body: sent })
    t.like(await response.json(), { length: body.length, sha256 })
  }
})

test('streams a request body into the response while it is still being written', async (t) => {
  const answered: string[] = []
  let release = (): void => {}
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const part of ['first', 'second', 'third']) {
      yield Buffer.from(part)
      // The next part is written only when the app has given this one back.
      await new Promise<void>((resolve) => (release = resolve))
    }
  }
  const response = await echoStream.handle({ method: 'POST', url: '/', body: body() })
  for await (const chunk of response) {
    answered.push(chunk.toString())
    release()
  }
  t.deepEqual(answered, ['first', 'second', 'third'])
})

test('tells the app that the client left when the request body iterable throws', async (t) => {
  const name = unique()
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('partial')
    await probe.wait(`${name}:idle`)
    throw new Error('the source dried up')
  }
  const failed = t.throwsAsync(disconnect.handle({ method: 'POST', url: `/upload?${name}`, body: body() }))
  t.deepEqual(await probe.wait(`${name}:message`), [
    ['http.request', 7],
    ['http.disconnect', 0],
  ])
  t.regex(String((await failed).stack) + String((await failed).cause), /the source dried up/)
})

/** What a user may do with an ArrayBuffer that they have handed over. */
const fates: Record<string, (bytes: Uint8Array<ArrayBuffer>) => void> = {
  overwritten: (bytes) => bytes.fill(0),
  'transferred and overwritten': ({ buffer }) => {
    new Uint8Array(structuredClone(buffer, { transfer: [buffer] })).fill(0)
  },
}

for (const [fate, befall] of Object.entries(fates)) {
  for (const size of [100, 200_000]) {
    test(`the app sees ${size} bytes as they were when handle() was called, though they are ${fate}`, async (t) => {
      await bodies.ready()
      const name = unique()
      const bytes = new Uint8Array(randomBytes(size))
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const pending = bodies.handle({ method: 'POST', url: `/late_digest?${name}`, body: bytes })
      befall(bytes)
      await probe.wait(`${name}:started`)
      await probe.tell(`${name}:go`)
      t.is(await (await pending).json(), sha256)
    })

    test(`the app sees pieces of ${size} bytes as they were when yielded, though they are ${fate}`, async (t) => {
      const name = unique()
      const expected = createHash('sha256')
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < 3; index++) {
          const bytes = new Uint8Array(randomBytes(size))
          expected.update(bytes)
          yield bytes
          befall(bytes)
        }
      }
      const pending = bodies.handle({ method: 'POST', url: `/late_digest?${name}`, body: pieces() })
      await probe.wait(`${name}:started`)
      await probe.tell(`${name}:go`)
      const seen = await (await pending).json()
      // By now all pieces were drawn.
      t.is(seen, expected.digest('hex'))
    })
  }
}

for (const code of [
  200, 201, 202, 204, 206, 226, 301, 302, 304, 307, 400, 401, 404, 418, 422, 451, 500, 503, 599, 799, 999,
]) {
  test(`passes the status ${code} on`, async (t) => {
    const response = await status.handle({ url: `/${code}` })
    t.is(response.status, code)
    t.is(await response.text(), [204, 304].includes(code) ? '' : `status ${code}`)
  })
}

test('streams a response chunk by chunk', async (t) => {
  const name = unique()
  const response = await stream.handle({ url: `/gated/${name}` })
  const iterator = response[Symbol.asyncIterator]()
  for (let index = 0; index < 3; index++) {
    await probe.tell(`${name}:${index}`)
    const { value } = await iterator.next()
    t.is(String(value), `chunk ${index}\n`)
  }
  t.true((await iterator.next()).done)
})

test('joins a streamed response', async (t) => {
  const response = await stream.handle({ url: '/count/500' })
  t.is(await response.text(), Array.from({ length: 500 }, (_, index) => `chunk ${index}\n`).join(''))
})

test('gives a body only once', async (t) => {
  const response = await main.handle({ url: '/' })
  await response.text()
  const again = await t.throwsAsync(response.text())
  t.true(again instanceof AmphisError)
})

test('gives bytes that can be written to without harm to Python', async (t) => {
  // b"Hello, world!" is a constant of the app: a shared buffer would change every later response.
  const first = await (await main.handle({ url: '/' })).bytes()
  first.fill(0)
  t.is(await (await main.handle({ url: '/' })).text(), 'Hello, world!')
})

test('rejects with the Python error when the app fails before its response', async (t) => {
  const failure = await t.throwsAsync(error.handle({ url: '/before' }), { instanceOf: PythonError })
  t.like(failure, { code: 'AMPHIS_ERR_PYTHON', type: 'ValueError', message: 'before the response' })
})

test('fails the body when the app fails in the middle of its response', async (t) => {
  const name = unique()
  const response = await error.handle({ url: `/during?${name}` })
  const iterator = response[Symbol.asyncIterator]()
  t.is(String((await iterator.next()).value), 'partial')
  await probe.tell(name)
  const failure = await t.throwsAsync(iterator.next(), { instanceOf: PythonError })
  t.is(failure.message, 'in the middle of the response')
})

for (const gather of ['bytes', 'text', 'json'] as const) {
  test(`fails ${gather}() when the app fails in the middle of its response`, async (t) => {
    const name = unique()
    const response = await error.handle({ url: `/during?${name}` })
    await probe.tell(name)
    await t.throwsAsync(response[gather](), { instanceOf: PythonError, message: 'in the middle of the response' })
  })
}

test('refuses a request whose signal is already aborted', async (t) => {
  await t.throwsAsync(main.handle({ url: '/', signal: AbortSignal.abort() }), { code: 'AMPHIS_ERR_ABORTED' })
})

test('aborting rejects at once and tells the app', async (t) => {
  const name = unique()
  const controller = new AbortController()
  const pending = disconnect.handle({ url: `/idle_before?${name}`, signal: controller.signal })
  await probe.wait(`${name}:idle`)
  const reason = new Error('changed my mind')
  controller.abort(reason)
  const failure = await t.throwsAsync(pending, { code: 'AMPHIS_ERR_ABORTED' })
  t.is(failure.cause, reason)
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('aborting in the middle of a response fails its body and tells the app', async (t) => {
  const name = unique()
  const controller = new AbortController()
  const response = await disconnect.handle({ url: `/idle_during?${name}`, signal: controller.signal })
  await probe.wait(`${name}:idle`)
  controller.abort()
  await t.throwsAsync(response.text(), { code: 'AMPHIS_ERR_ABORTED' })
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('a body that aborts its own request as its first piece is asked for does so', async (t) => {
  const name = unique()
  const controller = new AbortController()
  const body = {
    [Symbol.asyncIterator]: () => ({
      next() {
        controller.abort()
        return new Promise<IteratorResult<Buffer>>(() => {})
      },
    }),
  }
  const request = { method: 'POST', url: `/idle_before?${name}`, signal: controller.signal, body }
  await t.throwsAsync(disconnect.handle(request), { code: 'AMPHIS_ERR_ABORTED' })
})

for (const when of ['before', 'after'] as const) {
  test(`reading the body ${when} the request is aborted fails, whatever was still on its way`, async (t) => {
    const name = unique()
    const controller = new AbortController()
    const response = await disconnect.handle({ url: `/sends_until_it_fails?${name}`, signal: controller.signal })
    await probe.wait(`${name}:idle`)
    const reading = when === 'before' ? response.bytes() : undefined
    // Pieces pile up that are delivered when the abort is over.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
    controller.abort()
    const failed = reading && t.throwsAsync(reading, { code: 'AMPHIS_ERR_ABORTED' })
    t.is(await probe.wait(`${name}:message`), 'ClientDisconnected')
    await (failed ?? t.throwsAsync(response.bytes(), { code: 'AMPHIS_ERR_ABORTED' }))
  })
}

test('return() ends a next() that waits', async (t) => {
  const name = unique()
  const iterator = (await disconnect.handle({ url: `/idle_during?${name}` }))[Symbol.asyncIterator]()
  t.is(String((await iterator.next()).value), 'x')
  const waiting = [iterator.next(), iterator.next()]
  t.deepEqual(await iterator.return?.(), { value: undefined, done: true })
  const over = { value: undefined, done: true }
  t.deepEqual(await Promise.all(waiting), [over, over])
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('aborting after the response is complete changes nothing', async (t) => {
  const controller = new AbortController()
  const response = await main.handle({ url: '/', signal: controller.signal })
  t.is(await response.text(), 'Hello, world!')
  controller.abort()
  t.is(await (await main.handle({ url: '/' })).text(), 'Hello, world!')
})

test('leaving the loop over a response tells the app', async (t) => {
  const name = unique()
  const response = await disconnect.handle({ url: `/idle_during?${name}` })
  for await (const chunk of response) {
    t.is(String(chunk), 'x')
    break
  }
  t.deepEqual(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('several handlers share one interpreter and one loop', async (t) => {
  const first = createHandler(t, 'environment:app')
  const second = createHandler(t, { app: 'package.module:holder.app' })
  await Promise.all([first.ready(), second.ready()])
  t.deepEqual(first.versions, second.versions)
  t.is(await (await second.handle({ url: '/' })).json(), 'package.sibling')
  const [module, , isMain] = (await (await first.handle({ url: '/loop' })).json()) as [string, string, boolean]
  t.is(module.split('.')[0], (await versionsOf(first)).loop)
  t.true(isMain)
})

test('closing one handler leaves the others at work', async (t) => {
  const first = createHandler(t, 'main:app')
  const second = createHandler(t, 'main:app')
  await Promise.all([first.ready(), second.ready()])
  await first.close()
  t.is(await (await second.handle({ url: '/' })).text(), 'Hello, world!')
})

test('a handler made after all others were closed works', async (t) => {
  const first = createHandler(t, 'main:app')
  await first.ready()
  await first.close()
  const second = createHandler(t, 'main:app')
  t.is(await (await second.handle({ url: '/' })).text(), 'Hello, world!')
})

test('knows no versions before it is ready', (t) => {
  t.is(createHandler(t, 'main:app').versions, undefined)
})

test('a target string is all that a handler needs', async (t) => {
  // Only where the folder and the Python have their defaults, hence a look at the object and no start.
  const handler = new PythonHandler('main:app')
  t.is(typeof handler.listener, 'function')
  t.is(typeof handler.middleware, 'function')
  await handler.close()
})

test('ready() gives the handler, however often it is asked', async (t) => {
  const handler = createHandler(t, 'main:app')
  t.is(await handler.ready(), handler)
  const [first, second] = await Promise.all([handler.ready(), handler.ready()])
  t.is(first, handler)
  t.is(second, handler)
})

test('says what it runs on', async (t) => {
  const versions = await versionsOf(main)
  t.regex(versions.amphis, /^\d+\.\d+\.\d+/)
  t.is(versions.node, process.versions.node)
  t.regex(versions.python, /^3\.\d+\.\d+/)
  t.true(['uvloop', 'asyncio'].includes(versions.loop))
  t.regex(versions.libpython, /python/i)
  const { stdout } = await promisify(execFile)(versions.executable, [
    '-c',
    'import platform; print(platform.python_version())',
  ])
  t.is(stdout.trim(), versions.python)
})

if (loop !== 'auto') {
  test(`runs on ${loop} when told so`, async (t) => {
    const { loop: running } = await versionsOf(main)
    t.is(loop, running)
  })
}

test('refuses another loop than the one that already runs', async (t) => {
  const other = (await versionsOf(main)).loop === 'uvloop' ? 'asyncio' : 'uvloop'
  await t.throwsAsync(createHandler(t, { app: 'main:app', loop: other }).ready(), {
    code: 'AMPHIS_ERR_PYTHON_CONFLICT',
    message: /loop/,
  })
})

test('refuses another Python than the one that already runs', async (t) => {
  const { executable } = await versionsOf(main)
  const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await promisify(execFile)(executable, ['-m', 'venv', '--without-pip', folder])
  const failure = await t.throwsAsync(createHandler(t, { app: 'main:app', python: folder }).ready(), {
    code: 'AMPHIS_ERR_PYTHON_CONFLICT',
  })
  t.true(failure.message.includes(folder), failure.message)
})

for (const [name, options] of [
  ['no options', undefined],
  ['an app that is no string', { app: 42 }],
  ['an empty app', { app: '' }],
  ['an app without attribute', { app: 'main' }],
  ['an app with an empty attribute', { app: 'main:' }],
  ['an app with an empty module', { app: ':app' }],
  ['a file for a module', { app: 'main.py' }],
  ['a path for a module', { app: './main:app' }],
  ['a relative module', { app: '.main:app' }],
  ['a NUL in the app', { app: 'main\0:app' }],
  ['an empty step in the attribute', { app: 'main:holder..app' }],
  ['an unknown loop', { app: 'main:app', loop: 'trio' }],
  ['an unknown lifespan', { app: 'main:app', lifespan: 'maybe' }],
  ['a factory that is no boolean', { app: 'main:app', factory: 'yes' }],
  ['a negative time-out', { app: 'main:app', timeoutRequest: -1 }],
  ['a time-out that is no number', { app: 'main:app', timeoutStartup: '1s' }],
  ['a time-out that is not finite', { app: 'main:app', timeoutGracefulShutdown: Number.NaN }],
  ['a root path without slash', { app: 'main:app', rootPath: 'api' }],
  ['a logger without methods', { app: 'main:app', logger: {} }],
  ['a signal that is none', { app: 'main:app', signal: 'SIGINT' }],
  ['an option that does not exist', { app: 'main:app', appdir: fixtures }],
] as const) {
  test(`refuses ${name} when it is made`, (t) => {
    const failure = t.throws(() => new PythonHandler(options as unknown as HandlerOptions), {
      instanceOf: AmphisError,
      code: 'AMPHIS_ERR_INVALID_OPTIONS',
    })
    t.true((failure?.message.length ?? 0) > 20, failure?.message)
  })
}

test('takes the app and the options beside it, or in one object', async (t) => {
  const handler = new PythonHandler('main:app', { appDir: fixtures, python: interpreter, loop, lifespan: 'off' })
  t.is((await handler.handle({ url: '/' })).status, 200)
  await handler.close()
  const make = PythonHandler as unknown as new (...given: unknown[]) => PythonHandler
  for (const given of [
    [{ app: 'main:app' }, {}],
    ['main:app', 'main:app'],
    ['main:app', null],
  ]) {
    t.throws(() => new make(...given), { code: 'AMPHIS_ERR_INVALID_OPTIONS', message: /stand in one object/ })
  }
  t.throws(() => new make('main:app', { appdir: fixtures }), { message: /Did you mean appDir/ })
})

for (const [given, meant] of [
  [{ appdir: '' }, 'appDir'],
  [{ app_dir: '' }, 'appDir'],
  [{ 'ws-max-size': 1 }, 'wsMaxSize'],
  [{ timeout_graceful_shutdown: 1 }, 'timeoutGracefulShutdown'],
  [{ lifespawn: 'off' }, 'lifespan'],
  [{ Python: '' }, 'python'],
] as const) {
  test(`suggests ${meant} for ${Object.keys(given).join()}`, (t) => {
    const [name] = Object.keys(given)
    const options = { app: 'main:app', ...given }
    t.throws(() => new PythonHandler(options), { message: `There is no option ${name}. Did you mean ${meant}?` })
  })
}

test('lists all options where none is near', (t) => {
  const options = { app: 'main:app', banana: 1 }
  t.throws(() => new PythonHandler(options), {
    message: /^There is no option banana\. The options are app, appDir, .*/,
  })
})

for (const [app, meant] of [
  ['main', 'main:app'],
  ['main.py', 'main:app'],
  ['./app/main.py', 'app.main:app'],
  ['app/main:api', 'app.main:api'],
] as const) {
  test(`suggests ${meant} for the app ${app}`, (t) => {
    t.true(t.throws(() => new PythonHandler(app))?.message.includes(`Did you mean '${meant}'?`))
  })
}

test('suggests the nearest option of attach and of a request', async (t) => {
  const handler = createHandler(t, 'main:app')
  const { server } = await serve(t, handler.listener)
  t.throws(() => handler.attach(server, { paht: '/' } as object), { message: /no option paht of attach.*mean path\?/ })
  t.throws(() => handler.attach(server, { banana: '/' } as object), {
    message: /no option banana of attach.* path, context\./,
  })
  for (const [name, meant] of [
    ['header', 'headers'],
    ['root_path', 'rootPath'],
    ['methd', 'method'],
  ]) {
    await t.throwsAsync(handler.handle({ url: '/', [String(name)]: '' }), {
      code: 'AMPHIS_ERR_INVALID_REQUEST',
      message: `There is no option ${name} of a request. Did you mean ${meant}?`,
    })
  }
  // What is only more than is needed, stays.
  t.is((await handler.handle(Object.assign({ url: '/' }, { id: 7, headersSent: false }))).status, 200)
})

test('does nothing until it is asked: an impossible handler can be made and closed', async (t) => {
  const handler = new PythonHandler({ app: 'nowhere:app', appDir: '/nowhere', python: '/nowhere' })
  await t.notThrowsAsync(handler.close())
})

test('refuses requests that are none', async (t) => {
  const requests = [
    undefined,
    null,
    {},
    { url: 5 },
    { url: '/', method: 5 },
    { url: '/', headers: ['odd'] },
    { url: '/', body: 5 },
  ]
  for (const request of requests) {
    await t.throwsAsync(main.handle(request as never), { code: 'AMPHIS_ERR_INVALID_REQUEST' }, JSON.stringify(request))
  }
})
