import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { createContext, runInContext } from 'node:vm'
import test from 'ava'
import { AmphisError, type HandleRequest } from '../index.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// What handle() takes: requests, headers and bodies of all the kinds that JavaScript has for them.

// A body that ends early is an error of an app that does not expect it.
const parsed = shareHandler({ app: 'parsed:app', logger: new Recorder() })
const scope = shareHandler('scope:app')
const responses = shareHandler('responses:app')
const disconnect = shareHandler('disconnect:app')
const forge = shareHandler('forge:app')
const probe = shareProbe()

interface Seen {
  body: string
  headers: [string, string][]
}

type Body = HandleRequest['body']
type Headers_ = HandleRequest['headers']

async function send(body: unknown, headers?: unknown): Promise<Seen> {
  const request = { method: 'POST', url: '/', body: body as Body, headers: headers as Headers_ }
  return (await (await parsed.handle(request)).json()) as Seen
}

const bytes = (text: string) => new TextEncoder().encode(text)
const realm = createContext({ TextEncoder, Blob, FormData, Headers, URLSearchParams })

// Headers.

for (const [what, headers, expected] of [
  ['nothing', undefined, []],
  ['null', null, []],
  ['an empty object', {}, []],
  ['an empty list', [], []],
  [
    'a Headers',
    new Headers([
      ['X-B', '1'],
      ['x-a', '2'],
      ['x-b', '3'],
    ]),
    [
      ['x-a', '2'],
      ['x-b', '1, 3'],
    ],
  ],
  [
    'a Map',
    new Map<string, unknown>([
      ['x-b', '1'],
      ['X-A', ['2', '3']],
    ]),
    [
      ['x-b', '1'],
      ['x-a', '2'],
      ['x-a', '3'],
    ],
  ],
  [
    'a list of pairs',
    [
      ['x-b', '1'],
      ['x-a', '2'],
      ['x-b', '3'],
    ],
    [
      ['x-b', '1'],
      ['x-a', '2'],
      ['x-b', '3'],
    ],
  ],
  [
    'a flat list',
    ['x-b', '1', 'x-a', '2'],
    [
      ['x-b', '1'],
      ['x-a', '2'],
    ],
  ],
  ['an object without prototype', Object.assign(Object.create(null), { 'x-a': '1' }), [['x-a', '1']]],
  [
    'an object with lists',
    { 'x-a': ['1', undefined, '2'], 'x-b': [] },
    [
      ['x-a', '1'],
      ['x-a', '2'],
    ],
  ],
  ['undefined and null', { 'x-a': undefined, 'x-b': null, 'x-c': '' }, [['x-c', '']]],
  [
    'undefined in a Map',
    new Map([
      ['x-a', undefined],
      ['x-b', '1'],
    ]),
    [['x-b', '1']],
  ],
  [
    'undefined in pairs',
    [
      ['x-a', undefined],
      ['x-b', '1'],
    ],
    [['x-b', '1']],
  ],
  ['undefined in a flat list', ['x-a', undefined, 'x-b', '1'], [['x-b', '1']]],
  [
    'numbers',
    { 'x-a': 1, 'x-b': [2n, true] },
    [
      ['x-a', '1'],
      ['x-b', '2'],
      ['x-b', 'true'],
    ],
  ],
  ['a Map of another realm', runInContext('new Map([["x-a", "1"]])', realm), [['x-a', '1']]],
  [
    'a list of another realm',
    runInContext('[["x-a", ["1", "2"]]]', realm),
    [
      ['x-a', '1'],
      ['x-a', '2'],
    ],
  ],
  [
    'an object of another realm',
    runInContext('({ "x-a": ["1", "2"] })', realm),
    [
      ['x-a', '1'],
      ['x-a', '2'],
    ],
  ],
] as [string, unknown, [string, string][]][]) {
  test(`headers: ${what}`, async (t) => {
    t.deepEqual((await send(undefined, headers)).headers, expected)
  })
}

test('headers: what a generator yields', async (t) => {
  function* pairs() {
    yield ['x-a', '1']
    yield ['x-a', '2']
  }
  t.deepEqual((await send(undefined, pairs())).headers, [
    ['x-a', '1'],
    ['x-a', '2'],
  ])
})

