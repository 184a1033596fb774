import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { PythonError } from '../index.js'
import { requestHead, valuesOf } from './helpers/client.js'
import { openSession, request } from './helpers/http2-client.js'
import { shareProbe } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { bytes, type Raised, Script, type Step } from './helpers/script.js'
import { serveInProcess } from './helpers/served-process.js'
import { serve } from './helpers/server.js'

const script = shareHandler({ app: 'asgi_script:app', logger: new Recorder() })
const probe = shareProbe()

const start = (changes: object = {}): Step => [
  'send',
  { type: 'http.response.start', status: 200, trailers: true, ...changes },
]
const body = (text: string, more = false, times = 1): Step => [
  'send',
  { type: 'http.response.body', body: bytes(text, times), more_body: more },
]
const fields = (pairs: readonly (readonly [string, string])[]) =>
  pairs.map(([name, value]) => [bytes(name), bytes(value)])
const message = (pairs: readonly (readonly [string, string])[] = [], more?: boolean) => ({
  type: 'http.response.trailers',
  headers: fields(pairs),
  ...(more === undefined ? {} : { more_trailers: more }),
})
const trailers = (pairs: readonly (readonly [string, string])[] = [], more?: boolean): Step => [
  'send',
  message(pairs, more),
]

const line = (target: string, method = 'GET', version = '1.1') =>
  `${method} ${target} HTTP/${version}\r\nHost: test\r\nTE: trailers\r\n\r\n`

/** A connection to an app that does what it is told. */
async function run(t: ExecutionContext, steps: Step[], method = 'GET', version = '1.1') {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', logger })
  const { port, url } = await serve(t, handler.listener)
  const played = new Script(probe, steps)
  const raw = await RawConnection.open(t, port)
  raw.write(line(played.target, method, version))
  return { raw, script: played, logger, port, url }
}

test('trailers come behind the body, as they were given', async (t) => {
  const { raw } = await run(t, [
    start(),
    body('all'),
    trailers([
      ['x-one', '1'],
      ['X-MiXeD', 'kept'],
      ['x-one', '2'],
      ['x-latin', 'caf\u00e9'],
    ]),
  ])
  t.regex(await raw.until('\r\n\r\n'), /\r\ntransfer-encoding: chunked\r\n/i)
  t.is(await raw.until('0\r\n'), '3\r\nall\r\n0\r\n')
  t.is(await raw.until('\r\n\r\n'), 'x-one: 1\r\nX-MiXeD: kept\r\nx-one: 2\r\nx-latin: caf\u00e9\r\n\r\n')
})

test('a client of Node’s has them', async (t) => {
  const { url } = await serve(t, script.listener)
  const played = new Script(probe, [start(), body('a', true), body('b'), trailers([['x-checksum', 'abc']])])
  const response: IncomingMessage = await requestHead(url + played.target)
  response.resume()
  await once(response, 'end')
  t.deepEqual(response.trailers, { 'x-checksum': 'abc' })
})

test('several events of trailers are one, in order', async (t) => {
  const more = [trailers([['x-one', '1']], true), trailers([], true), trailers([['x-two', '2']], false)]
  const { raw } = await run(t, [start(), body('all'), ...more])
  await raw.until('0\r\n')
  t.is(await raw.until('\r\n\r\n'), 'x-one: 1\r\nx-two: 2\r\n\r\n')
})

test('the body arrives before the trailers are known', async (t) => {
  const { raw, script: played } = await run(t, [
    start(),
    body('at once'),
    ['wait', 'go'],
    trailers([['x-late', 'yes']]),
  ])
  await raw.until('at once\r\n')
  await played.open('go')
  t.is(await raw.until('\r\n\r\n'), '0\r\nx-late: yes\r\n\r\n')
})

for (const [what, last] of [
  ['none', trailers()],
  ['no key', ['send', { type: 'http.response.trailers' }] as Step],
] as const) {
  test(`announced trailers may be empty: ${what}`, async (t) => {
    const { raw } = await run(t, [start(), body('all'), last])
    t.is((await raw.response()).body, 'all')
  })
}

for (const [what, pieces, whole] of [
  ['empty', [body('')], ''],
  ['large', [body('x', false, 20_000)], 'x'.repeat(20_000)],
  [
    'in pieces',
    [body('', true), body('a', true), body('', true), body('x', true, 20_000), body('b')],
    `a${'x'.repeat(20_000)}b`,
  ],
] as const) {
  test(`the body before trailers may be ${what}`, async (t) => {
    const { url } = await serve(t, script.listener)
    const played = new Script(probe, [start(), ...pieces, trailers([['x-end', 'yes']])])
    const response = await requestHead(url + played.target)
    let content = ''
    for await (const chunk of response.setEncoding('utf8')) content += String(chunk)
    t.is(content, whole)
    t.deepEqual(response.rawTrailers, ['x-end', 'yes'])
  })
}

