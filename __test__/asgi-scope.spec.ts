import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { readAnswer, request } from './helpers/client.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { serve, serveOnSocket, serveSecurely } from './helpers/server.js'

const scope = shareHandler('scope:app')

interface Bytes {
  bytes: string
}

interface SeenScope {
  type: string
  asgi: Record<string, string>
  http_version: string
  method: string
  scheme: string
  path: string
  raw_path: Bytes
  query_string: Bytes
  root_path: string
  headers: { tuple: [Bytes, Bytes] }[]
  client: { tuple: [string, number] } | null
  server: { tuple: [string, number | null] } | null
  state?: Record<string, unknown>
  extensions?: Record<string, unknown>
}

/** The scope of a request written byte by byte. */
async function write(t: ExecutionContext, text: string): Promise<SeenScope> {
  const { port } = await serve(t, scope.listener)
  const connection = await RawConnection.open(t, port)
  connection.write(text)
  const { status, body } = await connection.response()
  t.is(status, 200, body)
  return JSON.parse(body) as SeenScope
}

const get = async (t: ExecutionContext, target: string): Promise<SeenScope> =>
  write(t, `GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`)

test('has the keys that ASGI asks for, and no others', async (t) => {
  const seen = await get(t, '/')
  // What `extensions` holds is for asgi-extensions.spec.ts to say.
  t.deepEqual(Object.keys(seen).toSorted(), [
    'asgi',
    'client',
    'extensions',
    'headers',
    'http_version',
    'method',
    'path',
    'query_string',
    'raw_path',
    'root_path',
    'scheme',
    'server',
    'type',
  ])
})

test('says type http, ASGI 3.0 and specification 2.3', async (t) => {
  // From 2.4 on Starlette stops listening for the disconnect, and idle streams would never end.
  t.like(await get(t, '/'), { type: 'http', asgi: { version: '3.0', spec_version: '2.3' } })
})

test('every scope is its own', async (t) => {
  const defaced = createHandler(t, 'scope:defaced')
  const ask = async () => (await defaced.handle({ url: '/x', headers: ['x-one', '1'] })).json() as Promise<SeenScope>
  t.deepEqual(await ask(), await ask())
})

test('what one connection says is never told of another', async (t) => {
  // More of them than anybody would keep, in an order that has no pattern, most of them twice.
  const hosts = ['10.0.0.1', '10.0.0.2', '2001:db8::1', 'x'.repeat(600)]
  const asked = Array.from({ length: 6_000 }, (_, n) => {
    const at = (n * 7919) % 3_000
    return {
      url: `/${n}?${n}`,
      rootPath: ['', '/a', '/b%20c'][at % 3]!,
      httpVersion: ['1.1', '1.0', '2.0'][at % 5] ?? '1.1',
      scheme: at % 2 === 0 ? 'http' : 'https',
      client: at % 11 === 0 ? null : ([hosts[at % 4]!, at] as const),
      server: at % 13 === 0 ? null : ([hosts[(at + 1) % 4]!, at % 17 === 0 ? null : at] as const),
    }
  })
  const seen = await Promise.all(asked.map(async (one) => (await scope.handle(one)).json() as Promise<SeenScope>))
  for (const [n, { rootPath, httpVersion, scheme, client, server }] of asked.entries()) {
    const prefix = decodeURI(rootPath)
    t.like(seen[n], {
      root_path: prefix,
      path: `${prefix}/${n}`,
      raw_path: { bytes: `${rootPath}/${n}` },
      query_string: { bytes: String(n) },
      http_version: httpVersion === '2.0' ? '2' : httpVersion,
      scheme,
      client: client === null ? null : { tuple: [...client] },
      server: server === null ? null : { tuple: [...server] },
    })
  }
})

for (const [line, version] of [
  ['HTTP/1.1', '1.1'],
  ['HTTP/1.0', '1.0'],
] as const) {
  test(`names the version ${version}`, async (t) => {
    const { http_version: seen } = await write(t, `GET / ${line}\r\nHost: test\r\nConnection: close\r\n\r\n`)
    t.is(seen, version)
  })
}

test('names the method in capitals as it came', async (t) => {
  t.is((await write(t, 'PROPFIND / HTTP/1.1\r\nHost: test\r\n\r\n')).method, 'PROPFIND')
})