test('headers: the cookies of a Headers stay apart', async (t) => {
  const headers = new Headers()
  headers.append('set-cookie', 'a=1')
  headers.append('set-cookie', 'b=2')
  t.deepEqual((await send(undefined, headers)).headers, [
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
  ])
})

for (const [headers, named] of [
  ['x-a: 1', 'string'],
  [5, 'number'],
  [true, 'boolean'],
  [() => {}, 'function'],
  [new Date(), 'Date'],
  [new Set(['x-a']), 'pair'],
  [['x-a'], 'odd'],
  [[['x-a']], 'pair'],
  [[['x-a', '1', '2']], 'pair'],
  [{ 'x-a': {} }, 'x-a'],
  [{ 'x-a': Symbol('1') }, 'x-a'],
  [{ 'x-a': () => {} }, 'x-a'],
  [{ 'x a': '1' }, 'x a'],
  [{ 'x-a': 'a\r\nb: c' }, 'x-a'],
  [new Map([[5, '1']]), 'name'],
] as [unknown, string][]) {
  test(`headers that are none say what they are: ${named}, ${inspect(headers)}`, async (t) => {
    const error = await t.throwsAsync(send(undefined, headers), { code: 'AMPHIS_ERR_INVALID_REQUEST' })
    t.true(error instanceof AmphisError)
    t.true(error?.message.includes(named), error?.message)
  })
}

// Bodies.

const form = () => {
  const data = new FormData()
  data.append('a', '1')
  data.append('b "q"\n', 'x\ny')
  data.append('file', new Blob(['naïve ☃'], { type: 'text/x-test' }), 'snow"man.txt')
  data.append('empty', new File([], 'none.bin'))
  return data
}
async function* pieces(...all: unknown[]) {
  for (const piece of all) yield piece
}

const TEXT = 'text/plain;charset=UTF-8'
for (const [what, make, expected, type] of [
  ['undefined', () => undefined, '', undefined],
  ['null', () => null, '', undefined],
  ['a string', () => 'naïve ☃', 'naïve ☃', TEXT],
  ['a Buffer', () => Buffer.from('body'), 'body', undefined],
  ['a Uint8Array', () => bytes('body'), 'body', undefined],
  ['an ArrayBuffer', () => bytes('body').buffer, 'body', undefined],
  [
    'a SharedArrayBuffer',
    () => {
      const shared = new SharedArrayBuffer(4)
      new Uint8Array(shared).set(bytes('body'))
      return shared
    },
    'body',
    undefined,
  ],
  ['a DataView', () => new DataView(bytes('..body..').buffer, 2, 4), 'body', undefined],
  ['a Uint16Array', () => new Uint16Array(new Uint8Array(bytes('body')).buffer), 'body', undefined],
  ['a Blob without a type', () => new Blob(['bo', 'dy']), 'body', undefined],
  ['a Blob', () => new Blob(['body'], { type: 'text/x-test' }), 'body', 'text/x-test'],
  ['a File', () => new File(['body'], 'a.txt', { type: 'text/x-test' }), 'body', 'text/x-test'],
  [
    'a URLSearchParams',
    () => new URLSearchParams({ a: '1 2', b: 'ï' }),
    'a=1+2&b=%C3%AF',
    'application/x-www-form-urlencoded;charset=UTF-8',
  ],
  ['a ReadableStream', () => new Blob(['body']).stream(), 'body', undefined],
  ['a Readable', () => Readable.from([Buffer.from('bo'), Buffer.from('dy')]), 'body', undefined],
  ['a Readable of strings', () => Readable.from(['na', 'ïve']), 'naïve', undefined],
  ['an async iterable', () => pieces(bytes('bo'), bytes('dy')), 'body', undefined],
  [
    'an async iterable of all kinds',
    () => pieces(bytes('b').buffer, new DataView(bytes('o').buffer), 'dy'),
    'body',
    undefined,
  ],
  ['a string of another realm', () => runInContext('"body"', realm), 'body', TEXT],
  ['a Uint8Array of another realm', () => runInContext('new Uint8Array([98, 111])', realm), 'bo', undefined],
  ['an ArrayBuffer of another realm', () => runInContext('new Uint8Array([98, 111]).buffer', realm), 'bo', undefined],
  [
    'an async generator of another realm',
    () => runInContext('(async function* () { yield new Uint8Array([98]) })()', realm),
    'b',
    undefined,
  ],
] as [string, () => unknown, string, string | undefined][]) {
  test(`body: ${what}`, async (t) => {
    const seen = await send(make())
    t.is(Buffer.from(seen.body, 'latin1').toString(), expected)
    t.deepEqual(seen.headers, type === undefined ? [] : [['content-type', type]])
    // One that is given is the one that goes.
    const own = await send(make(), { 'Content-Type': 'x/own' })
    t.deepEqual(own.headers, [['content-type', 'x/own']])
  })
}