test('a content-length gives way to chunks', async (t) => {
  const { raw } = await run(t, [
    start({
      headers: fields([
        ['content-length', '3'],
        ['x-kept', 'yes'],
      ]),
    }),
    body('all'),
    trailers([['x-end', 'yes']]),
  ])
  const head = await raw.until('\r\n\r\n')
  t.notRegex(head, /content-length/i)
  t.regex(head, /x-kept: yes/)
  t.is(await raw.until('x-end: yes\r\n\r\n'), '3\r\nall\r\n0\r\nx-end: yes\r\n\r\n')
})

test('the connection goes on behind trailers', async (t) => {
  const { raw } = await run(t, [start(), body('one'), trailers([['x-end', '1']])])
  await raw.until('x-end: 1\r\n\r\n')
  const next = new Script(probe, [start({ trailers: false }), body('two')])
  raw.write(line(next.target))
  t.is((await raw.response()).body, 'two')
})

for (const [what, method, status] of [
  ['HEAD', 'HEAD', 200],
  ['a 204', 'GET', 204],
  ['a 304', 'GET', 304],
] as const) {
  test(`the trailers of ${what} are dropped`, async (t) => {
    const {
      raw,
      script: played,
      logger,
    } = await run(t, [start({ status }), body(''), trailers([['x-end', '1']])], method)
    t.is((await raw.response('head')).status, status)
    const next = new Script(probe, [start({ trailers: false }), body('two')])
    raw.write(line(next.target))
    t.is((await raw.response()).body, 'two')
    t.deepEqual(await played.outcome(), [])
    t.deepEqual(logger.at('error'), [])
  })
}

