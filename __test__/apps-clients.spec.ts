import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type { Browser, Page } from 'puppeteer-core'
import * as undici from 'undici'
import { createServer } from '../index.js'
import { createCertificate } from './helpers/certificate.js'
import { launchChrome } from './helpers/headless-chrome.js'
import { shareProbe, unique } from './helpers/probe.js'
import { fixtures, shareHandler, versionsOf } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

const logger = new Recorder()
const handler = shareHandler({ app: 'apps.clients.main:app', logger })
const deflating = shareHandler({ app: 'apps.clients.main:app', wsPerMessageDeflate: true, logger })
const probe = shareProbe()

/** The server of amphis, with everything on. */
async function start(t: ExecutionContext, python = handler): Promise<{ url: string; ws: string }> {
  const server = createServer(python)
  const { port } = await listen(t, server)
  return { url: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}` }
}

/** The same with TLS and HTTP/2. */
async function startSecurely(t: ExecutionContext): Promise<{ url: string; certificate: string }> {
  const { certificate, key } = createCertificate()
  const { port } = await listen(t, createServer(handler, { cert: certificate, key, http2: true }))
  return { url: `https://127.0.0.1:${port}`, certificate }
}

async function listen(t: ExecutionContext, server: ReturnType<typeof createServer> | Http2SecureServer) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  })
  return server.address() as AddressInfo
}

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

/** A `fetch`, and the forms that it knows. */
type Fetching = Pick<typeof globalThis, 'fetch' | 'FormData'>

/** What a `fetch` does, whosever it is. */
async function fetches(t: ExecutionContext, { fetch, FormData }: Fetching, url: string, version = '1.1') {
  const hello = await fetch(`${url}/hello?q=a&q=%C3%A9`, { headers: { 'x-header': 'yes' } })
  const answer = (await hello.json()) as object
  t.like(answer, { method: 'GET', http_version: version, scheme: url.split(':')[0], query: ['a', 'é'], header: 'yes' })

  const body = randomBytes(3_000_000)
  t.deepEqual(await (await fetch(`${url}/digest`, { method: 'POST', body })).json(), {
    length: body.length,
    sha256: sha256(body),
  })

  const pieces = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < body.length; at += 200_000) controller.enqueue(body.subarray(at, at + 200_000))
        controller.close()
      },
    })
  const streamed = { method: 'POST', duplex: 'half' } as const
  const echo = await fetch(`${url}/echo`, { ...streamed, body: pieces() })
  t.is(sha256(new Uint8Array(await echo.arrayBuffer())), sha256(body))

  const name = unique()
  const gated = await fetch(`${url}/gated/${name}`)
  const reader = gated.body!.getReader()
  t.deepEqual((await reader.read()).value, new TextEncoder().encode('first\n'))
  await probe.tell(`${name}:go`)
  t.deepEqual((await reader.read()).value, new TextEncoder().encode('second\n'))
  t.true((await reader.read()).done)

  const form = new FormData()
  form.append('file', new Blob(['x'.repeat(200_000)]), 'naïve.bin')
  form.append('note', 'ü')
  t.deepEqual(await (await fetch(`${url}/form`, { method: 'POST', body: form })).json(), {
    name: 'naïve.bin',
    size: 200_000,
    note: 'ü',
  })

  const left = unique()
  const abort = new AbortController()
  await fetch(`${url}/gated/${left}`, { signal: abort.signal })
  abort.abort()
  await probe.wait(`${left}:finally`)

  const moved = await fetch(`${url}/redirect`)
  t.like(moved, { status: 200, redirected: true, url: `${url}/hello` })
}

/** What a `WebSocket` does, whosever it is. */
async function talks(t: ExecutionContext, Client: typeof undici.WebSocket, ws: string) {
  const open = async (path: string, protocols: string[] = []) => {
    const socket = new Client(`${ws}${path}`, protocols)
    socket.binaryType = 'arraybuffer'
    const messages: unknown[] = []
    let wake = () => {}
    socket.addEventListener('message', ({ data }) => {
      messages.push(data)
      wake()
    })
    const closed = new Promise<{ code: number; reason: string; wasClean: boolean }>((resolve) => {
      socket.addEventListener('close', ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }))
    })
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('error', () => reject(new Error('the WebSocket did not open')))
    })
    const next = async () => {
      while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return messages.shift()
    }
    return { socket, next, closed }
  }

  const { socket, next, closed } = await open('/socket', ['v1', 'v2'])
  t.is(socket.protocol, 'v2')
  for (const text of ['', 'grüße 🦀', 'x'.repeat(100_000)]) {
    socket.send(text)
    t.is(await next(), text)
  }
  const bytes = randomBytes(300_000)
  socket.send(bytes)
  t.true(Buffer.from((await next()) as ArrayBuffer).equals(bytes))
  socket.send('close')
  t.deepEqual(await closed, { code: 4001, reason: 'as you wish', wasClean: true })

  const name = unique()
  const leaving = await open(`/socket?name=${name}`)
  leaving.socket.close(4002, 'that was all')
  t.deepEqual(await probe.wait(`${name}:gone`), [4002, 'that was all'])
  t.like(await leaving.closed, { code: 4002, wasClean: true })
  await t.throwsAsync(open('/socket?ban=1'))
}

