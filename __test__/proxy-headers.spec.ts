import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import fc from 'fast-check'
import { createServer, type PythonHandler } from '../index.js'
import { resolveOptions } from '../lib/base/options.js'
import { TrustedPeers } from '../lib/base/trusted-peers.js'
import { type Forwarded, forwardedOf } from '../lib/wire/proxy-headers.js'
import { request } from './helpers/client.js'
import { listen } from './helpers/listen.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { serve, serveOnSocket } from './helpers/server.js'

type Pair = readonly [name: string, value: string]

/** What Node makes of headers that are none of those that it keeps single. */
function joined(pairs: readonly Pair[]): IncomingHttpHeaders {
  const headers: Record<string, string> = {}
  for (const [name, value] of pairs) {
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}

/** What is read from the headers of a peer. */
function read(peer: string | undefined, pairs: readonly Pair[], trusted: string | string[] = '127.0.0.1,::1') {
  const options = resolveOptions({ app: 'main:app', proxyHeaders: true, forwardedAllowIps: trusted })
  const socket = { remoteAddress: peer } as Socket
  return forwardedOf(options, { socket, headers: joined(pairs), rawHeaders: pairs.flat() })
}

const chains: [chain: string, client: readonly [string, number] | undefined][] = [
  ['203.0.113.9', ['203.0.113.9', 0]],
  ['198.51.100.1, 203.0.113.9', ['203.0.113.9', 0]],
  ['198.51.100.1, 203.0.113.9, 127.0.0.1', ['203.0.113.9', 0]],
  ['198.51.100.1,203.0.113.9,::1, 127.0.0.1', ['203.0.113.9', 0]],
  ['127.0.0.1, ::1', ['127.0.0.1', 0]],
  ['203.0.113.9:4711', ['203.0.113.9', 4711]],
  ['203.0.113.9, 127.0.0.1:80', ['203.0.113.9', 0]],
  ['2001:db8::1', ['2001:db8::1', 0]],
  ['[2001:db8::1]', ['2001:db8::1', 0]],
  ['[2001:db8::1]:4711', ['2001:db8::1', 4711]],
  ['[2001:db8::1]:http', ['2001:db8::1', 0]],
  ['203.0.113.9, [::1]:80', ['203.0.113.9', 0]],
  ['203.0.113.9, ::ffff:127.0.0.1', ['203.0.113.9', 0]],
  ['203.0.113.9:http', ['203.0.113.9:http', 0]],
  ['203.0.113.9:65536', ['203.0.113.9:65536', 0]],
  ['127.0.0.1x', ['127.0.0.1x', 0]],
  ['[127.0.0.1', ['[127.0.0.1', 0]],
  ['[127.0.0.1]x:80', ['[127.0.0.1]x:80', 0]],
  ['unknown', ['unknown', 0]],
  ['_hidden, 127.0.0.1', ['_hidden', 0]],
  ['', undefined],
  [' , ', undefined],
  ['203.0.113.9,', undefined],
]

for (const [chain, client] of chains) {
  test(`reads "${chain}" as ${client ? client.join(' port ') : 'no client'}`, (t) => {
    t.deepEqual(read('127.0.0.1', [['x-forwarded-for', chain]]), client ? { client } : {})
  })
}

const schemes: [values: string[], scheme: string | undefined][] = [
  [['http'], 'http'],
  [['https'], 'https'],
  [['ws'], 'http'],
  [['wss'], 'https'],
  [[' https '], 'https'],
  [['HTTPS'], undefined],
  [['gopher'], undefined],
  [[''], undefined],
  [['https, http'], undefined],
  [['https', 'http'], 'http'],
  [['http', 'https'], 'https'],
]

for (const [values, scheme] of schemes) {
  test(`takes the scheme ${scheme ?? 'of the socket'} from ${JSON.stringify(values)}`, (t) => {
    const headers = values.map((value): Pair => ['x-forwarded-proto', value])
    t.deepEqual(read('127.0.0.1', headers), scheme === undefined ? {} : { scheme })
  })
}

const untrusted: [peer: string | undefined, trusted: string | string[]][] = [
  ['203.0.113.9', '127.0.0.1,::1'],
  ['10.0.0.1', '10.0.0.2'],
  ['11.0.0.1', '10.0.0.0/8'],
  ['2001:db9::1', '2001:db8::/32'],
  ['fe80::1%eth0', 'fe80::1'],
  ['fe80::1', 'fe80::1%eth0'],
  ['127.0.0.1', ''],
  ['127.0.0.1', []],
  [undefined, '127.0.0.1'],
  [undefined, 'unix:'],
]

for (const [peer, trusted] of untrusted) {
  test(`does not believe ${peer ?? 'a Unix socket'} when ${JSON.stringify(trusted)} is trusted`, (t) => {
    const headers: Pair[] = [
      ['x-forwarded-for', '198.51.100.1'],
      ['x-forwarded-proto', 'https'],
    ]
    t.is(read(peer, headers, trusted), undefined)
  })
}

const trusting: [peer: string | undefined, trusted: string | string[]][] = [
  ['::1', '127.0.0.1,::1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['127.0.0.1', '::ffff:127.0.0.1'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['10.1.2.3', '10.0.0.0/8'],
  ['::ffff:10.1.2.3', '10.0.0.0/8'],
  ['10.1.2.3', ' 192.168.0.0/16 , 10.0.0.0/8 '],
  ['10.1.2.3', ['192.168.0.0/16', '10.0.0.0/8']],
  ['2001:db8::1', '2001:db8::/32'],
  ['fe80::1%eth0', 'fe80::/10'],
  ['fe80::1%eth0', 'fe80::1%eth0'],
  ['203.0.113.9', '*'],
  ['203.0.113.9', ['127.0.0.1', '*']],
  ['203.0.113.9', '0.0.0.0/0'],
  [undefined, '*'],
]

for (const [peer, trusted] of trusting) {
  test(`believes ${peer ?? 'a Unix socket'} when ${JSON.stringify(trusted)} is trusted`, (t) => {
    t.deepEqual(read(peer, [['x-forwarded-proto', 'https']], trusted), { scheme: 'https' })
  })
}

test('takes the first of the chain where anybody is trusted', (t) => {
  t.deepEqual(read('203.0.113.9', [['x-forwarded-for', '198.51.100.1:80, 127.0.0.1']], '*'), {
    client: ['198.51.100.1', 80],
  })
})

test('goes past a name that is trusted', (t) => {
  const chain: Pair[] = [['x-forwarded-for', '198.51.100.1, 203.0.113.9, unix:']]
  t.deepEqual(read('127.0.0.1', chain, ['127.0.0.1', 'unix:']), { client: ['203.0.113.9', 0] })
})

test('reads several headers as one chain', (t) => {
  const chain: Pair[] = [
    ['x-forwarded-for', '198.51.100.1, 203.0.113.9'],
    ['x-forwarded-for', '127.0.0.1'],
  ]
  t.deepEqual(read('127.0.0.1', chain), { client: ['203.0.113.9', 0] })
})

const v4 = fc.ipV4()
const v6 = fc.ipV6()
const hop = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('127.0.0.1', '::1', '10.0.0.1', '10.255.0.1', '2001:db8::1', '192.168.1.1') },
  v4,
  v6,
  fc.tuple(v4, fc.nat(65_535)).map(([address, port]) => `${address}:${port}`),
  fc.tuple(v6, fc.nat(65_535)).map(([address, port]) => `[${address}]:${port}`),
  v6.map((address) => `[${address}]`),
  fc.constantFrom('', 'unknown', '_hidden', 'unix:', '127.0.0.1x', '[::1', '[::1]x', '127.0.0.1:http', '1:2', '::1:80'),
  fc.stringMatching(/^[\x21-\x2b\x2d-\x7e]{1,10}$/),
)
const entry = fc.oneof(
  fc.constantFrom('127.0.0.1', '::1', '10.0.0.0/8', '10.0.0.1', '2001:db8::/32', '192.168.1.0/24', 'unix:'),
  v4,
  v6,
)
const space = fc.constantFrom('', ' ', '  ')
const chain = fc
  .array(fc.tuple(space, hop, space), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.map(([before, text, after]) => before + text + after).join(','))

