import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request as plainRequest } from 'node:http'
import { connect as connectHttp2, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2'
import { request as secureRequest, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { tlsProblem } from '../lib/cli/serve/certificate.js'
import { createCertificate, createIdentity } from './helpers/certificate.js'
import { readAnswer, request } from './helpers/client.js'
import { amphis, amphisEnds, amphisIn, announced, serveByCommand, suite } from './helpers/command-line.js'
import { RawConnection } from './helpers/raw-connection.js'
import { WebSocketClient } from './helpers/websocket-client.js'

interface Told {
  http_version: string
  scheme: string
  client: [string, number] | null
}

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

// Unix sockets

test('--uds serves on a Unix socket that everybody may use, and takes it away at the end', async (t) => {
  const path = join(await folder(t), 'app.sock')
  const { process, url } = await serveByCommand(t, 'served:app', '--uds', path)
  t.is(url, `unix:${path}`)
  t.is((await stat(path)).mode & 0o666, 0o666)
  t.is(((await request('http://localhost/scope', { socketPath: path })).json() as Told).client, null)
  process.child.kill('SIGINT')
  t.is((await process.ends()).code, 0)
  await t.throwsAsync(stat(path), { code: 'ENOENT' })
})

test('--uds takes the place of a server that was killed', async (t) => {
  const path = join(await folder(t), 'app.sock')
  const first = await serveByCommand(t, 'main:app', '--uds', path)
  first.process.child.kill('SIGKILL')
  await first.process.ends()
  t.true((await stat(path)).isSocket())
  await serveByCommand(t, 'main:app', '--uds', path)
  t.is((await request('http://localhost/', { socketPath: path })).text, 'Hello, world!')
})

test('--uds leaves a socket alone that somebody listens on', async (t) => {
  const path = join(await folder(t), 'app.sock')
  await serveByCommand(t, 'main:app', '--uds', path)
  const { code, stderr } = await amphisEnds(t, 'main:app', '--uds', path, ...suite)
  t.is(code, 1)
  t.is(
    stderr,
    `error: The socket ${path} is in use. Choose another with --uds, or stop who listens there. (EADDRINUSE: address already in use)\n`,
  )
  t.is((await request('http://localhost/', { socketPath: path })).text, 'Hello, world!')
})

test('--uds leaves a file alone that is no socket', async (t) => {
  const path = join(await folder(t), 'precious')
  await writeFile(path, 'data')
  const { code, stderr } = await amphisEnds(t, 'main:app', '--uds', path, ...suite)
  t.is(code, 1)
  t.is(
    stderr,
    `error: There is a file ${path} that is no socket. Choose another path with --uds, or remove it. (EEXIST: file already exists)\n`,
  )
  t.is(await readFile(path, 'utf8'), 'data')
})

test('--uds tells that its folder is missing', async (t) => {
  const path = join(await folder(t), 'missing', 'app.sock')
  const { code, stderr } = await amphisEnds(t, 'main:app', '--uds', path, ...suite)
  t.is(code, 1)
  t.is(
    stderr,
    `error: The folder of ${path} does not exist. Make it, or choose another with --uds. (ENOENT: no such file or directory)\n`,
  )
})

test('--uds tells that its path is too long', async (t) => {
  const path = join(await folder(t), 'x'.repeat(120))
  const { code, stderr } = await amphisEnds(t, 'main:app', '--uds', path, ...suite)
  t.is(code, 1)
  t.is(
    stderr,
    `error: The path ${path} is too long for a socket. Choose a shorter one with --uds. (ENAMETOOLONG: name too long)\n`,
  )
})

// Proxies

const claims = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }

async function isBelieved(url: string): Promise<boolean> {
  const { scheme } = (await request(`${url}/scope`, { headers: claims })).json() as Told
  return scheme === 'https'
}

test('a proxy on this machine is believed unless told otherwise', async (t) => {
  t.true(await isBelieved((await serveByCommand(t, 'served:app')).url))
  t.false(await isBelieved((await serveByCommand(t, 'served:app', '--no-proxy-headers')).url))
  t.false(await isBelieved((await serveByCommand(t, 'served:app', '--forwarded-allow-ips', '10.0.0.0/8')).url))
})

test('FORWARDED_ALLOW_IPS says whom to believe', async (t) => {
  const process = amphisIn({ FORWARDED_ALLOW_IPS: '10.0.0.0/8' }, t, 'served:app', '--port', '0', ...suite)
  t.false(await isBelieved((await announced(process, 'served:app')).url))
})

test('exits with 2 at a proxy that cannot be meant', async (t) => {
  const { code, stderr } = await amphisEnds(t, 'main:app', '--forwarded-allow-ips', 'localhost', ...suite)
  t.is(code, 2)
  t.regex(stderr, /^error: --forwarded-allow-ips takes IP addresses, .*, not "localhost"\.\n$/)
})

// Limits and headers

test('limits what it is told to limit', async (t) => {
  const limits = ['--max-body-size', '10', '--limit-concurrency', '1']
  const { url, port, process } = await serveByCommand(t, 'command_line:app', ...limits)
  t.is((await request(url, { method: 'POST', body: 'x'.repeat(11) })).status, 413)
  const waiting = await RawConnection.open(t, port)
  waiting.write('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
  await process.prints('waiting')
  const refused = await request(url)
  t.is(refused.status, 503)
  t.is(refused.headers['retry-after'], '1')
})

test('gives up a request that takes too long', async (t) => {
  const { url } = await serveByCommand(t, 'command_line:app', '--timeout-request', '0.01')
  t.is((await request(`${url}/forever`)).status, 504)
})

test('gives up a startup that takes too long', async (t) => {
  const { code, stderr } = await amphisEnds(t, 'command_line:slow_startup', '--timeout-startup', '0.01', ...suite)
  t.is(code, 1)
  t.regex(stderr, /^error: The app did not finish its lifespan startup within 10 ms\. .*\n$/)
})

test('ends what runs for too long once it is to stop', async (t) => {
  const limits = ['--timeout-graceful-shutdown', '0.1']
  const { process, port } = await serveByCommand(t, 'command_line:app', ...limits)
  const connection = await RawConnection.open(t, port)
  connection.write('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n')
  await process.prints('waiting')
  process.child.kill('SIGTERM')
  const { code, stdout } = await process.ends()
  t.is(code, 0)
  t.regex(stdout, /^shutdown$/m)
})

test('ends in good order after as many requests and WebSockets as it is to serve', async (t) => {
  const limits = ['--limit-max-requests', '3', '--health-path', '/healthz']
  const patience = ['--timeout-keep-alive', '60', '--timeout-graceful-shutdown', '60']
  const { process, url, port } = await serveByCommand(t, 'command_line:app', ...limits, ...patience)
  // Probes do not count.
  for (let probes = 0; probes < 5; probes++) t.is((await request(`${url}/healthz`)).status, 200)
  const kept = await RawConnection.open(t, port)
  const ask = async () => {
    kept.write('GET /tea HTTP/1.1\r\nhost: a\r\n\r\n')
    return new Map((await kept.response()).headers).get('connection')
  }
  t.is(await ask(), 'keep-alive')
  const refused = await t.throwsAsync(WebSocketClient.open(t, `${url.replace('http', 'ws')}/chat`))
  t.regex(refused?.message ?? '', /500|403|404/)
  t.is(await ask(), 'keep-alive')
  await process.prints('Stopping')
  // What is on its way meanwhile on a connection that is kept is not lost.
  t.is(await ask(), 'close')
  t.deepEqual(await kept.rest(), { text: '', end: 'end' })
  const { code, stdout } = await process.ends()
  t.is(code, 0)
  t.regex(stdout, /^shutdown$/m)
})

test('closes idle connections when it is told to', async (t) => {
  const { port } = await serveByCommand(t, 'main:app', '--timeout-keep-alive', '0.01')
  const connection = await RawConnection.open(t, port)
  connection.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  t.is((await connection.response()).status, 200)
  t.deepEqual(await connection.rest(), { text: '', end: 'end' })
})

test('names itself and the date, or not', async (t) => {
  const named = await request((await serveByCommand(t, 'main:app')).url)
  t.is(named.headers.server, 'amphis')
  t.not(named.headers.date, undefined)
  const options = ['--no-server-header', '--no-date-header', '--header', 'X-Frame-Options: DENY', '--header', 'x:a:b']
  const bare = await request((await serveByCommand(t, 'main:app', ...options)).url)
  t.is(bare.headers.server, undefined)
  t.like(bare.headers, { 'x-frame-options': 'DENY', x: 'a:b' })
  t.is(bare.headers.date, undefined)
})

// WebSockets

test('serves WebSockets, and closes them when it ends', async (t) => {
  const { process, url } = await serveByCommand(t, 'websocket_app:app', '--ws-max-size', '10')
  const ws = url.replace('http', 'ws')
  const client = await WebSocketClient.open(t, `${ws}/echo`)
  client.send('0123456789')
  t.is(await client.next(), '0123456789')
  const greedy = await WebSocketClient.open(t, `${ws}/echo`)
  greedy.send('0123456789a')
  t.is((await greedy.closed()).code, 1009)
  process.child.kill('SIGINT')
  t.is((await client.closed()).code, 1012)
  t.is((await process.ends()).code, 0)
})

test('hands the options of WebSockets on', async (t) => {
  const options = ['--ws-per-message-deflate', 'true', '--ws-ping-interval', '0.01', '--ws-ping-timeout', '5']
  const { url } = await serveByCommand(t, 'websocket_app:app', ...options, '--ws-max-queue', '1')
  const client = await WebSocketClient.open(t, `${url.replace('http', 'ws')}/echo`, { perMessageDeflate: true })
  t.regex(client.socket.extensions, /permessage-deflate/)
  await once(client.socket, 'ping')
})

// TLS

const { certificate, key } = createCertificate()

async function pemFiles(t: ExecutionContext, files: Record<string, string>): Promise<(name: string) => string> {
  const path = await folder(t)
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return (name) => join(path, name)
}

async function requestSecurely(url: string, options: RequestOptions = {}) {
  const outgoing = secureRequest(url, { ca: certificate, agent: false, ...options }).end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  return readAnswer(response)
}

test('serves HTTPS with a certificate and its key', async (t) => {
  const file = await pemFiles(t, { 'cert.pem': certificate, 'key.pem': key })
  const files = ['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('key.pem')]
  const { url } = await serveByCommand(t, 'served:app', ...files)
  t.regex(url, /^https:\/\/127\.0\.0\.1:\d+$/)
  t.like((await requestSecurely(`${url}/scope`)).json(), { scheme: 'https', http_version: '1.1' })
})

test('takes the key from the file of the certificate', async (t) => {
  const file = await pemFiles(t, { 'both.pem': key + certificate })
  const { url } = await serveByCommand(t, 'served:app', '--ssl-certfile', file('both.pem'))
  t.is((await requestSecurely(`${url}/scope`)).status, 200)
})

const locked = createPrivateKey(key).export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'open sesame',
}) as string

test('opens a key with its password', async (t) => {
  const file = await pemFiles(t, { 'cert.pem': certificate, 'key.pem': locked })
  const files = ['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('key.pem')]
  const { url } = await serveByCommand(t, 'served:app', ...files, '--ssl-keyfile-password', 'open sesame')
  t.is((await requestSecurely(`${url}/scope`)).status, 200)
  for (const password of [[], ['--ssl-keyfile-password', 'wrong']]) {
    const { code, stderr } = await amphisEnds(t, 'main:app', ...suite, ...files, ...password)
    t.is(code, 1)
    t.regex(stderr, /^error: TLS cannot use .*key\.pem \(.*\)\. Give the password .* --ssl-keyfile-password\.\n$/)
  }
})

test('asks for the password also where a wrong one seems to open the key', async (t) => {
  const file = await pemFiles(t, { 'cert.pem': certificate, 'key.pem': locked })
  // One in 256 decrypts to nonsense, of which OpenSSL only says that it is none.
  let error: Error | undefined
  for (let index = 0; index < 5000 && error === undefined; index++) {
    try {
      createPrivateKey({ key: locked, passphrase: `wrong ${index}` })
    } catch (thrown) {
      if (/DECODER/.test(String(thrown))) error = thrown as Error
    }
  }
  t.truthy(error)
  const { message } = tlsProblem(
    { 'ssl-certfile': file('cert.pem'), 'ssl-keyfile': file('key.pem') } as Parameters<typeof tlsProblem>[0],
    error!,
  )
  t.regex(message, /Give the password of the key with --ssl-keyfile-password\.$/)
})

const unusable: [what: string, args: string[], code: number, message: RegExp][] = [
  [
    'a certificate that is not there',
    ['--ssl-certfile', 'missing.pem', '--ssl-keyfile', 'key.pem'],
    1,
    /^error: The file \S*missing\.pem does not exist\. Name a file in PEM with --ssl-certfile\.\n$/,
  ],
  [
    'a key that is a folder',
    ['--ssl-certfile', 'cert.pem', '--ssl-keyfile', '.'],
    1,
    /^error: The file \S* is a folder\. Name a file in PEM with --ssl-keyfile\.\n$/,
  ],
  [
    'authorities that are not there',
    ['--ssl-certfile', 'cert.pem', '--ssl-keyfile', 'key.pem', '--ssl-ca-certs', 'missing.pem'],
    1,
    /^error: The file \S*missing\.pem does not exist\. Name a file in PEM with --ssl-ca-certs\.\n$/,
  ],
  [
    'a certificate that is none',
    ['--ssl-certfile', 'text', '--ssl-keyfile', 'key.pem'],
    1,
    /^error: TLS cannot use \S*text, \S*key\.pem \(.*\)\. Check that they are in PEM .*\n$/,
  ],
  [
    'a key of another certificate',
    ['--ssl-certfile', 'cert.pem', '--ssl-keyfile', 'other.pem'],
    1,
    /^error: TLS cannot use \S*cert\.pem, \S*other\.pem \(.*\)\. Check that .* the key is that of the certificate\.\n$/,
  ],
  [
    'a certificate without a key',
    ['--ssl-certfile', 'cert.pem'],
    1,
    /^error: \S*cert\.pem holds no private key\. Name the file of the key with --ssl-keyfile\.\n$/,
  ],
  [
    'an option that is not about TLS',
    ['--ssl-certfile', 'cert.pem', '--ssl-keyfile', 'key.pem', '--health-path=/same', '--ready-path=/same'],
    2,
    /^error: healthPath and readyPath must differ, but both are "\/same"\.\n$/,
  ],
  [
    'a key alone',
    ['--ssl-keyfile', 'key.pem'],
    2,
    /^error: --ssl-keyfile needs the certificate .*--ssl-certfile FILE\.\n/,
  ],
  [
    'authorities alone',
    ['--ssl-ca-certs', 'cert.pem'],
    2,
    /^error: Client certificates need a server that has one itself: --ssl-certfile FILE\.\n/,
  ],
]

for (const [what, args, expected, message] of unusable) {
  test(`tells what is wrong with ${what}`, async (t) => {
    const file = await pemFiles(t, {
      'cert.pem': certificate,
      'key.pem': key,
      'other.pem': createCertificate().key,
      text: 'no certificate',
    })
    const { code, stdout, stderr } = await amphisEnds(
      t,
      'main:app',
      ...suite,
      ...args.map((arg) => (arg.startsWith('--') ? arg : file(arg))),
    )
    t.is(stdout, '')
    t.regex(stderr, message)
    t.is(code, expected)
  })
}

/** Whether a client with these options is served. */
async function isServed(url: string, options: RequestOptions): Promise<boolean> {
  try {
    return (await requestSecurely(`${url}/scope`, options)).status === 200
  } catch {
    return false
  }
}

test('asks for client certificates as Python would', async (t) => {
  const authority = createIdentity({ name: 'authority', isAuthority: true })
  const friend = createIdentity({ name: 'friend', issuer: authority })
  const stranger = createIdentity({ name: 'stranger' })
  const file = await pemFiles(t, { 'cert.pem': certificate, 'key.pem': key, 'ca.pem': authority.certificate })
  const files = ['--ssl-certfile', file('cert.pem'), '--ssl-keyfile', file('key.pem'), '--ssl-ca-certs', file('ca.pem')]
  const clients = [{}, { cert: friend.certificate, key: friend.key }, { cert: stranger.certificate, key: stranger.key }]
  for (const [requires, expected] of [
    ['0', [true, true, true]],
    ['1', [true, true, false]],
    ['2', [false, true, false]],
  ] as const) {
    const { url, process } = await serveByCommand(t, 'served:app', ...files, '--ssl-cert-reqs', requires)
    const served = []
    for (const client of clients) served.push(await isServed(url, client))
    t.deepEqual(served, [...expected], requires)
    process.child.kill('SIGKILL')
  }
})

// HTTP/2

test('--http2 speaks HTTP/2 and HTTP/1.1, and answers what is in flight when it ends', async (t) => {
  const file = await pemFiles(t, { 'both.pem': key + certificate })
  const { url, process } = await serveByCommand(t, 'command_line:app', '--ssl-certfile', file('both.pem'), '--http2')
  t.is((await requestSecurely(url)).status, 200)

  const session = connectHttp2(url, { ca: certificate })
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/upload', ':method': 'POST' })
  stream.write('ab')
  await process.prints('reading')
  // An idle one beside it, which has nothing to wait for.
  const idle = connectHttp2(url, { ca: certificate })
  await once(idle, 'remoteSettings')
  process.child.kill('SIGINT')
  await once(idle, 'close')
  stream.end('cd')
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & IncomingHttpStatusHeader]
  t.is(headers[':status'], 200)
  stream.resume()
  t.is((await process.ends()).code, 0)
})

test('sends a whole response to a slow client when it ends', async (t) => {
  const file = await pemFiles(t, { 'both.pem': key + certificate })
  for (const tls of [[], ['--ssl-certfile', file('both.pem')]]) {
    const { url, process } = await serveByCommand(t, 'production:app', ...tls)
    const ask = tls.length === 0 ? plainRequest : secureRequest
    const outgoing = ask(`${url}/large`, { ca: certificate, agent: false }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    process.child.kill('SIGTERM')
    await process.prints('shutdown of')
    // Longer than the last bytes of others are waited for.
    await after(1_500)
    t.is((await readAnswer(response)).text.length, 30_000_000)
    t.is((await process.ends()).code, 0)
  }
})

test('a TLS connection that says nothing does not hold up the end', async (t) => {
  const file = await pemFiles(t, { 'both.pem': key + certificate })
  const { port, process } = await serveByCommand(t, 'main:app', '--ssl-certfile', file('both.pem'), '--http2')
  const silent = connectTls({ port, host: '127.0.0.1', ca: certificate, ALPNProtocols: ['http/1.1'] })
  t.teardown(() => silent.destroy())
  await once(silent, 'secureConnect')
  process.child.kill('SIGINT')
  t.is((await process.ends()).code, 0)
})

test('serves HTTP/2 without TLS to who knows of it', async (t) => {
  const { url } = await serveByCommand(t, 'served:app', '--http2')
  const session = connectHttp2(url)
  t.teardown(() => session.destroy())
  let text = ''
  for await (const chunk of session.request({ ':path': '/scope' })) text += String(chunk)
  t.like(JSON.parse(text) as Told, { http_version: '2', scheme: 'http' })
})

test('is silent about its environment when it is misused', async (t) => {
  const process = amphis(t, 'main:app', '--ws-ping-interval', 'soon')
  const { code, stderr } = await process.ends()
  t.is(code, 2)
  t.is(stderr, 'error: --ws-ping-interval takes a number of seconds from 0 to 2147483, not "soon".\n')
})