test('HTTP/2 has trailers', async (t) => {
  const server = createHttp2Server(script.listener as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  const played = new Script(probe, [
    start({ headers: fields([['content-length', '3']]) }),
    body('all'),
    trailers([
      ['x-one', '1'],
      ['x-two', '2'],
    ]),
  ])
  const stream = session.request({ ':path': played.target })
  const told = once(stream, 'trailers')
  let content = ''
  for await (const chunk of stream.setEncoding('utf8')) content += String(chunk)
  t.is(content, 'all')
  const [headers] = (await told) as [Record<string, string>]
  t.like(headers, { 'x-one': '1', 'x-two': '2' })
})

for (const [what, pairs, expected] of [
  [
    'a field twice that HTTP/2 has once',
    [
      ['etag', 'a'],
      ['x-sum', '1'],
      ['ETag', 'b'],
      ['x-sum', '2'],
    ],
    { etag: 'a', 'x-sum': '1, 2' },
  ],
  [
    'fields of the connection',
    [
      ['connection', 'close'],
      ['Keep-Alive', '5'],
      ['upgrade', 'x'],
      ['x-sum', '1'],
    ],
    { 'x-sum': '1' },
  ],
  [
    'blanks around a value',
    [
      ['x-sum', ' \t1 '],
      ['x-words', 'two words\t'],
      ['x-empty', ' '],
    ],
    { 'x-sum': '1', 'x-words': 'two words', 'x-empty': '' },
  ],
  [
    'the name of what every object has',
    [
      ['constructor', '1'],
      ['x-sum', '1'],
    ],
    { constructor: '1', 'x-sum': '1' },
  ],
] as const) {
  test.serial(`trailers of HTTP/2 may have ${what}`, async (t) => {
    const served = await serveInProcess(t, { app: 'asgi_script:app' }, 'const server = serve(handler, { http2: true })')
    const session = await openSession(t, served.url)
    const played = new Script(served.probe, [start(), body('all'), trailers(pairs)])
    const answer = await request(session, { ':path': played.target })
    t.is(answer.text, 'all')
    t.deepEqual(Object.fromEntries(Object.entries(answer.trailers)) as object, expected as object)
    t.like(await served.leave(), { code: 0, stderr: '' })
  })
}

// What goes wrong.

test('trailers that were announced and did not come destroy the connection', async (t) => {
  const { raw, logger } = await run(t, [start(), body('all')])
  const { text } = await raw.rest()
  t.false(text.endsWith('0\r\n\r\n'), text)
  t.like(await logger.waitForError(), { code: 'AMPHIS_ERR_INCOMPLETE_RESPONSE' })
})

test('trailers of which more were announced destroy the connection', async (t) => {
  const { raw, logger } = await run(t, [start(), body('all'), trailers([['x-one', '1']], true)])
  const { text } = await raw.rest()
  t.false(/0\r\n(x-one: 1\r\n)?\r\n$/.test(text), text)
  t.like(await logger.waitForError(), { code: 'AMPHIS_ERR_INCOMPLETE_RESPONSE' })
})

test('an app that raises before its trailers destroys the connection', async (t) => {
  const { raw, logger } = await run(t, [start(), body('all'), ['raise', 'no checksum']])
  t.false((await raw.rest()).text.endsWith('0\r\n\r\n'))
  const error = await logger.waitForError()
  t.true(error instanceof PythonError)
  t.is(error.message, 'no checksum')
})

for (const [what, steps, says] of [
  ['not announced', [start({ trailers: false }), body('', true)], /trailers/],
  ['announced by nothing', [start({ trailers: undefined }), body('', true)], /trailers/],
  ['before the start', [], /http\.response\.trailers/],
  ['before the body', [start()], /http\.response\.trailers/],
  ['before the end of the body', [start(), body('', true)], /http\.response\.trailers/],
  ['after the last trailers', [start(), body(''), trailers()], /http\.response\.trailers/],
] as const) {
  test(`trailers ${what} raise RuntimeError`, async (t) => {
    const { script: played } = await run(t, [...steps, ['try', message([['x-one', '1']])]])
    const [tried] = (await played.outcome()) as Raised[]
    t.is(tried?.error, 'RuntimeError')
    t.regex(String(tried?.message), says)
  })
}

test('a body after the end of the body raises RuntimeError, and the trailers may follow', async (t) => {
  const { raw, script: played } = await run(t, [
    start(),
    body('all'),
    ['try', { type: 'http.response.body', body: bytes('more') }],
    trailers([['x-one', '1']]),
  ])
  await raw.until('0\r\nx-one: 1\r\n\r\n')
  t.is(((await played.outcome()) as Raised[])[0]?.error, 'RuntimeError')
})

for (const [what, headers, error, says] of [
  ['content-length', fields([['content-length', '3']]), 'ValueError', /content-length/i],
  ['Transfer-Encoding', fields([['Transfer-Encoding', 'chunked']]), 'ValueError', /transfer-encoding/i],
  ['host', fields([['host', 'x']]), 'ValueError', /host/],
  ['trailer', fields([['trailer', 'x']]), 'ValueError', /trailer/],
  ['a value with CR LF', fields([['x-a', '1\r\nx-forged: 1']]), 'ValueError', /x-a/],
  ['a value with NUL', fields([['x-a', '\0']]), 'ValueError', /x-a/],
  ['a name with CR LF', fields([['x-forged: 1\r\nx', 'y']]), 'ValueError', /header|name/],
  ['an empty name', fields([['', 'y']]), 'ValueError', /header|name/],
  ['a name of str', [['x-a', bytes('y')]], 'TypeError', /header|name/],
  ['a value of str', [[bytes('x-a'), 'y']], 'TypeError', /header|value/],
  ['a number', 5, 'TypeError', /headers/],
] as const) {
  test(`${what} among trailers raises ${error}, and right ones may follow`, async (t) => {
    const { raw, script: played } = await run(t, [
      start(),
      body('all'),
      ['try', { type: 'http.response.trailers', headers }],
      trailers([['x-one', '1']]),
    ])
    await raw.until('0\r\nx-one: 1\r\n\r\n')
    const [tried] = (await played.outcome()) as Raised[]
    t.true(tried?.classes.includes(error), JSON.stringify(tried))
    t.regex(String(tried?.message), says)
  })
}

for (const what of ['HTTP/1.0', 'handle()'] as const) {
  test(`${what} has no trailers: RuntimeError that names the extension`, async (t) => {
    const steps: Step[] = [
      ['try', { type: 'http.response.start', status: 200, trailers: true }],
      ['try', { type: 'http.response.start', status: 200 }],
      body('all', true),
      ['try', message([['x-one', '1']])],
      body(''),
    ]
    const played = new Script(probe, steps)
    if (what === 'handle()') t.is(await (await script.handle({ url: played.target })).text(), 'all')
    else {
      const raw = await RawConnection.open(t, (await serve(t, script.listener)).port)
      raw.write(line(played.target, 'GET', '1.0'))
      const { text } = await raw.rest()
      t.regex(text, /\r\n\r\nall$/)
      t.deepEqual(valuesOf([text], 'x-one'), [])
    }
    const [announced, , tried] = (await played.outcome()) as Raised[]
    for (const raised of [announced, tried]) {
      t.is(raised?.error, 'RuntimeError')
      t.regex(String(raised?.message), /http\.response\.trailers/)
    }
  })
}

test('a client that leaves before the trailers is told to the app', async (t) => {
  const { raw, script: played } = await run(t, [
    ['receive'],
    start(),
    body('all'),
    ['tell', 'idle'],
    ['receive'],
    ['try', message([['x-one', '1']])],
  ])
  await played.wait('idle')
  raw.reset()
  const [, second, tried] = await played.outcome()
  t.deepEqual(second, { type: 'http.disconnect' })
  t.like(tried, { error: 'ClientDisconnected' })
})