test('never believes anything behind a hop that is not trusted', (t) => {
  const stranger = v4.filter((address) => !address.startsWith('127.'))
  const trusted = new TrustedPeers(['127.0.0.0/8'])
  const loopback = fc.nat(255).map((last) => `127.0.0.${last}`)
  fc.assert(
    fc.property(chain, stranger, fc.array(loopback, { maxLength: 4 }), (claimed, client, proxies) => {
      const options = { proxyHeaders: true, forwardedAllowIps: trusted }
      const socket = { remoteAddress: '127.0.0.1' } as Socket
      const headers = { 'x-forwarded-for': [claimed, client, ...proxies].join(', ') }
      const found = forwardedOf(options, { socket, headers, rawHeaders: [] })
      t.deepEqual(found, { client: [client, 0] })
    }),
  )
})

test('reads what uvicorn reads', async (t) => {
  const uvicorn = createHandler(t, 'proxied:app')
  const header = fc.oneof(
    fc.tuple(fc.constant('x-forwarded-for'), chain),
    fc.tuple(fc.constant('x-forwarded-proto'), fc.constantFrom('http', 'https', 'HTTPS', 'ftp', '', 'http, https')),
  )
  const one = fc.record({
    peer: fc.constantFrom('127.0.0.1', '::1', '10.0.0.1', '203.0.113.9'),
    headers: fc.array(header, { maxLength: 4 }),
    trusted: fc.oneof(fc.constant('*'), fc.array(entry, { maxLength: 4 })),
  })
  const cases = fc.array(one, { minLength: 50, maxLength: 50 })
  await fc.assert(
    fc.asyncProperty(cases, async (given) => {
      const response = await uvicorn.handle({ method: 'POST', url: '/', body: JSON.stringify(given) })
      const expected = (await response.json()) as unknown[]
      const found = given.map(({ peer, headers, trusted }) => {
        const { scheme = 'http', client = [peer, 1] }: Forwarded = read(peer, headers, trusted) ?? {}
        return { client: [...client], scheme }
      })
      t.deepEqual(found, expected)
    }),
    { numRuns: 20 },
  )
})

