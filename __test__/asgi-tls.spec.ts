import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, request as secureRequest } from 'node:https'
import type { ServerOptions } from 'node:https'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { attributes, createIdentity, strings } from './helpers/certificate.js'
import { readAnswer } from './helpers/client.js'
import { openSession, request as requestHttp2 } from './helpers/http2-client.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { serve, serveHttp2, serveSecurely } from './helpers/server.js'
import { WebSocketClient } from './helpers/websocket-client.js'

// ASGI's TLS extension, version 0.2: what the app learns of the connection, over real ones.

const scope = shareHandler('scope:app')
const websocket = shareHandler('websocket_app:app')

interface Tls {
  server_cert: string | null
  client_cert_chain: string[]
  client_cert_name: string | null
  client_cert_error: string | null
  tls_version: number | null
  cipher_suite: number | null
}

interface SeenScope {
  scheme: string
  extensions: { tls?: Tls }
}

const authority = createIdentity({ name: 'amphis test authority', isAuthority: true })
const intermediate = createIdentity({ name: 'amphis test intermediate', issuer: authority, isAuthority: true })
const client = createIdentity({ name: 'a client', issuer: authority })
const stranger = createIdentity({ name: 'a stranger' })

/** Asks for certificates, and serves also whoever has none that is good. */
const asking: ServerOptions = { requestCert: true, rejectUnauthorized: false, ca: authority.certificate }

/** What the app sees of the TLS of one request. */
async function seen(
  t: ExecutionContext,
  serverOptions: ServerOptions = {},
  clientOptions: ConnectionOptions = {},
): Promise<Tls> {
  const { port, certificate } = await serveSecurely(t, scope.listener, serverOptions)
  return ask(port, { ca: certificate, ...clientOptions })
}

async function ask(port: number, options: ConnectionOptions & { agent?: Agent }): Promise<Tls> {
  const { scheme, extensions } = (await answerTo(port, options)) as SeenScope
  if (!extensions.tls) throw new Error(`a request by ${scheme} has no TLS extension`)
  return extensions.tls
}

async function answerTo(port: number, options: ConnectionOptions & { agent?: Agent }): Promise<unknown> {
  const outgoing = secureRequest({ port, host: '127.0.0.1', agent: false, ...options } as object).end()
  const [incoming] = (await once(outgoing, 'response')) as [Parameters<typeof readAnswer>[0]]
  return (await readAnswer(incoming)).json()
}

const identity = ({ certificate, key }: { certificate: string; key: string }) => ({ cert: certificate, key })

test('has every key of the extension, and no other', async (t) => {
  t.deepEqual(Object.keys(await seen(t)).toSorted(), [
    'cipher_suite',
    'client_cert_chain',
    'client_cert_error',
    'client_cert_name',
    'server_cert',
    'tls_version',
  ])
})

test('has no such extension without TLS', async (t) => {
  const { url } = await serve(t, scope.listener)
  const { scheme, extensions } = (await (await fetch(url)).json()) as SeenScope
  t.is(scheme, 'http')
  t.false('tls' in extensions)
})

test('a proxy that speaks of https does not make it TLS', async (t) => {
  const trusting = createHandler(t, { app: 'scope:app', proxyHeaders: true })
  const { url } = await serve(t, trusting.listener)
  const response = await fetch(url, { headers: { 'x-forwarded-proto': 'https' } })
  const { scheme, extensions } = (await response.json()) as SeenScope
  t.is(scheme, 'https')
  t.false('tls' in extensions)
})

test("gives the server's certificate as PEM", async (t) => {
  const { port, certificate } = await serveSecurely(t, scope.listener)
  const { server_cert } = await ask(port, { ca: certificate })
  t.is(server_cert?.trim(), certificate.trim())
})

