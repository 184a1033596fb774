// RFC 9112 9.6: what comes behind the last request of a connection is for nobody, and changes nothing of its answer.
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { createServer, type ServerOptions } from '../index.js'
import { createCertificate } from './helpers/certificate.js'
import { becomes } from './helpers/settled.js'
import { serveByCommand } from './helpers/command-line.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { bytes, receive, Script, type Step } from './helpers/script.js'

const script = shareHandler({ app: 'asgi_script:app', logger: new Recorder() })
const probe = shareProbe()
const { certificate: cert, key } = createCertificate()

const start: Step = ['send', { type: 'http.response.start', status: 200, headers: [] }]
const piece = (text: string, more = false): Step => [
  'send',
  { type: 'http.response.body', body: bytes(text), more_body: more },
]

const serveOwn = async (t: ExecutionContext, options: ServerOptions = {}) =>
  listen(t, createServer(script, options as { http2?: false }))

/** The last request of a connection, and what comes behind it. */
const lasts: Record<string, [head: (target: string) => string, behind: (target: string) => string]> = {
  'a second request': [
    (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  'a stray byte': [(target) => `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, () => 'x'],
  'a second request of HTTP/1.0': [
    (target) => `GET ${target} HTTP/1.0\r\n\r\n`,
    (target) => `GET ${target} HTTP/1.0\r\n\r\n`,
  ],
  'a request behind a body': [
    (target) => `POST ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody`,
    (target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ],
  'bytes behind a body in chunks': [
    (target) =>
      `POST ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`,
    () => 'garbage\0'.repeat(100),
  ],
}

for (const [what, [head, behind]] of Object.entries(lasts)) {
  test(`${what} in the same packet leaves the answer alone`, async (t) => {
    const { port } = await serveOwn(t)
    const raw = await RawConnection.open(t, port)
    const first = new Script(probe, [receive, ['wait', 'go'], start, piece('answer')])
    const second = new Script(probe, [start, piece('second')])
    raw.write(head(first.target) + behind(second.target))
    await first.wait('entered').catch(() => {})
    await first.open('go')
    const { text, end } = await raw.rest()
    t.regex(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nanswer$/)
    t.is(end, 'end')
    t.deepEqual(await second.marks(), [])
  })

  test(`${what} later, while the app works, leaves the answer alone, also one that is streamed`, async (t) => {
    const { port, server } = await serveOwn(t)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const raw = await RawConnection.open(t, port)
    const [socket] = await accepted
    const first = new Script(probe, [receive, start, piece('one ', true), ['wait', 'go'], piece('two')])
    raw.write(head(first.target))
    await raw.until('one ')
    const total = socket.bytesRead + behind(first.target).length
    raw.write(behind(first.target))
    t.is(await becomes(total, () => socket.bytesRead), total)
    t.false(socket.destroyed)
    await first.open('go')
    t.regex((await raw.rest()).text, /two/)
  })
}

test('so it is over TLS', async (t) => {
  const { port } = await serveOwn(t, { cert, key })
  const first = new Script(probe, [receive, start, piece('answer')])
  const socket = connectSecurely({ port, host: '127.0.0.1', ca: cert })
  t.teardown(() => socket.destroy())
  socket.write(`GET ${first.target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n`)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  t.regex(text, /^HTTP\/1\.1 200 OK\r\n[^]*answer$/)
})

test('and on the command line, with the access log and without', async (t) => {
  for (const flags of [[], ['--no-access-log'], ['--workers', '2']]) {
    const { port } = await serveByCommand(t, 'asgi_script:app', '--lifespan', 'off', ...flags)
    const raw = await RawConnection.open(t, port)
    const steps = encodeURIComponent(JSON.stringify([receive, start, piece('answer')]))
    raw.write(`GET /?name=${unique()}&steps=${steps} HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n`)
    t.regex((await raw.rest()).text, /^HTTP\/1\.1 200 OK\r\n[^]*answer$/)
  }
})

test('what is no request behind one that is kept alive gets its 400 after the answers in front of it', async (t) => {
  const { port } = await serveOwn(t)
  const raw = await RawConnection.open(t, port)
  const [first, second] = [1, 2].map((n) => new Script(probe, [receive, ['wait', 'go'], start, piece(`answer ${n}`)]))
  const line = ({ target }: Script) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`
  raw.write(`${line(first!)}${line(second!)}NO REQUEST\r\n\r\n`)
  await second!.open('go')
  await first!.open('go')
  for (const n of [1, 2]) t.regex((await raw.response()).head, /200 OK/, String(n))
  t.regex((await raw.rest()).text, /HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/)
})

test('the malformed body of a request is a 400 in its place, after the answers in front of it', async (t) => {
  const { port } = await serveOwn(t)
  const raw = await RawConnection.open(t, port)
  const first = new Script(probe, [receive, ['wait', 'go'], start, piece('answer')])
  const second = new Script(probe, [receive, receive, start, piece('never')])
  raw.write(
    `GET ${first.target} HTTP/1.1\r\nHost: a\r\n\r\n` +
      `POST ${second.target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n`,
  )
  await first.open('go')
  t.is((await raw.response()).body, 'answer')
  t.regex((await raw.rest()).text, /^HTTP\/1\.1 400 Bad Request/)

  const alone = await RawConnection.open(t, port)
  const broken = new Script(probe, [receive, receive, receive])
  alone.write(`POST ${broken.target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n`)
  t.regex((await alone.rest()).text, /^HTTP\/1\.1 400 Bad Request/)
  t.deepEqual((await broken.outcome()).at(-1), { type: 'http.disconnect' })
})

test('who listens to clientError has it alone', async (t) => {
  const { server, port } = await serveOwn(t)
  server.on('clientError', (_error, socket) => socket.end('HTTP/1.1 418 Mine\r\n\r\n'))
  const raw = await RawConnection.open(t, port)
  raw.write('NO REQUEST\r\n\r\n')
  t.is((await raw.rest()).text, 'HTTP/1.1 418 Mine\r\n\r\n')
})

test('a server of the host’s is left as it is', async (t) => {
  const server = createHttpServer(script.listener)
  const { port } = await listen(t, server)
  t.is(server.listenerCount('clientError'), 0)
  const raw = await RawConnection.open(t, port)
  raw.write('NO REQUEST\r\n\r\n')
  t.regex((await raw.rest()).text, /^HTTP\/1\.1 400/)
})

test('a client that leaves behind its last request is still told to the app', async (t) => {
  const { port } = await serveOwn(t)
  const raw = await RawConnection.open(t, port)
  const first = new Script(probe, [receive, ['tell', 'in'], receive])
  raw.write(`GET ${first.target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nx`)
  await first.wait('in')
  raw.leave()
  t.deepEqual((await first.outcome()).at(-1), { type: 'http.disconnect' })
})

// A client that leaves after an early answer

for (const [what, options, lines, status] of [
  ['413', { maxBodySize: 10 }, 'Content-Length: 1000', 413],
  ['401', {}, 'Content-Length: 1000', 401],
  ['401 of a body in chunks', {}, 'Transfer-Encoding: chunked', 401],
] as const) {
  test(`a client that leaves after an early answer is no malformed request: ${what}`, async (t) => {
    const refuse: Step = ['send', { type: 'http.response.start', status: 401, headers: [] }]
    const flags = 'maxBodySize' in options ? ['--max-body-size', String(options.maxBodySize)] : []
    const { process: server, port } = await serveByCommand(t, 'asgi_script:app', '--lifespan', 'off', ...flags)
    const steps = encodeURIComponent(JSON.stringify([refuse, piece('no')]))
    for (const how of ['leave', 'reset', 'garbage'] as const) {
      const raw = await RawConnection.open(t, port)
      raw.write(`POST /?name=${unique()}&steps=${steps} HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`)
      t.is((await raw.response()).status, status)
      if (how === 'garbage') {
        raw.write(lines.startsWith('T') ? 'zz\r\n' : 'x')
        raw.socket.end()
      } else {
        raw[how]()
      }
    }
    // A line that comes behind all that the others could have made.
    const last = await RawConnection.open(t, port)
    last.write('NO REQUEST\r\n\r\n')
    await last.rest()
    await server.prints('malformed request 400')
    server.child.kill('SIGTERM')
    const { stdout } = await server.ends()
    t.is(stdout.match(/malformed/g)?.length, 1, stdout)
  })
}

test('limits of the head: what is too large gets a 431 that can be read', async (t) => {
  const { port } = await listen(t, createServer(createHandler(t, 'scope:app')))
  const ask = async (size: number) => {
    const raw = await RawConnection.open(t, port)
    raw.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Large: ${'x'.repeat(size)}\r\n\r\n`)
    return raw.rest()
  }
  t.regex((await ask(60 * 1024)).text, /^HTTP\/1\.1 200/)
  for (const size of [70 * 1024, 200 * 1024, 4 * 1024 * 1024]) {
    const { text, end } = await ask(size)
    t.regex(text, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/, String(size))
    t.is(end, 'end')
  }
})