// Over a socket.

const claims = { 'x-forwarded-for': '198.51.100.1, 203.0.113.9', 'x-forwarded-proto': 'https' }
const plain = shareHandler('scope:app')
const proxied = shareHandler({ app: 'scope:app', proxyHeaders: true })
const firm = shareHandler({ app: 'scope:app', proxyHeaders: false })

interface SeenScope {
  scheme: string
  client: { tuple: [string, number] } | null
  headers: { tuple: [{ bytes: string }, { bytes: string }] }[]
}

async function ask(url: string, options: Parameters<typeof request>[1] = { headers: claims }) {
  const { scheme, client, headers } = (await request(url, options)).json() as SeenScope
  return {
    scheme,
    client: client?.tuple,
    headers: headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes] as const),
  }
}

async function isBelieved(t: ExecutionContext, url: string): Promise<boolean> {
  const { scheme, client, headers } = await ask(url)
  t.true(headers.some(([name, value]) => name === 'x-forwarded-for' && value === claims['x-forwarded-for']))
  t.is(scheme === 'https', client?.[0] === '203.0.113.9')
  return scheme === 'https'
}

test('a listener believes nobody unless told to', async (t) => {
  t.false(await isBelieved(t, (await serve(t, plain.listener)).url))
  t.true(await isBelieved(t, (await serve(t, proxied.listener)).url))
})

test('createServer believes this machine unless told not to', async (t) => {
  t.true(await isBelieved(t, (await listen(t, createServer(plain))).url))
  t.false(await isBelieved(t, (await listen(t, createServer(firm))).url))
})

test('one handler believes in createServer only', async (t) => {
  const own = await listen(t, createServer(plain))
  const other = await serve(t, plain.listener)
  t.true(await isBelieved(t, own.url))
  t.false(await isBelieved(t, other.url))
})

test("createServer's handler says whom to believe", async (t) => {
  const handler = createHandler(t, { app: 'scope:app', forwardedAllowIps: '10.0.0.0/8' })
  t.false(await isBelieved(t, (await listen(t, createServer(handler))).url))
})