test('gives TLS 1.3 and its cipher suite as the integers of the specification', async (t) => {
  const tls = await seen(t, { ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' })
  t.is(tls.tls_version, 0x0304)
  t.is(tls.cipher_suite, 0x1301)
})

test('gives TLS 1.2 and its cipher suite as the integers of the specification', async (t) => {
  const tls = await seen(t, { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384', maxVersion: 'TLSv1.2' })
  t.is(tls.tls_version, 0x0303)
  t.is(tls.cipher_suite, 0xc02c)
})

test('a client without a certificate has no chain, no name and no error', async (t) => {
  for (const options of [{}, asking]) {
    const tls = await seen(t, options)
    t.deepEqual(tls.client_cert_chain, [])
    t.is(tls.client_cert_name, null)
    t.is(tls.client_cert_error, null)
  }
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`gives a client's certificate that was verified, over ${maxVersion}`, async (t) => {
    const tls = await seen(t, { ...asking, rejectUnauthorized: true, maxVersion }, identity(client))
    t.deepEqual(
      tls.client_cert_chain.map((pem) => pem.trim()),
      [client.certificate.trim()],
    )
    t.is(tls.client_cert_name, 'CN=a client')
    t.is(tls.client_cert_error, null)
  })

  test(`says why a client's certificate was not verified, over ${maxVersion}`, async (t) => {
    const tls = await seen(t, { ...asking, maxVersion }, identity(stranger))
    t.is(tls.client_cert_chain.length, 1)
    t.is(tls.client_cert_name, 'CN=a stranger')
    t.is(tls.client_cert_error, 'DEPTH_ZERO_SELF_SIGNED_CERT')
  })

  for (const [who, error] of [
    [client, null],
    [stranger, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ] as const) {
    test(`a resumed session still says who ${error ? 'was not verified' : 'was verified'}, over ${maxVersion}`, async (t) => {
      const { port, certificate } = await serveSecurely(t, scope.listener, { ...asking, maxVersion })
      const options = { ca: certificate, host: '127.0.0.1', port, ...identity(who) }
      const first = connectTls(options)
      const ticket = once(first, 'session') as Promise<[Buffer]>
      const found = await writeAndRead(first)
      const second = connectTls({ ...options, session: (await ticket)[0] })
      const reused = once(second, 'secureConnect').then(() => second.isSessionReused())
      t.deepEqual(await writeAndRead(second), found)
      t.true(await reused)
      t.is(found?.client_cert_error, error)
      t.is(found?.client_cert_chain[0]?.trim(), who.certificate.trim())
    })
  }
}

/**
 * What Node.js tells of a chain that a client sends: 24.21 and 26.8 name no issuers on the side of the server
 * (nodejs/node#65579).
 */
async function toldOf(t: ExecutionContext, chain: string[], key: string): Promise<string[]> {
  const tell = (incoming: IncomingMessage, response: ServerResponse): void => {
    const certificate = (incoming.socket as TLSSocket).getPeerX509Certificate()
    response.end(JSON.stringify(certificate?.issuerCertificate !== undefined))
  }
  const { port, certificate } = await serveSecurely(t, tell, asking)
  const tellsIssuers = await answerTo(port, { ca: certificate, cert: chain.join(''), key })
  return chain.slice(0, tellsIssuers ? chain.length : 1).map((pem) => pem.trim())
}

async function writeAndRead(socket: TLSSocket): Promise<Tls | undefined> {
  socket.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  let text = ''
  for await (const piece of socket.setEncoding('latin1')) text += String(piece)
  return (JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as SeenScope).extensions.tls
}

test('gives the chain as the client sent it, its own certificate first', async (t) => {
  const leaf = createIdentity({ name: 'a leaf', issuer: intermediate })
  const chain = [leaf.certificate, intermediate.certificate]
  const tls = await seen(t, asking, { cert: chain.join(''), key: leaf.key })
  t.deepEqual(
    tls.client_cert_chain.map((pem) => pem.trim()),
    await toldOf(t, chain, leaf.key),
  )
  t.is(tls.client_cert_name, 'CN=a leaf')
  t.is(tls.client_cert_error, null)
})

test('a root that the client sent along comes once', async (t) => {
  const chain = [client.certificate, authority.certificate]
  const tls = await seen(t, asking, { cert: chain.join(''), key: client.key })
  t.deepEqual(
    tls.client_cert_chain.map((pem) => pem.trim()),
    await toldOf(t, chain, client.key),
  )
})

test('a certificate that is its own issuer comes once', async (t) => {
  const tls = await seen(t, asking, identity(authority))
  t.is(tls.client_cert_chain.length, 1)
  t.is(tls.client_cert_name, 'CN=amphis test authority')
})

// RFC 4514: the last part first, sets joined by plus, what would be misread escaped.
const { commonName, country, organization, organizationalUnit, domainComponent, emailAddress, unknown } = attributes
const { utf8, printable, t61, ia5, bmp, bits } = strings
const names: [what: string, name: Exclude<Parameters<typeof createIdentity>[0], undefined>['name'], text: string][] = [
  [
    'several parts, in reverse',
    [[[country, printable, 'CH']], [[organization, utf8, 'Example']], [[commonName, utf8, 'x']]],
    'CN=x,O=Example,C=CH',
  ],
  [
    'a part of two attributes',
    [
      [
        [organizationalUnit, utf8, 'A'],
        [commonName, utf8, 'B'],
      ],
    ],
    'OU=A+CN=B',
  ],
  ['special characters', [[[organization, utf8, 'a,b+c"d\\e<f>g;h=i']]], 'O=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h=i'],
  ['spaces at both ends', [[[commonName, utf8, ' a b ']]], 'CN=\\ a b\\ '],
  ['a single space', [[[commonName, utf8, ' ']]], 'CN=\\ '],
  ['a number sign at the start', [[[commonName, utf8, '#a#']]], 'CN=\\#a#'],
  ['NUL and line breaks', [[[commonName, utf8, 'a\0b\r\nc\u0085']]], 'CN=a\\00b\\0d\\0ac\\c2\\85'],
  ['any script', [[[commonName, utf8, 'Zoë 蛙 🐸']]], 'CN=Zoë 蛙 🐸'],
  ['Latin-1 in a T.61 string', [[[commonName, t61, Buffer.from('Zoë', 'latin1')]]], 'CN=Zoë'],
  ['UTF-16 in a BMP string', [[[commonName, bmp, Buffer.from('蛙a', 'utf16le').swap16()]]], 'CN=蛙a'],
  [
    'domain components and an e-mail address',
    [[[domainComponent, ia5, 'org']], [[domainComponent, ia5, 'example']], [[emailAddress, ia5, 'a@example.org']]],
    'emailAddress=a@example.org,DC=example,DC=org',
  ],
  ['an attribute that nobody knows', [[[unknown, utf8, 'a']]], '1.3.6.1.4.1.99999.1=#0c0161'],
  ['a value that is no text', [[[commonName, bits, Buffer.from([0, 0x61])]]], 'CN=#03020061'],
]
for (const [what, name, text] of names) {
  test(`writes a client's name as RFC 4514 says: ${what}`, async (t) => {
    const named = createIdentity({ ...(name && { name }), issuer: authority })
    const { client_cert_name } = await seen(t, asking, identity(named))
    t.is(client_cert_name, text)
  })
}

test('every request of a connection is told the same, also by its own dict', async (t) => {
  const { port, certificate } = await serveSecurely(t, scope.listener, asking)
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: certificate, ...identity(client) })
  t.teardown(() => agent.destroy())
  const first = await ask(port, { agent })
  t.deepEqual(await ask(port, { agent }), first)
  t.is(first.client_cert_name, 'CN=a client')
})

test('two connections are not mixed up', async (t) => {
  const { port, certificate } = await serveSecurely(t, scope.listener, asking)
  const [one, other, none] = await Promise.all([
    ask(port, { ca: certificate, ...identity(client) }),
    ask(port, { ca: certificate, ...identity(stranger) }),
    ask(port, { ca: certificate }),
  ])
  t.is(one.client_cert_name, 'CN=a client')
  t.is(other.client_cert_name, 'CN=a stranger')
  t.is(none.client_cert_name, null)
})

test('HTTP/2 has the extension as well', async (t) => {
  const { url, certificate } = await serveHttp2(t, scope.listener, asking)
  const session = await openSession(t, url, { ca: certificate, ...identity(client) })
  for (let requests = 0; requests < 2; requests += 1) {
    const { scheme, extensions } = (await requestHttp2(session, { ':path': '/' })).json() as SeenScope
    t.is(scheme, 'https')
    t.is(extensions.tls?.server_cert?.trim(), certificate.trim())
    t.is(extensions.tls?.client_cert_name, 'CN=a client')
    t.is(extensions.tls?.tls_version, 0x0304)
  }
})

test('a WebSocket over TLS has the extension as well', async (t) => {
  const { server, port, certificate } = await serveSecurely(t, websocket.listener, asking)
  websocket.attach(server)
  const socket = await WebSocketClient.open(t, `wss://127.0.0.1:${port}/show_scope`, {
    ca: certificate,
    ...identity(client),
  })
  const { scheme, extensions } = (await socket.json()) as SeenScope
  t.is(scheme, 'wss')
  t.is(extensions.tls?.client_cert_name, 'CN=a client')
  t.is(extensions.tls?.server_cert?.trim(), certificate.trim())
})

test('a server that refuses bad certificates goes on doing so', async (t) => {
  const { port, certificate } = await serveSecurely(t, scope.listener, { ...asking, rejectUnauthorized: true })
  await t.throwsAsync(ask(port, { ca: certificate, ...identity(stranger) }))
  await t.throwsAsync(ask(port, { ca: certificate }))
})
