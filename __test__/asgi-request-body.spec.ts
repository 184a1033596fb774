import { createHash, randomBytes } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import test from 'ava'
import { request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { serve } from './helpers/server.js'
import { settled } from './helpers/settled.js'

const body = shareHandler('body:app')
const digest = shareHandler('echo:digest')
const disconnect = shareHandler('disconnect:app')
const responses = shareHandler('responses:app')
const probe = shareProbe()

const head = (method: string, path: string, ...lines: string[]) =>
  [`${method} ${path} HTTP/1.1`, 'Host: test', ...lines, '', ''].join('\r\n')

const chunked = (...parts: string[]) =>
  parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('') + '0\r\n\r\n'

test('a request without a body is one empty message', async (t) => {
  const { url } = await serve(t, body.listener)
  t.like((await request(`${url}/messages`)).json(), { messages: [['http.request', '', false]] })
})

test('a content-length of zero is one empty message', async (t) => {
  const { url } = await serve(t, body.listener)
  const answer = await request(`${url}/messages`, { method: 'POST', headers: { 'content-length': '0' } })
  t.like(answer.json(), { messages: [['http.request', '', false]] })
})

test('an empty chunked body ends empty', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  connection.write(head('POST', '/joined', 'Transfer-Encoding: chunked') + chunked())
  t.is((await connection.response()).body, '""')
})

for (const prefix of ['', 'x'.repeat(10_000)]) {
  test(`a body of ${prefix.length + 6} bytes that comes with its head is one message`, async (t) => {
    const { port } = await serve(t, body.listener)
    const connection = await RawConnection.open(t, port)
    // Twice: the first may have waited for the start, and by then its body has ended.
    for (const sent of [`${prefix}first!`, `${prefix}second`]) {
      connection.write(head('POST', '/messages', `Content-Length: ${sent.length}`) + sent)
      t.like(JSON.parse((await connection.response()).body), { messages: [['http.request', sent, false]] })
    }
  })
}

test('the last byte that content-length promises ends the body', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(head('POST', `/stepwise?${name}`, 'Content-Length: 6') + 'one')
  t.is(await probe.wait(`${name}:0`), 'one')
  connection.write('two')
  t.is((await connection.response()).body, '2', 'no third message that says only that it was the last')
})

test('messages have type, body and more_body, and the body is bytes', async (t) => {
  const { url } = await serve(t, digest.listener)
  for (const sent of ['', 'x', 'x'.repeat(200_000)]) {
    const { first } = (await request(url, { method: 'POST', body: sent })).json() as {
      first: [string[], string, number]
    }
    t.deepEqual(first.slice(0, 2), [['body', 'more_body', 'type'], 'bytes'])
  }
})

for (const size of [1, 1000, 16_383, 16_384, 65_535, 65_536, 65_537, 1_000_003]) {
  test(`carries ${size} bytes by content-length and by chunks`, async (t) => {
    const { url } = await serve(t, digest.listener)
    const sent = randomBytes(size)
    const expected = { length: size, sha256: createHash('sha256').update(sent).digest('hex') }
    t.like(
      (await request(url, { method: 'POST', headers: { 'content-length': String(size) }, body: sent })).json(),
      expected,
    )
    t.like(
      (await request(url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: sent })).json(),
      expected,
    )
  })
}

test('carries every byte there is', async (t) => {
  const { url } = await serve(t, body.listener)
  const every = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
  t.is((await request(`${url}/joined`, { method: 'POST', body: every })).json(), every.toString('latin1'))
})

test('gives what has come before the rest is sent', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(head('POST', `/stepwise?${name}`, 'Content-Length: 9'))
  for (const [index, part] of ['one', 'two', 'end'].entries()) {
    connection.write(part)
    t.is(await probe.wait(`${name}:${index}`), part)
  }
  t.is((await connection.response()).status, 200)
})

test('gives chunks before the rest is sent', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(head('POST', `/stepwise?${name}`, 'Transfer-Encoding: chunked'))
  for (const [index, part] of ['one', 'two', 'three'].entries()) {
    connection.write(`${part.length.toString(16)}\r\n${part}\r\n`)
    t.is(await probe.wait(`${name}:${index}`), part)
  }
  connection.write('0\r\n\r\n')
  t.is((await connection.response()).status, 200)
})

test('takes chunks with extensions and trailers', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  connection.write(
    head('POST', '/joined', 'Transfer-Encoding: chunked') +
      '3;name=value\r\none\r\n3\r\ntwo\r\n0\r\nX-Trailer: ignored\r\n\r\n' +
      head('GET', '/messages'),
  )
  t.is((await connection.response()).body, '"onetwo"')
  t.is((await connection.response()).status, 200)
})

test('bodies of pipelined requests stay apart', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  connection.write(
    head('POST', '/joined', 'Content-Length: 5') +
      'first' +
      head('POST', '/joined', 'Transfer-Encoding: chunked') +
      chunked('sec', 'ond') +
      head('GET', '/joined') +
      head('POST', '/joined', 'Content-Length: 6') +
      'fourth',
  )
  const answers: string[] = []
  for (let index = 0; index < 4; index++) answers.push((await connection.response()).body)
  t.deepEqual(answers, ['"first"', '"second"', '""', '"fourth"'])
})

test('a client that expects 100-continue gets it', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  connection.write(head('POST', '/joined', 'Content-Length: 4', 'Expect: 100-continue'))
  t.regex(await connection.until('\r\n\r\n'), /^HTTP\/1\.1 100 Continue/)
  connection.write('body')
  t.like(await connection.response(), { status: 200, body: '"body"' })
})