test('each request of a connection is read for itself', async (t) => {
  const { url } = await serve(t, proxied.listener)
  t.like(await ask(url), { scheme: 'https', client: ['203.0.113.9', 0] })
  const { scheme, client } = await ask(url, {})
  t.is(scheme, 'http')
  t.is(client?.[0], '127.0.0.1')
  t.like(await ask(url, { headers: { 'x-forwarded-for': '192.0.2.1:99' } }), {
    scheme: 'http',
    client: ['192.0.2.1', 99],
  })
})

test("Express' trust proxy replaces ours, and is never combined with it", async (t) => {
  const see = async (handler: PythonHandler, trust: unknown, hops: string, proto = 'https') => {
    const app = express()
    // Not set at all, it is Express' own default, which trusts nobody.
    if (trust !== undefined) app.set('trust proxy', trust)
    const { url } = await serve(t, app.use('/api', handler.middleware))
    const headers = { 'x-forwarded-for': hops, 'x-forwarded-proto': proto }
    const { client, scheme } = await ask(`${url}/api`, { headers })
    return [client?.[0], scheme]
  }
  const hops = '203.0.113.1, 10.0.0.1, 10.0.0.2'
  t.deepEqual(await see(plain, true, hops), ['203.0.113.1', 'https'])
  t.deepEqual(await see(plain, 1, hops), ['10.0.0.2', 'https'])
  t.deepEqual(await see(plain, '10.1.0.0/16', hops), ['127.0.0.1', 'http'])
  // Ours trusts the connection and no other hop; it is not asked.
  t.deepEqual(await see(proxied, true, hops), ['203.0.113.1', 'https'])
  t.deepEqual(await see(proxied, '10.1.0.0/16', hops), ['127.0.0.1', 'http'])
  t.deepEqual(await see(proxied, false, hops), ['10.0.0.2', 'https'])
  t.deepEqual(await see(proxied, undefined, hops), ['10.0.0.2', 'https'])
  t.deepEqual(await see(plain, undefined, hops), ['127.0.0.1', 'http'])
  const never = createHandler(t, { app: 'scope:app', proxyHeaders: false })
  t.deepEqual(await see(never, true, hops), ['127.0.0.1', 'http'])
  t.deepEqual(await see(plain, true, hops, 'gopher'), ['203.0.113.1', 'http'])
})

test('believes whoever comes through a Unix socket only by *', async (t) => {
  const anybody = createHandler(t, { app: 'scope:app', proxyHeaders: true, forwardedAllowIps: '*' })
  for (const [handler, client] of [
    [proxied, undefined],
    [anybody, ['198.51.100.1', 0]],
  ] as const) {
    const { path } = await serveOnSocket(t, handler.listener)
    t.deepEqual((await ask('http://localhost/', { socketPath: path, headers: claims })).client, client)
  }
})

const malformed = ['localhost', '10.0.0.0/33', '2001:db8::/129', '10.0.0.300', '10.0.0.0/', '10.0.0.0/8/8', 'x/8']

for (const trusted of malformed) {
  test(`refuses to trust ${trusted}`, (t) => {
    const options = { app: 'scope:app', forwardedAllowIps: `127.0.0.1, ${trusted}` }
    t.throws(() => createHandler(t, options), {
      code: 'AMPHIS_ERR_INVALID_OPTIONS',
      message:
        'Option forwardedAllowIps must be made of IP addresses, networks such as 10.0.0.0/8, names such as unix:, ' +
        `or '*' for anybody, but it is '${trusted}'.`,
    })
  })
}

for (const trusted of [7, [7], {}] as never[]) {
  test(`refuses ${JSON.stringify(trusted)} for forwardedAllowIps`, (t) => {
    t.throws(() => createHandler(t, { app: 'scope:app', forwardedAllowIps: trusted }), {
      code: 'AMPHIS_ERR_INVALID_OPTIONS',
      message: /^Option forwardedAllowIps must be a string or a list of strings, such as '127\.0\.0\.1,10\.0\.0\.0\/8'/,
    })
  })
}
