import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type InformationEvent } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { readAnswer, valuesOf } from './helpers/client.js'
import { shareProbe } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { bytes, type Raised, Script, type Step } from './helpers/script.js'
import { serve } from './helpers/server.js'

const script = shareHandler({ app: 'asgi_script:app', logger: new Recorder() })
const probe = shareProbe()

const style = '</style.css>; rel=preload; as=style'
const code = '</app.js>; rel="preload"; as="script"; crossorigin'

const message = (...links: string[]) => ({ type: 'http.response.early_hint', links: links.map((link) => bytes(link)) })
const hint = (...links: string[]): Step => ['send', message(...links)]
const start = (headers: unknown[] = []): Step => ['send', { type: 'http.response.start', status: 200, headers }]
const body = (text: string, more = false): Step => [
  'send',
  { type: 'http.response.body', body: bytes(text), more_body: more },
]

const line = (target: string, method = 'GET', version = '1.1') =>
  `${method} ${target} HTTP/${version}\r\nHost: test\r\n\r\n`

/** A connection to an app that does what it is told. */
async function run(t: ExecutionContext, steps: Step[], method = 'GET', version = '1.1') {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', logger })
  const { port } = await serve(t, handler.listener)
  const played = new Script(probe, steps)
  const raw = await RawConnection.open(t, port)
  raw.write(line(played.target, method, version))
  return { raw, script: played, logger, port }
}

/** The links of the next response, which is a 103. */
async function hints(t: ExecutionContext, raw: RawConnection): Promise<string[]> {
  const { status, headers, head } = await raw.response()
  t.is(status, 103, head)
  t.regex(head, /^HTTP\/1\.1 103 Early Hints\r\n/)
  return valuesOf(headers.flat(), 'link').flatMap((value) => value.split(/, (?=<)/))
}

for (const [what, links] of [
  ['one', [style]],
  ['two', [style, code]],
  ['an address with a comma and a query', ['<https://x.test/a?b=1,2&c>; rel=preconnect']],
  ['no parameters', ['</plain>']],
] as const) {
  test(`hints go out before the response: ${what}`, async (t) => {
    const { raw } = await run(t, [hint(...links), start(), body('all')])
    t.deepEqual(await hints(t, raw), [...links])
    t.like(await raw.response(), { status: 200, body: 'all' })
  })
}

test('hints arrive while the app is still at work', async (t) => {
  const { raw, script: played } = await run(t, [hint(style), ['wait', 'go'], start(), body('all')])
  t.deepEqual(await hints(t, raw), [style])
  await played.open('go')
  t.like(await raw.response(), { status: 200, body: 'all' })
})

test('hints between the start and the body go out before the response', async (t) => {
  const headers = [[bytes('link'), bytes('</own.css>; rel=preload')]]
  const { raw, script: played } = await run(t, [start(headers), hint(style), ['wait', 'go'], body('all')])
  t.deepEqual(await hints(t, raw), [style])
  await played.open('go')
  const response = await raw.response()
  t.like(response, { status: 200, body: 'all' })
  // The hints are not the response's.
  t.deepEqual(valuesOf(response.headers.flat(), 'link'), ['</own.css>; rel=preload'])
})

test('hints may come several times', async (t) => {
  const { raw } = await run(t, [hint(style), hint(code), start(), hint(style), body('all')])
  t.deepEqual(await hints(t, raw), [style])
  t.deepEqual(await hints(t, raw), [code])
  t.deepEqual(await hints(t, raw), [style])
  t.like(await raw.response(), { status: 200, body: 'all' })
})

for (const steps of [[hint()], [['send', { type: 'http.response.early_hint' }]]] as Step[][]) {
  test(`no links are no hints: ${JSON.stringify(steps)}`, async (t) => {
    const { raw } = await run(t, [...steps, start(), body('all')])
    t.like(await raw.response(), { status: 200, body: 'all' })
  })
}

test('HEAD has hints as well, and the connection goes on', async (t) => {
  const { raw } = await run(t, [hint(style), start(), body('all')], 'HEAD')
  t.deepEqual(await hints(t, raw), [style])
  t.is((await raw.response('head')).status, 200)
  raw.write(line(new Script(probe, [start(), body('next')]).target))
  t.is((await raw.response()).body, 'next')
})

test('pipelined requests have each their own hints', async (t) => {
  const { port } = await serve(t, script.listener)
  const raw = await RawConnection.open(t, port)
  const [first, second] = [
    new Script(probe, [['wait', 'go'], hint(style), start(), body('first')]),
    new Script(probe, [hint(code), start(), body('second')]),
  ]
  raw.write(line(first.target) + line(second.target))
  await second.outcome()
  await first.open('go')
  t.deepEqual(await hints(t, raw), [style])
  t.is((await raw.response()).body, 'first')
  t.deepEqual(await hints(t, raw), [code])
  t.is((await raw.response()).body, 'second')
})

