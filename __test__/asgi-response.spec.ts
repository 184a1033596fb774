import { createHash } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { request, valuesOf } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection, type RawResponse } from './helpers/raw-connection.js'
import { bytes, Script } from './helpers/script.js'
import { serve } from './helpers/server.js'

const responses = shareHandler('responses:app')
const status = shareHandler('status:app')
const script = shareHandler('asgi_script:app')
const probe = shareProbe()

const line = (path: string, method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: test\r\n\r\n`

async function open(t: ExecutionContext, handler = responses): Promise<RawConnection> {
  return RawConnection.open(t, (await serve(t, handler.listener)).port)
}

async function get(t: ExecutionContext, path: string): Promise<RawResponse> {
  const connection = await open(t)
  connection.write(line(path))
  return connection.response()
}

for (const [path, shape] of [
  ['tuples', 'tuples'],
  ['lists', 'lists'],
  ['iterator', 'iterator'],
  ['inner_iterators', 'inner iterators'],
  ['dict_items', 'dict items'],
]) {
  test(`takes headers that are ${shape}`, async (t) => {
    const response = await get(t, `/${path}`)
    t.is(response.status, 200)
    t.deepEqual(valuesOf(response.headers.flat(), 'x-shape'), [shape])
    t.is(response.body, 'ok')
  })
}

test('headers may be left out', async (t) => {
  t.like(await get(t, '/no_headers'), { status: 200, body: 'ok' })
})

test('keeps the order and the duplicates of headers and cookies', async (t) => {
  const { headers } = await get(t, '/duplicates')
  t.deepEqual(
    headers.filter(([name]) => name.startsWith('x-') || name === 'set-cookie'),
    [
      ['x-one', '1'],
      ['set-cookie', 'a=1; Path=/'],
      ['x-two', '2'],
      ['set-cookie', 'b=2; Path=/'],
      ['x-one', '3'],
      ['set-cookie', 'a=4; Path=/'],
    ],
  )
})

test('sends names and values as the bytes they are', async (t) => {
  const { head } = await get(t, '/cases')
  const lines = head.split('\r\n')
  t.true(lines.includes('X-MiXeD: kept'), head)
  t.true(lines.includes('x-latin: caf\u00e9 \u00ff'), head)
  t.true(
    lines.some((text) => text.trimEnd() === 'x-empty:'),
    head,
  )
  t.true(lines.includes('x-tab: a\tb'), head)
})

test('carries hundreds of headers', async (t) => {
  const { headers } = await get(t, '/many_headers')
  t.deepEqual(
    headers.filter(([name]) => /^x-\d+$/.test(name)),
    Array.from({ length: 200 }, (_, index) => [`x-${index}`, String(index)]),
  )
})

for (const [path, length, body] of [
  ['with_length', '5', '12345'],
  ['with_length_in_pieces', '6', '123456'],
  ['same_length_twice', '2', 'ok'],
] as const) {
  test(`keeps the content-length of ${path}`, async (t) => {
    const response = await get(t, `/${path}`)
    t.deepEqual([...new Set(valuesOf(response.headers.flat(), 'content-length'))], [length])
    t.deepEqual(valuesOf(response.headers.flat(), 'transfer-encoding'), [])
    t.is(response.body, body)
  })
}

for (const code of [204, 304]) {
  test(`sends nothing of the body of a ${code}`, async (t) => {
    const connection = await open(t)
    connection.write(line(`/bodyless_status?${code}`) + line('/with_length'))
    const response = await connection.response()
    t.is(response.status, code)
    t.deepEqual(valuesOf(response.headers.flat(), 'transfer-encoding'), [])
    // The next response begins where this one ends.
    t.is((await connection.response()).body, '12345')
  })
}

test('sends nothing of the body to HEAD and keeps its content-length', async (t) => {
  const connection = await open(t)
  connection.write(line('/with_length', 'HEAD') + line('/with_length_in_pieces', 'HEAD') + line('/with_length'))
  for (const length of ['5', '6']) {
    const { status: code, headers } = await connection.response('head')
    t.is(code, 200)
    t.deepEqual(valuesOf(headers.flat(), 'content-length'), [length])
  }
  t.is((await connection.response()).body, '12345')
})

test('takes a stream in answer to HEAD and throws it away', async (t) => {
  const connection = await open(t)
  connection.write(line('/endless_head', 'HEAD') + line('/with_length'))
  t.is((await connection.response('head')).status, 200)
  t.is((await connection.response()).body, '12345')
})

test('handle() gives nothing of a body to HEAD, but its length', async (t) => {
  const response = await responses.handle({ method: 'HEAD', url: '/with_length' })
  t.deepEqual(valuesOf(response.rawHeaders, 'content-length'), ['5'])
  t.is(await response.text(), '')
  t.is(await (await responses.handle({ method: 'HEAD', url: '/endless_head' })).text(), '')
})

test('empty pieces do not end a body', async (t) => {
  t.is((await get(t, '/empty_chunks')).body, 'abc')
})

test('body and more_body may be left out', async (t) => {
  t.is((await get(t, '/defaults')).body, 'defaults')
})

test('takes bytes, bytearray and memoryview, each as it was when sent', async (t) => {
  t.is((await get(t, '/buffers')).body, 'bytearray memoryview  bytes')
})

test('takes large buffers as they were when sent', async (t) => {
  const { body } = await get(t, '/large_buffers')
  t.is(body.length, 3 * 2 ** 20)
  for (const [index, letter] of ['a', 'm', 'b'].entries()) {
    t.true(body.slice(index * 2 ** 20, (index + 1) * 2 ** 20) === letter.repeat(2 ** 20), letter)
  }
})

for (const kind of ['whole', 'pieces']) {
  test(`carries many MiB ${kind === 'whole' ? 'in one piece' : 'in pieces'}`, async (t) => {
    const { url } = await serve(t, responses.listener)
    const answer = await request(`${url}/large?${kind}`)
    t.is(answer.body.length, 251 * 4200 * 32)
    t.is(createHash('sha256').update(answer.body).digest('hex'), String(answer.headers['x-sha256']))
    const direct = await (await responses.handle({ url: `/large?${kind}` })).bytes()
    t.is(createHash('sha256').update(direct).digest('hex'), String(answer.headers['x-sha256']))
  })
}

test('carries ten thousand small pieces', async (t) => {
  const expected = Array.from({ length: 10_000 }, (_, index) => `${index}\n`).join('')
  t.is((await get(t, '/small_chunks')).body, expected)
  t.is(await (await responses.handle({ url: '/small_chunks' })).text(), expected)
})

test('drops the headers of the hop and frames the body itself', async (t) => {
  const connection = await open(t)
  connection.write(line('/hop_by_hop') + line('/with_length'))
  const { headers, body } = await connection.response()
  const flat = headers.flat()
  t.true(valuesOf(flat, 'transfer-encoding').length <= 1)
  t.false(valuesOf(flat, 'keep-alive').includes('timeout=1234'))
  t.deepEqual(valuesOf(flat, 'proxy-connection'), [])
  t.deepEqual(valuesOf(flat, 'upgrade'), [])
  t.false(valuesOf(flat, 'connection').includes('keep-alive, x-private'))
  t.deepEqual(valuesOf(flat, 'x-kept'), ['yes'])
  t.is(body, 'ok')
  t.is((await connection.response()).body, '12345')
})

test('connection: close ends the connection after the response', async (t) => {
  const connection = await open(t)
  connection.write(line('/connection_close'))
  const { text, end } = await connection.rest()
  t.regex(text, /\r\nconnection: close\r\n/i)
  t.true(text.endsWith('\r\n\r\nok'))
  t.is(end, 'end')
})

test('an empty piece sends the head before the first byte of the body', async (t) => {
  const connection = await open(t)
  const name = unique()
  connection.write(line(`/head_first?${name}`))
  t.regex(await connection.until('\r\n\r\n'), /^HTTP\/1\.1 200/)
  await probe.tell(name)
  t.regex(await connection.until('0\r\n\r\n'), /body after the head/)
})

test('a head that goes out alone is the bytes that it is as well', async (t) => {
  const played = new Script(probe, [
    ['send', { type: 'http.response.start', status: 200, headers: [[bytes('x-latin'), bytes('caf\u00e9 \u00ff')]] }],
    ['send', { type: 'http.response.body', more_body: true }],
    ['wait', 'go'],
    ['send', { type: 'http.response.body' }],
  ])
  const connection = await open(t, script)
  connection.write(line(played.target))
  t.regex(await connection.until('\r\n\r\n'), /\r\nx-latin: caf\u00e9 \u00ff\r\n/)
  await played.open('go')
  await connection.until('0\r\n\r\n')
})

test('an empty piece gives the head to handle() before the first byte of the body', async (t) => {
  const name = unique()
  const response = await responses.handle({ url: `/head_first?${name}` })
  t.is(response.status, 200)
  await probe.tell(name)
  t.is(await response.text(), 'body after the head')
})

test('the client has the whole response while the app is still at work', async (t) => {
  const connection = await open(t)
  const name = unique()
  connection.write(line(`/works_on?${name}`))
  t.is((await connection.response()).body, 'done')
  // Nor does the app hold up the next request of the connection.
  connection.write(line('/with_length'))
  t.is((await connection.response()).body, '12345')
  await probe.tell(`${name}:go`)
  await t.notThrowsAsync(probe.wait(`${name}:finished`))
})

test('receive() waits while the response is under way and then says http.disconnect', async (t) => {
  const connection = await open(t)
  const name = unique()
  connection.write(line(`/receive_after_response?${name}`))
  t.is((await connection.response()).body, 'done')
  t.deepEqual(await probe.wait(name), {
    first: 'http.request',
    early: false,
    // The connection is still open: it is the response's end that is told.
    // oxlint-disable-next-line unicorn/no-thenable -- a key of the fixture's report
    then: { type: 'http.disconnect' },
    again: { type: 'http.disconnect' },
  })
})

test('takes pieces from other tasks of the app', async (t) => {
  t.is((await get(t, '/sent_from_task')).body, 'one two three')
})

test('delivers what is sent when a timer resumes the app', async (t) => {
  t.is((await get(t, '/sent_by_callback')).body, '012')
})

test('takes one message dict changed and sent again', async (t) => {
  t.is((await get(t, '/reused_message')).body, 'first second')
})

test('names the status in the words of HTTP', async (t) => {
  const connection = await open(t, status)
  for (const [code, reason] of [
    [200, 'OK'],
    [404, 'Not Found'],
    [422, 'Unprocessable Entity'],
    [503, 'Service Unavailable'],
  ] as const) {
    connection.write(line(`/${code}`))
    t.regex((await connection.response()).head, new RegExp(`^HTTP/1\\.1 ${code} ${reason}\r\n`))
  }
})

test('adds a date and nothing that names the server', async (t) => {
  const { headers } = await get(t, '/no_headers')
  t.is(valuesOf(headers.flat(), 'date').length, 1)
  t.deepEqual(valuesOf(headers.flat(), 'server'), [])
  t.deepEqual(valuesOf(headers.flat(), 'x-powered-by'), [])
})