for (const [target, path, raw, query] of [
  ['/', '/', '/', ''],
  ['/plain/path', '/plain/path', '/plain/path', ''],
  ['/?', '/', '/', ''],
  ['/x?a=1&b=2', '/x', '/x', 'a=1&b=2'],
  ['/x?a=?&b=/?', '/x', '/x', 'a=?&b=/?'],
  ['/x?%20+%2B%ff', '/x', '/x', '%20+%2B%ff'],
  ['/caf%C3%A9', '/café', '/caf%C3%A9', ''],
  ['/caf%c3%a9', '/café', '/caf%c3%a9', ''],
  ['/%F0%9F%90%8D', '/🐍', '/%F0%9F%90%8D', ''],
  ['/a%20b+c', '/a b+c', '/a%20b+c', ''],
  ['/a%2Fb', '/a/b', '/a%2Fb', ''],
  ['/a%00b', '/a\0b', '/a%00b', ''],
  ['/a%0D%0Ab', '/a\r\nb', '/a%0D%0Ab', ''],
  ['/a%3Fb?c', '/a?b', '/a%3Fb', 'c'],
  ['/a%25b', '/a%b', '/a%25b', ''],
  ['/a%252Fb', '/a%2Fb', '/a%252Fb', ''],
  // What is no escape stays as it is.
  ['/100%', '/100%', '/100%', ''],
  ['/%zz/%4', '/%zz/%4', '/%zz/%4', ''],
  // Bytes that are no UTF-8 become the replacement character, and nothing raises.
  ['/%FF', '/\ufffd', '/%FF', ''],
  ['/a%C3b', '/a\ufffdb', '/a%C3b', ''],
  // An encoded surrogate is three wrong bytes, never a lone surrogate in a str.
  ['/%ED%A0%80', '/\ufffd\ufffd\ufffd', '/%ED%A0%80', ''],
  ['//double//slash', '//double//slash', '//double//slash', ''],
  ['/../up/./here', '/../up/./here', '/../up/./here', ''],
  ['/a;b=c:d@e', '/a;b=c:d@e', '/a;b=c:d@e', ''],
] as const) {
  test(`decodes the target ${target}`, async (t) => {
    const seen = await get(t, target)
    t.deepEqual([seen.path, seen.raw_path.bytes, seen.query_string.bytes], [path, raw, query])
  })
}

test('decodes bytes that were not escaped', async (t) => {
  // Node's own parser refuses them, a rewritten url or handle() may hold them.
  const response = await scope.handle({ url: '/caf\u00c3\u00a9?\u00c3\u00a9' })
  const seen = (await response.json()) as SeenScope
  t.deepEqual([seen.path, seen.raw_path.bytes, seen.query_string.bytes], ['/café', '/caf\u00c3\u00a9', '\u00c3\u00a9'])
})

test('takes a target in absolute form', async (t) => {
  const seen = await get(t, 'http://elsewhere.test:8080/x%20y?q')
  t.deepEqual([seen.path, seen.raw_path.bytes, seen.query_string.bytes], ['/x y', '/x%20y', 'q'])
})

test('takes the asterisk of OPTIONS', async (t) => {
  const seen = await write(t, 'OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n')
  t.deepEqual([seen.path, seen.raw_path.bytes, seen.query_string.bytes], ['*', '*', ''])
})

test('takes long targets', async (t) => {
  const long = 'x'.repeat(7000)
  const seen = await get(t, `/${long}?${long}`)
  t.deepEqual([seen.path, seen.query_string.bytes], [`/${long}`, long])
})

test('gives headers as bytes with small names, in order and with duplicates', async (t) => {
  const { headers } = await write(
    t,
    'GET / HTTP/1.1\r\nHost: test\r\nX-First: 1\r\nCookie: a=1\r\nx-second: 2\r\nX-FIRST: 3\r\nCookie: b=2\r\n' +
      'User-Agent: one\r\nUser-Agent: two\r\n\r\n',
  )
  t.deepEqual(
    headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes]),
    [
      ['host', 'test'],
      ['x-first', '1'],
      ['cookie', 'a=1'],
      ['x-second', '2'],
      ['x-first', '3'],
      ['cookie', 'b=2'],
      ['user-agent', 'one'],
      ['user-agent', 'two'],
    ],
  )
})

test('gives header values as the bytes they were', async (t) => {
  const { headers } = await write(
    t,
    'GET / HTTP/1.1\r\nHost: test\r\nX-Latin: caf\u00e9 \u00ff\u0080\r\nX-Empty:\r\nX-Spaces:  \t padded \t \r\nX-Tab: a\tb\r\n\r\n',
  )
  t.deepEqual(
    headers.slice(1).map(({ tuple: [name, value] }) => [name.bytes, value.bytes]),
    [
      ['x-latin', 'caf\u00e9 \u00ff\u0080'],
      ['x-empty', ''],
      ['x-spaces', 'padded'],
      ['x-tab', 'a\tb'],
    ],
  )
})

test('gives hundreds of headers', async (t) => {
  const lines = Array.from({ length: 500 }, (_, index) => `X-${index}: ${index}\r\n`)
  const { headers } = await write(t, `GET / HTTP/1.1\r\nHost: test\r\n${lines.join('')}\r\n`)
  t.is(headers.length, 501)
  t.deepEqual(headers.at(-1), { tuple: [{ bytes: 'x-499' }, { bytes: '499' }] })
})

test('does not take headers away that Node would join or drop', async (t) => {
  // `req.headers` keeps only the first of these.
  const { headers } = await write(
    t,
    'GET / HTTP/1.1\r\nHost: test\r\nReferer: one\r\nReferer: two\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n',
  )
  t.is(headers.filter(({ tuple: [name] }) => ['referer', 'authorization'].includes(name.bytes)).length, 4)
})