test('an app may answer without asking for the body', async (t) => {
  const { url } = await serve(t, body.listener)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  // Twice on one agent: what was not read must not come up in the next request.
  for (const size of [10, 300_000]) {
    const answer = await request(`${url}/ignores`, { method: 'POST', body: Buffer.alloc(size), agent })
    t.like(answer, { status: 413, text: '"not interested"' })
    t.is((await request(`${url}/joined`, { method: 'POST', body: 'next', agent })).json(), 'next')
  }
})

test('an app may answer after a part of the body', async (t) => {
  const { url } = await serve(t, body.listener)
  const answer = await request(`${url}/reads_some`, { method: 'POST', body: Buffer.alloc(2_000_000) })
  t.deepEqual(answer.json(), [true, true])
})

test('a client still sending gets an early answer', async (t) => {
  const { port } = await serve(t, body.listener)
  const connection = await RawConnection.open(t, port)
  connection.write(head('POST', '/ignores', 'Content-Length: 1000000') + 'only the beginning')
  t.is((await connection.response()).status, 413)
})

test('an app that works on after its answer holds up neither the upload nor the next request', async (t) => {
  const { port } = await serve(t, responses.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  const size = 8_000_000
  connection.write(head('POST', `/works_on?${name}`, `Content-Length: ${size}`))
  connection.write('x'.repeat(size))
  connection.write(head('GET', '/with_length'))
  t.is((await connection.response()).body, 'done')
  t.is((await connection.response()).body, '12345')
  await probe.tell(`${name}:go`)
  await t.notThrowsAsync(probe.wait(`${name}:finished`))
})

test('a body waits for an app that is late', async (t) => {
  const { url } = await serve(t, body.listener)
  const name = unique()
  const pending = request(`${url}/late?${name}`, { method: 'POST', body: Buffer.alloc(500_000) })
  await probe.wait(`${name}:started`)
  await probe.tell(`${name}:go`)
  t.is((await pending).json(), 500_000)
})

test('after the body receive() waits, and then tells of the disconnect', async (t) => {
  const { url } = await serve(t, body.listener)
  const name = unique()
  t.is((await request(`${url}/after_the_body?${name}`, { method: 'POST', body: 'body' })).json(), false)
  t.deepEqual(await probe.wait(name), { type: 'http.disconnect' })
})

for (const how of ['reset', 'leave'] as const) {
  test(`a client that ${how === 'reset' ? 'resets' : 'closes'} in the middle of its upload is a disconnect`, async (t) => {
    const { port } = await serve(t, disconnect.listener)
    const connection = await RawConnection.open(t, port)
    const name = unique()
    connection.write(head('POST', `/upload?${name}`, 'Content-Length: 100') + 'partial')
    await probe.wait(`${name}:idle`)
    connection[how]()
    t.deepEqual(await probe.wait(`${name}:message`), [
      ['http.request', 7],
      ['http.disconnect', 0],
    ])
  })
}

test('a body with broken framing is a disconnect', async (t) => {
  const { port } = await serve(t, disconnect.listener)
  const connection = await RawConnection.open(t, port)
  const name = unique()
  connection.write(`${head('POST', `/upload?${name}`, 'Transfer-Encoding: chunked')}3\r\none\r\n`)
  await probe.wait(`${name}:idle`)
  connection.write('not a size\r\n')
  t.deepEqual(await probe.wait(`${name}:message`), [
    ['http.request', 3],
    ['http.disconnect', 0],
  ])
})

test('a body that was cut off is never taken for a whole one', async (t) => {
  // `more_body` stays true: an app must not store half an upload.
  const { url } = await serve(t, body.listener)
  const name = unique()
  const outgoing = httpRequest(`${url}/stepwise?${name}`, {
    method: 'POST',
    headers: { 'content-length': '10' },
    agent: false,
  })
  outgoing.on('error', () => {})
  outgoing.write('half')
  t.is(await probe.wait(`${name}:0`), 'half')
  const closed = new Promise((resolve) => outgoing.once('close', resolve))
  outgoing.destroy()
  await closed
  // The app's next message has no body: it fails there, and the fact of a second part is never told.
  t.is(await (await body.handle({ method: 'POST', url: '/joined', body: 'still here' })).json(), 'still here')
  t.is(await probe.peek(`${name}:1`), null)
})

test('pieces that have gathered while the app was busy are joined, up to 256 KiB', async (t) => {
  const name = unique()
  const pieces = [...Array<number>(8).fill(50_000), 600_000, 1].map((size) => randomBytes(size))
  let drawn = 0
  async function* draw(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) {
      drawn++
      yield piece
    }
  }
  const pending = body.handle({ method: 'POST', url: `/late_sizes?${name}`, body: draw() })
  await probe.wait(`${name}:started`)
  // Above 256 KiB nothing more is drawn.
  t.is(await settled(async () => drawn), 6)
  await probe.tell(`${name}:go`)
  const { sizes, sha256 } = (await (await pending).json()) as { sizes: number[]; sha256: string }
  t.is(sha256, createHash('sha256').update(Buffer.concat(pieces)).digest('hex'))
  t.is(sizes[0], 250_000)
  // One piece is not cut, and nothing joins one that is larger.
  t.true(sizes.includes(600_000), String(sizes))
  t.true(
    sizes.every((size) => size <= 256 * 1024 || size === 600_000),
    String(sizes),
  )
})

test('one piece that is never followed by another reaches the app, be it large', async (t) => {
  const { port } = await serve(t, body.listener)
  const name = unique()
  const connection = await RawConnection.open(t, port)
  connection.write(head('POST', `/stepwise_sizes?${name}`, 'Content-Length: 100001', 'Connection: close'))
  connection.write('x'.repeat(100_000))
  await probe.wait(`${name}:100000`)
  connection.write('y')
  t.is((await connection.response()).body, '100001')
})