test('a client of Node’s has them as information', async (t) => {
  const { url } = await serve(t, script.listener)
  const played = new Script(probe, [hint(style, code), start(), body('all')])
  const outgoing = httpRequest(url + played.target, { agent: false })
  outgoing.end()
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
  const [information] = (await once(outgoing, 'information')) as [InformationEvent]
  t.is(information.statusCode, 103)
  t.deepEqual(String(information.headers.link).split(/, (?=<)/), [style, code])
  const [response] = await answered
  t.is((await readAnswer(response)).text, 'all')
})

test('HTTP/2 has hints', async (t) => {
  const server = createHttp2Server(script.listener as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  const stream = session.request({ ':path': new Script(probe, [hint(style), start(), body('all')]).target })
  const [early] = (await once(stream, 'headers')) as [Record<string, unknown>]
  t.is(early[':status'], 103)
  t.deepEqual([early.link].flat(), [style])
  let content = ''
  for await (const chunk of stream.setEncoding('utf8')) content += String(chunk)
  t.is(content, 'all')
})

test('an app that raises after its hints is a 500', async (t) => {
  const { raw, logger } = await run(t, [hint(style), ['raise', 'no page after all']])
  t.deepEqual(await hints(t, raw), [style])
  t.is((await raw.response()).status, 500)
  t.like(await logger.waitForError(), { message: 'no page after all' })
})

for (const [what, before] of [
  ['after a part of the body', [start(), body('a', true)]],
  ['after the end', [start(), body('a')]],
] as const) {
  test(`hints ${what} raise RuntimeError`, async (t) => {
    const { raw, script: played } = await run(t, [
      ...before,
      ['try', message(style)],
      ...(what === 'after the end' ? [] : [body('b')]),
    ])
    t.is((await raw.response()).status, 200)
    const [tried] = (await played.outcome()) as Raised[]
    t.is(tried?.error, 'RuntimeError')
    t.regex(String(tried?.message), /http\.response\.early_hint/)
  })
}

for (const [what, links, error] of [
  ['is no link', [bytes('style.css')], 'ValueError'],
  ['is empty', [bytes('')], 'ValueError'],
  ['is not closed', [bytes('</style.css; rel=preload')], 'ValueError'],
  ['has CR LF', [bytes('</a>; rel=preload\r\nx-forged: 1')], 'ValueError'],
  ['has LF in its address', [bytes('</a\nx-forged: 1>; rel=preload')], 'ValueError'],
  ['has NUL', [bytes('</a\0>; rel=preload')], 'ValueError'],
  ['comes after a good one and has CR LF', [bytes(style), bytes('</a>\r\n')], 'ValueError'],
  // Right by RFC 8288, but Node does not send it; said at once rather than never sent.
  ['has spaces in quotes', [bytes('</a>; rel=preload; title="a b"')], 'ValueError'],
  ['is a str', [style], 'TypeError'],
  ['is None', [null], 'TypeError'],
] as const) {
  test(`a link that ${what} raises ${error}, and nothing of the event goes out`, async (t) => {
    const { raw, script: played } = await run(t, [
      ['try', { type: 'http.response.early_hint', links }],
      hint(code),
      start(),
      body('all'),
    ])
    t.deepEqual(await hints(t, raw), [code])
    t.like(await raw.response(), { status: 200, body: 'all' })
    const [tried] = (await played.outcome()) as Raised[]
    t.true(tried?.classes.includes(error), JSON.stringify(tried))
    t.regex(String(tried?.message), /link/)
  })
}

for (const links of [5, style, bytes(style)]) {
  test(`links that are ${JSON.stringify(links)} raise TypeError`, async (t) => {
    const { raw, script: played } = await run(t, [
      ['try', { type: 'http.response.early_hint', links }],
      start(),
      body('all'),
    ])
    t.is((await raw.response()).status, 200)
    const [tried] = (await played.outcome()) as Raised[]
    t.is(tried?.error, 'TypeError')
    t.regex(String(tried?.message), /links/)
  })
}

for (const what of ['HTTP/1.0', 'handle()'] as const) {
  test(`${what} has no hints: RuntimeError that names the extension`, async (t) => {
    const played = new Script(probe, [['try', message(style)], start(), body('all')])
    if (what === 'handle()') t.is(await (await script.handle({ url: played.target })).text(), 'all')
    else {
      const raw = await RawConnection.open(t, (await serve(t, script.listener)).port)
      raw.write(line(played.target, 'GET', '1.0'))
      const { text } = await raw.rest()
      t.regex(text, /^HTTP\/1\.[01] 200 [^]*\r\n\r\nall$/)
    }
    const [tried] = (await played.outcome()) as Raised[]
    t.is(tried?.error, 'RuntimeError')
    t.regex(String(tried?.message), /http\.response\.early_hint/)
  })
}

test('hints for a client that has gone raise an OSError', async (t) => {
  const { raw, script: played } = await run(t, [['receive'], ['tell', 'idle'], ['receive'], ['try', message(style)]])
  await played.wait('idle')
  raw.reset()
  const [, second, tried] = await played.outcome()
  t.deepEqual(second, { type: 'http.disconnect' })
  t.like(tried, { error: 'ClientDisconnected' })
})
