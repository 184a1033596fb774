import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type ClientHttp2Session, connect } from 'node:http2'
import { request } from 'node:https'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { WebSocket } from 'ws'
import { createCertificate } from '../../../__test__/helpers/certificate.js'
import { EventStream } from '../../../__test__/helpers/event-stream.js'
import { scripted } from '../../../__test__/helpers/messages-api.js'
import { AgentServer, folder, KEY } from './helpers/agent-server.js'

// The server behind nginx, by the configuration that docs/DEPLOYMENT.md shows: another port, and a certificate of our own.

const script = (name: string) => new URL(`../../../scripts/lib/${name}`, import.meta.url).href
const { programOf } = (await import(script('debian-packages.mjs'))) as {
  programOf(name: string, packages: string[]): Promise<string>
}
const { freePort } = (await import(script('running-script.mjs'))) as { freePort(): Promise<number> }

const { certificate, key } = createCertificate()
const page = await readFile(join(folder, 'docs/DEPLOYMENT.md'), 'utf8')
const shown = /```nginx\n([\s\S]*?)```/.exec(page)![1]!

let server: AgentServer
let nginx: ReturnType<typeof spawn>
let port: number
let session: ClientHttp2Session
const scratch = await mkdtemp(join(tmpdir(), 'amphis-nginx-'))

/** The configuration of the page, as one that runs here. */
function configured(): string {
  let text = shown
  for (const [before, after] of [
    ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
    ['# certbot adds ssl_certificate and ssl_certificate_key', 'ssl_certificate c.pem; ssl_certificate_key k.pem;'],
    ['http://127.0.0.1:3000', server.url],
  ] as const) {
    if (!text.includes(before)) throw new Error(`docs/DEPLOYMENT.md has no ${before}`)
    text = text.replace(before, after)
  }
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`)
  const http = ['access_log off;', ...folders, text]
  return `daemon off; pid pid; error_log stderr warn; events {} http { ${http.join('\n')} }`
}

const accepts = () =>
  new Promise<boolean>((resolve) => {
    const socket = connectSocket(port, '127.0.0.1')
    socket.on('connect', () => socket.end(() => resolve(true)))
    socket.on('error', () => resolve(false))
  })

test.before(async (t) => {
  t.timeout(300_000)
  const program = await programOf('nginx', ['nginx-light'])
  server = await AgentServer.start({ env: { RECONNECT_SECONDS: '0.2' } })
  port = await freePort()
  // Its workers are of another user.
  await chmod(scratch, 0o755)
  for (const [name, text] of Object.entries({ 'c.pem': certificate, 'k.pem': key, 'nginx.conf': configured() })) {
    await writeFile(join(scratch, name), text)
  }
  nginx = spawn(program, ['-p', scratch, '-c', 'nginx.conf', '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  nginx.stderr!.on('data', (text: Buffer) => (said += text.toString()))
  while (!(await accepts())) if (nginx.exitCode !== null) throw new Error(said)
  session = connect(`https://127.0.0.1:${port}`, { ca: certificate })
  session.on('error', () => {})
})

test.after.always(async () => {
  session?.destroy()
  if (nginx?.exitCode === null) {
    nginx.kill('SIGTERM')
    await once(nginx, 'exit')
  }
  await server?.close()
  await rm(scratch, { recursive: true, force: true })
})

/** A request over HTTP/2, as browsers make it. */
async function ask(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const sent = {
    ':method': method,
    ':path': path,
    authorization: `Bearer ${KEY}`,
    'content-type': 'application/json',
    ...headers,
  }
  const stream = session.request(sent)
  // One that is refused before it was read whole.
  stream.on('error', () => {})
  stream.end(body === undefined ? undefined : JSON.stringify(body))
  const [answered] = (await once(stream, 'response')) as [{ ':status': number }]
  return { status: answered[':status'], stream }
}

const events = { accept: 'text/event-stream' }

test('every piece of an answer comes at once, over HTTP/2', async (t) => {
  const { status, stream } = await ask('POST', '/query', { prompt: scripted([{ text: 'a b', gate: 'h2' }]) }, events)
  t.is(status, 200)
  const said = new EventStream(stream)
  let event = await said.next()
  while (event.event !== 'text') event = await said.next()
  // The rest has not been made: nothing was held back to fill a buffer.
  t.is((JSON.parse(event.data!) as { text: string }).text, 'a ')
  server.api.open('h2')
  while (event.event !== 'done') event = await said.next()
  t.like(JSON.parse(event.data!), { status: 'completed', text: 'a b' })
})

test('every piece of an answer comes at once, over HTTP/1.1', async (t) => {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...events }
  const asking = request(`https://127.0.0.1:${port}/query`, { method: 'POST', ca: certificate, headers })
  asking.end(JSON.stringify({ prompt: scripted([{ text: 'a b', gate: 'h1' }]) }))
  const [response] = (await once(asking, 'response')) as [AsyncIterable<Buffer>]
  const said = new EventStream(response)
  let event = await said.next()
  while (event.event !== 'text') event = await said.next()
  server.api.open('h1')
  while (event.event !== 'done') event = await said.next()
  t.like(JSON.parse(event.data!), { status: 'completed', text: 'a b' })
})

test('a client that leaves ends its turn', async (t) => {
  const id = await server.session()
  const prompt = scripted([{ text: 'a b', gate: 'never' }])
  const { stream } = await ask('POST', `/sessions/${id}/messages`, { prompt }, events)
  const said = new EventStream(stream)
  while ((await said.next()).event !== 'text');
  const left = performance.now()
  stream.close()
  while ((await server.history(id)).running);
  t.true(performance.now() - left < 2000 * (process.env.CI ? 2 : 1))
  t.like((await server.history(id)).turns[0], { status: 'stopped', error: { code: 'client_gone' } })
})

async function opened(origin: string): Promise<WebSocket | number> {
  const headers = { 'x-api-key': KEY, origin }
  const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, { headers, ca: certificate })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode!))
    socket.once('error', reject)
  })
}

test('a WebSocket of the page passes, one of another page does not', async (t) => {
  t.is(await opened('https://evil.example'), 403)
  const socket = (await opened(`https://127.0.0.1:${port}`)) as WebSocket
  t.true(socket instanceof WebSocket)
  t.teardown(() => socket.terminate())
  const done = new Promise<object>((resolve) => {
    socket.on('message', (text) => {
      const message = JSON.parse((text as Buffer).toString()) as { event?: string; data: object }
      if (message.event === 'done') resolve(message.data)
    })
  })
  socket.send(JSON.stringify({ type: 'query', id: 1, prompt: 'Hello' }))
  t.like(await done, { status: 'completed', text: 'You said: Hello' })
})

test('the page and its health are there, the numbers stay inside', async (t) => {
  for (const [path, status] of [
    ['/', 200],
    ['/health', 200],
    ['/metrics', 403],
  ] as const) {
    t.is((await ask('GET', path)).status, status, path)
  }
  t.is((await ask('POST', '/query', { prompt: 'x'.repeat(6_000_000) })).status, 413)
})

test('nginx waits longer than a turn may take, for clients that read no stream', (t) => {
  const [, seconds] = /proxy_read_timeout (\d+)s;/.exec(shown)!
  const [, longest] = /`TURN_SECONDS`, `TURN_ROUNDS` +\| (\d+), /.exec(page)!
  t.true(Number(seconds) > Number(longest), `${seconds} s, and a turn may take ${longest} s`)
})