test('undici: fetch with bodies and streams both ways', async (t) => {
  const { url } = await start(t)
  await fetches(t, undici as unknown as Fetching, url)
})

test('undici: fetch over TLS and HTTP/2', async (t) => {
  const { url, certificate } = await startSecurely(t)
  const dispatcher = new undici.Agent({ allowH2: true, connect: { ca: certificate } })
  t.teardown(() => dispatcher.destroy())
  const fetch = (input: string, init?: object) => undici.fetch(input, { ...init, dispatcher })
  await fetches(t, { ...undici, fetch } as unknown as Fetching, url, '2')
})

test('undici: WebSocket', async (t) => {
  const { ws } = await start(t)
  await talks(t, undici.WebSocket, ws)
})

test('undici: WebSocket with permessage-deflate', async (t) => {
  const { ws } = await start(t, deflating)
  await talks(t, undici.WebSocket, ws)
})

test('undici: EventSource comes back where it was', async (t) => {
  const { url } = await start(t)
  const source = new undici.EventSource(`${url}/events`)
  t.teardown(() => source.close())
  const numbers: string[] = []
  await new Promise<void>((resolve) => {
    source.addEventListener('number', (event) => {
      numbers.push((event as undici.MessageEvent<string>).data)
      if (numbers.length === 6) resolve()
    })
  })
  t.deepEqual(numbers, ['1', '2', '3', '4', '5', '6'])
})

test('undici: pipelined requests are answered in order', async (t) => {
  const { url } = await start(t)
  const client = new undici.Client(url, { pipelining: 10 })
  t.teardown(() => client.destroy())
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, number) => {
      const { body } = await client.request({ path: `/hello?q=${number}`, method: 'GET' })
      return (await body.json()) as { query: string[] }
    }),
  )
  t.deepEqual(
    answers.map(({ query }) => query[0]),
    Array.from({ length: 50 }, (_, number) => String(number)),
  )
})

test('Node’s own fetch', async (t) => {
  const { url } = await start(t)
  await fetches(t, globalThis, url)
})

// Node 22 and later.
if ('WebSocket' in globalThis) {
  test('Node’s own WebSocket', async (t) => {
    const { ws } = await start(t)
    await talks(t, (globalThis as unknown as { WebSocket: typeof undici.WebSocket }).WebSocket, ws)
  })
}

/** Runs a client in Python, and gives what it saw. */
async function runPython(script: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { executable } = await versionsOf(handler)
  const { stdout } = await promisify(execFile)(executable, [join(fixtures, 'apps/clients', script), ...args])
  return JSON.parse(stdout) as Record<string, unknown>
}

test('Python httpx: bodies, streams, connections kept alive', async (t) => {
  const { url } = await start(t)
  t.deepEqual(await runPython('with_httpx.py', url, unique()), {
    hello: {
      method: 'GET',
      http_version: '1.1',
      scheme: 'http',
      query: ['a', 'é'],
      header: 'yes',
      port: null,
      version: 'HTTP/1.1',
    },
    'kept alive': true,
    bodies: [true, true, 2_560_000],
    echo: true,
    gated: ['first', 'second'],
    left: 'finished',
    form: { name: 'naïve.bin', size: 300_000, note: 'ü' },
    head: [200, true, ''],
    redirect: [405, 200, '/hello'],
    many: true,
  })
})

for (const [what, python, extensions] of [
  ['', handler, []],
  [' with permessage-deflate', deflating, ['permessage-deflate']],
] as const) {
  test(`Python websockets${what}: messages, fragments, pings, closes`, async (t) => {
    const { ws } = await start(t, python)
    const name = unique()
    t.deepEqual(await runPython('with_websockets.py', ws, name), {
      subprotocol: 'v2',
      header: 'yes',
      extensions,
      scope: { scheme: 'ws', http_version: '1.1', origin: 'http://example.org' },
      fragmented: 'fragmented',
      pong: true,
      'in order': true,
      'closed by the app': [4001, 'as you wish'],
      refused: [403, 'not you'],
      'closed by the client': [4002, 'that was all'],
      many: true,
    })
    t.deepEqual(await probe.wait(`${name}:gone`), [4002, 'that was all'])
  })
}

let chrome: Browser | undefined