for (const [what, make] of [
  ['FormData', form],
  [
    'what looks like one',
    () => {
      const real = form()
      return { [Symbol.toStringTag]: 'FormData', entries: () => real.entries() }
    },
  ],
] as const) {
  test(`body: ${what} is multipart, as fetch would have it`, async (t) => {
    const seen = await send(make())
    const type = seen.headers.find(([name]) => name === 'content-type')?.[1] ?? ''
    t.regex(type, /^multipart\/form-data; boundary=\S+$/)
    const read = await new Response(Buffer.from(seen.body, 'latin1'), { headers: { 'content-type': type } }).formData()
    const expected = await new Response(form()).formData()
    const told = async (data: FormData) =>
      Promise.all(
        [...data].map(async ([name, value]) =>
          typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()],
        ),
      )
    t.deepEqual(await told(read), await told(expected))
  })
}

for (const [body, named] of [
  [5, 'number'],
  [true, 'boolean'],
  [{ a: 1 }, 'JSON.stringify'],
  [[1, 2], 'Array'],
  [new Date(), 'Date'],
  [new Map(), 'Map'],
  [() => {}, 'function'],
  [Symbol('x'), 'symbol'],
  [Promise.resolve('x'), 'Promise'],
] as [unknown, string][]) {
  test(`a body that is none says what it is: ${named}`, async (t) => {
    const error = await t.throwsAsync(send(body), { code: 'AMPHIS_ERR_INVALID_REQUEST' })
    t.true(error instanceof AmphisError && error instanceof TypeError)
    t.true(error?.message.includes(named), error?.message)
  })
}

test('a piece of a body that is none says what it is', async (t) => {
  const error = await t.throwsAsync(send(pieces({ a: 1 })), { code: 'AMPHIS_ERR_INVALID_REQUEST' })
  t.true(error?.message.includes('Object'), error?.message)
})

// Requests.

const origin = 'https://test.example:8443'
interface SeenScope {
  method: string
  path: string
  root_path: string
  scheme: string
  query_string: { bytes: string }
  headers: { tuple: [{ bytes: string }, { bytes: string }] }[]
}
const headersOf = ({ headers }: SeenScope) => headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes])

test('takes a Request', async (t) => {
  const request = new Request(`${origin}/caf%C3%A9/x?a=b#c`, { method: 'put', body: 'text', headers: { 'X-A': '1' } })
  const seen = (await (await scope.handle(request)).json()) as SeenScope
  t.like(seen, { method: 'PUT', path: '/café/x', root_path: '', scheme: 'https', query_string: { bytes: 'a=b' } })
  t.deepEqual(headersOf(seen), [
    ['host', 'test.example:8443'],
    ['content-type', 'text/plain;charset=UTF-8'],
    ['x-a', '1'],
  ])
})

test('the host of a Request is its own where it has one', async (t) => {
  const request = new Request(origin, { headers: { host: 'own.example' } })
  t.deepEqual(headersOf((await (await scope.handle(request)).json()) as SeenScope), [['host', 'own.example']])
})