test('gives client and server with ports that are numbers', async (t) => {
  const { server, url } = await serve(t, scope.listener)
  const outgoing = httpRequest(url, { agent: false })
  outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  const { localPort } = outgoing.socket as Socket
  const seen = (await readAnswer(response)).json() as SeenScope
  t.deepEqual(seen.client, { tuple: ['127.0.0.1', localPort as number] })
  t.deepEqual(seen.server, { tuple: ['127.0.0.1', (server.address() as AddressInfo).port] })
})

test('gives the path of a Unix socket as the server, and no client', async (t) => {
  const { path } = await serveOnSocket(t, scope.listener)
  const seen = (await request('http://localhost/', { socketPath: path })).json() as SeenScope
  t.deepEqual(seen.server, { tuple: [path, null] })
  t.is(seen.client, null)
})

test('gives the scheme of the connection', async (t) => {
  t.is((await get(t, '/')).scheme, 'http')
  const { port, certificate } = await serveSecurely(t, scope.listener)
  const response = await new Promise<SeenScope>((resolve, reject) => {
    import('node:https')
      .then(({ get: secureGet }) =>
        secureGet({ port, host: '127.0.0.1', ca: certificate, agent: false }, (incoming) => {
          readAnswer(incoming).then((answer) => resolve(answer.json() as SeenScope), reject)
        }).on('error', reject),
      )
      .catch(reject)
  })
  t.is(response.scheme, 'https')
})

test('believes no header about the scheme, the client or the prefix', async (t) => {
  const seen = await write(
    t,
    'GET /x HTTP/1.1\r\nHost: test\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\n' +
      'X-Forwarded-Prefix: /evil\r\nX-Script-Name: /evil\r\n\r\n',
  )
  t.is(seen.scheme, 'http')
  t.is(seen.client?.tuple[0], '127.0.0.1')
  t.is(seen.root_path, '')
})

test('has no state without a lifespan', async (t) => {
  t.false('state' in (await get(t, '/')))
})

test('has the state of the lifespan, a shallow copy for each request', async (t) => {
  const handler = createHandler(t, { app: 'lifespans:state', lifespan: 'on' })
  const ask = async () => (await handler.handle({ url: '/' })).json()
  // `mine`, which the first request added to its own state, is not in the second.
  t.deepEqual(await ask(), { name: 'from startup', shared: { hits: 1 }, same: true })
  t.deepEqual(await ask(), { name: 'from startup', shared: { hits: 2 }, same: true })
})

test('takes everything from handle()', async (t) => {
  const response = await scope.handle({
    method: 'PURGE',
    url: '/caf%C3%A9?x=%20',
    headers: ['X-Latin', 'caf\u00e9'],
    httpVersion: '2',
    scheme: 'https',
    client: ['203.0.113.9', 4242],
    server: ['example.org', 443],
  })
  const { extensions: _, ...seen } = (await response.json()) as SeenScope
  t.deepEqual(seen, {
    type: 'http',
    asgi: { version: '3.0', spec_version: '2.3' },
    http_version: '2',
    method: 'PURGE',
    scheme: 'https',
    path: '/café',
    raw_path: { bytes: '/caf%C3%A9' },
    query_string: { bytes: 'x=%20' },
    root_path: '',
    headers: [{ tuple: [{ bytes: 'x-latin' }, { bytes: 'caf\u00e9' }] }],
    client: { tuple: ['203.0.113.9', 4242] },
    server: { tuple: ['example.org', 443] },
  })
})

test('has defaults for everything that handle() is not told', async (t) => {
  t.like(await (await scope.handle({ url: '/' })).json(), {
    http_version: '1.1',
    method: 'GET',
    scheme: 'http',
    root_path: '',
    headers: [],
    client: null,
    server: null,
  })
})

test('takes the prefix of a mount from handle(), which its url no longer holds', async (t) => {
  const response = await scope.handle({ url: '/x%20y?q', rootPath: '/caf%C3%A9' })
  t.like(await response.json(), {
    root_path: '/café',
    path: '/café/x y',
    raw_path: { bytes: '/caf%C3%A9/x%20y' },
    query_string: { bytes: 'q' },
  })
})

test('takes a socket path for a server and no client from handle()', async (t) => {
  const response = await scope.handle({ url: '/', server: ['/run/app.sock', null], client: null })
  t.like(await response.json(), { server: { tuple: ['/run/app.sock', null] }, client: null })
})

test('the option rootPath is the root path of a path that holds it already', async (t) => {
  const handler = createHandler(t, { app: 'scope:app', rootPath: '/prefix' })
  const { url } = await serve(t, handler.listener)
  t.like((await request(`${url}/prefix/x%20y`)).json(), {
    root_path: '/prefix',
    path: '/prefix/x y',
    raw_path: { bytes: '/prefix/x%20y' },
  })
})