/** A page of the server in the browser. */
async function browse(t: ExecutionContext, url: string): Promise<Page> {
  chrome ??= await launchChrome()
  const page = await chrome.newPage()
  t.teardown(() => page.close())
  const session = await page.createCDPSession()
  await session.send('Security.setIgnoreCertificateErrors', { ignore: true })
  await page.goto(url)
  return page
}

test.after.always(() => chrome?.close())

for (const [what, place, scheme, version] of [
  ['', start, 'ws', '1.1'],
  [' over TLS and HTTP/2', startSecurely, 'wss', '2'],
] as const) {
  test.serial(`the browser: fetch${what}`, async (t) => {
    const { url } = await place(t)
    const page = await browse(t, url)
    const name = unique()
    const seen = await page.evaluate(`(async () => {
      const hello = await (await fetch('/hello?q=é')).json()
      const bytes = new Uint8Array(2_000_000).map((_, index) => index)
      const digest = await (await fetch('/digest', { method: 'POST', body: bytes })).json()
      const form = new FormData()
      form.append('file', new Blob(['x'.repeat(100_000)]), 'naïve.bin')
      form.append('note', 'ü')
      const posted = await (await fetch('/form', { method: 'POST', body: form })).json()
      const gated = (await fetch('/gated/${name}')).body.pipeThrough(new TextDecoderStream()).getReader()
      const pieces = [(await gated.read()).value]
      await fetch('/open/${name}', { method: 'POST' })
      pieces.push((await gated.read()).value)
      const abort = new AbortController()
      await fetch('/gated/${name}-left?last', { signal: abort.signal })
      abort.abort()
      const left = await (await fetch('/finished/${name}-left')).text()
      const moved = await fetch('/redirect')
      return { version: hello.http_version, query: hello.query, digest, posted, pieces, left, moved: moved.url }
    })()`)
    t.deepEqual(seen, {
      version,
      query: ['é'],
      digest: {
        length: 2_000_000,
        sha256: sha256(Uint8Array.from({ length: 2_000_000 }, (_, index) => index)),
      },
      posted: { name: 'naïve.bin', size: 100_000, note: 'ü' },
      pieces: ['first\n', 'second\n'],
      left: 'finished',
      moved: `${url}/hello`,
    })
  })

  test.serial(`the browser: EventSource comes back where it was${what}`, async (t) => {
    const page = await browse(t, (await place(t)).url)
    const numbers = await page.evaluate(`new Promise((resolve) => {
      const numbers = []
      const source = new EventSource('/events')
      source.addEventListener('number', ({ data, lastEventId }) => {
        numbers.push([data, lastEventId])
        if (numbers.length < 6) return
        source.close()
        resolve(numbers)
      })
    })`)
    t.deepEqual(
      numbers,
      [1, 2, 3, 4, 5, 6].map((number) => [String(number), String(number)]),
    )
  })

  test.serial(`the browser: WebSocket${what}`, async (t) => {
    const { url } = await place(t)
    const page = await browse(t, url)
    const name = unique()
    const seen = await page.evaluate(`(async () => {
      const open = (path, protocols) => new Promise((resolve, reject) => {
        const socket = new WebSocket(location.origin.replace('http', 'ws') + path, protocols)
        socket.binaryType = 'arraybuffer'
        socket.onopen = () => resolve(socket)
        socket.onerror = () => reject(new Error('refused'))
      })
      const next = (socket) => new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data)))
      const closed = (socket) => new Promise((resolve) => {
        socket.onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean])
      })
      const ask = async (socket, data) => {
        const answer = next(socket)
        socket.send(data)
        return answer
      }
      const socket = await open('/socket', ['v1', 'v2'])
      const scope = JSON.parse(await ask(socket, 'scope'))
      const text = 'grüße 🦀'.repeat(10_000)
      const bytes = new Uint8Array(200_000).map((_, index) => index)
      const same = (await ask(socket, text)) === text
      const back = new Uint8Array(await ask(socket, bytes))
      const byApp = closed(socket)
      socket.send('close')
      const leaving = await open('/socket?name=${name}')
      const byClient = closed(leaving)
      leaving.close(4002, 'that was all')
      const refused = await open('/socket?ban=1').then(() => 'accepted', (error) => error.message)
      return {
        protocol: socket.protocol, scope, same, bytes: back.every((byte, index) => byte === index % 256) && back.length,
        byApp: await byApp, byClient: await byClient, refused,
      }
    })()`)
    t.deepEqual(seen, {
      protocol: 'v2',
      scope: { scheme, http_version: version, origin: url },
      same: true,
      bytes: 200_000,
      byApp: [4001, 'as you wish', true],
      byClient: [4002, 'that was all', true],
      refused: 'refused',
    })
    t.deepEqual(await probe.wait(`${name}:gone`), [4002, 'that was all'])
  })
}

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})