test('the body of a Request is streamed, and read once', async (t) => {
  const request = new Request(origin, { method: 'POST', body: form() })
  const type = request.headers.get('content-type') ?? ''
  const seen = (await (await parsed.handle(request)).json()) as Seen
  t.is(seen.headers.find(([name]) => name === 'content-type')?.[1], type)
  t.true(seen.body.includes('snow'))
  await t.throwsAsync(parsed.handle(request), { code: 'AMPHIS_ERR_BODY_CONSUMED' })
})

test('what is given beside a Request goes before what it says', async (t) => {
  const request = new Request(`${origin}/api/x?q`, { headers: { 'x-a': '1' } })
  const seen = (await (
    await scope.handle(request, {
      rootPath: '/api',
      scheme: 'http',
      client: ['1.2.3.4', 5],
      headers: new Map([['x-b', '2']]),
    })
  ).json()) as SeenScope
  t.like(seen, { root_path: '/api', path: '/api/x', scheme: 'http', client: { tuple: ['1.2.3.4', 5] } })
  t.deepEqual(headersOf(seen), [
    ['host', 'test.example:8443'],
    ['x-b', '2'],
  ])
  const other = await scope.handle(request, { rootPath: '/elsewhere', method: 'POST', body: 'x' })
  t.like(await other.json(), { root_path: '/elsewhere', path: '/elsewhere/api/x', method: 'POST' })
  t.like(await (await scope.handle({ url: '/a' }, { url: '/b' })).json(), { path: '/b' })
})

test('a Request that is aborted is a client that has left', async (t) => {
  const name = unique()
  const controller = new AbortController()
  const request = new Request(`${origin}/idle_before?${name}`, { signal: controller.signal })
  const failed = t.throwsAsync(disconnect.handle(request), { code: 'AMPHIS_ERR_ABORTED' })
  await probe.wait(`${name}:idle`)
  controller.abort()
  await failed
  t.like(await probe.wait(`${name}:message`), { type: 'http.disconnect' })
})

test('takes what looks like a Request', async (t) => {
  const real = new Request(`${origin}/x`, { method: 'POST', body: 'text' })
  const { method, url, headers, body } = real
  const like = { method, url, headers, body, bodyUsed: false, [Symbol.toStringTag]: 'Request' }
  t.like(await (await scope.handle(like as unknown as Request)).json(), { method: 'POST', path: '/x', scheme: 'https' })
})

for (const [given, named] of [
  ['/x', 'string'],
  [new URL(origin), 'URL'],
  [{ url: new URL(origin) }, 'URL'],
  [[], 'Array'],
  [() => {}, 'function'],
] as [unknown, string][]) {
  test(`a request that is none says what it is: ${named}, ${inspect(given)}`, async (t) => {
    const error = await t.throwsAsync(scope.handle(given as HandleRequest), { code: 'AMPHIS_ERR_INVALID_REQUEST' })
    t.true(error?.message.includes(named), error?.message)
  })
}

// Responses.

test('the headers of a response are a Headers, made once; the list is what came', async (t) => {
  const headers = [
    ['Set-Cookie', 'a=1'],
    ['X-A', '1'],
    ['set-cookie', 'b=2'],
    ['x-a', 'caf\u00e9'],
  ]
  const response = await forge.handle({ method: 'POST', url: '/', body: JSON.stringify(headers) })
  t.true(response.headers instanceof Headers)
  t.is(response.headers, response.headers)
  t.is(response.headers.get('x-a'), '1, café')
  t.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
  t.is(response.headers.get('content-length'), '4')
  t.deepEqual(response.rawHeaders.slice(0, 8), headers.flat())
  const whole = new Response(ReadableStream.from(response), response)
  t.is(whole.headers.get('x-a'), '1, café')
})

test('a Response can be made of one', async (t) => {
  const response = await responses.handle(new Request(`${origin}/empty_chunks`))
  const made = new Response(ReadableStream.from(response), { status: response.status, headers: response.headers })
  t.is(await made.text(), 'abc')
})

test('headers that nobody asks for are a list', async (t) => {
  const handler = createHandler(t, 'main:app')
  const response = await handler.handle({ url: '/' })
  t.deepEqual(response.rawHeaders, ['content-type', 'text/plain', 'content-length', '13'])
})
