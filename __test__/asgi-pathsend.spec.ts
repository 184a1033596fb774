import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
} from 'node:fs'
import { appendFile, open, writeFile } from 'node:fs/promises'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, createServer as createSocketServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { PythonError } from '../index.js'
import { request, valuesOf } from './helpers/client.js'
import { runNode } from './helpers/node-process.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { Recorder } from './helpers/recorder.js'
import { bytes, receive, type Raised, Script, type Step } from './helpers/script.js'
import { serveInProcess } from './helpers/served-process.js'
import { serve } from './helpers/server.js'
import { becomes, settled } from './helpers/settled.js'

const script = shareHandler({ app: 'asgi_script:app', pathsend: true, logger: new Recorder() })
const pathsend = shareHandler({ app: 'pathsend:app', pathsend: true })
const probe = shareProbe()

const folder = mkdtempSync(join(tmpdir(), 'amphis-pathsend-'))
test.after.always(() => rmSync(folder, { recursive: true }))

const mebibyte = 2 ** 20

/** A file of the test's own. */
async function file(content: string | Uint8Array, name: string = unique()): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

/** A file of a size that takes no room. */
async function sparse(size: number): Promise<string> {
  const path = await file('')
  truncateSync(path, size)
  return path
}

const start = (headers: unknown[] = [], status = 200): Step => [
  'send',
  { type: 'http.response.start', status, headers },
]
const message = (path: unknown) => ({ type: 'http.response.pathsend', path })
const send = (path: unknown): Step => ['send', message(path)]
const length = (value: number) => [[bytes('content-length'), bytes(String(value))]]
const body = (text: string, more = false): Step => [
  'send',
  { type: 'http.response.body', body: bytes(text), more_body: more },
]

const line = (target: string, method = 'GET', version = '1.1') =>
  `${method} ${target} HTTP/${version}\r\nHost: test\r\n\r\n`

/** A connection to an app that does what it is told. */
async function run(t: ExecutionContext, steps: Step[], method = 'GET', version = '1.1') {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', pathsend: true, logger })
  const { port } = await serve(t, handler.listener)
  const played = new Script(probe, steps)
  const raw = await RawConnection.open(t, port)
  raw.write(line(played.target, method, version))
  return { raw, script: played, logger, port }
}

const isLinux = process.platform === 'linux'

/** How many descriptors of a process are of a file. Only Linux tells; elsewhere none are seen. */
function descriptors(path: string, pid: number | 'self' = 'self'): number {
  if (!isLinux) return 0
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(path)
    } catch {
      return false
    }
  }).length
}

for (const size of [1, 4096, 16_385, 65_535, 65_536, 65_537, 262_145, 1_000_003]) {
  test(`sends a file of ${size} bytes, and tells its length`, async (t) => {
    const content = randomBytes(size)
    const { raw } = await run(t, [start([[bytes('content-type'), bytes('x/y')]]), send(await file(content))])
    const response = await raw.response()
    t.is(response.status, 200)
    const flat = response.headers.flat()
    t.deepEqual(valuesOf(flat, 'content-length'), [String(size)])
    t.deepEqual(valuesOf(flat, 'transfer-encoding'), [])
    t.deepEqual(valuesOf(flat, 'content-type'), ['x/y'])
    t.true(content.equals(Buffer.from(response.body, 'latin1')))
  })
}

test('sends an empty file', async (t) => {
  const { raw, script: played } = await run(t, [start(), send(await file(''))])
  const { status, headers, body: content } = await raw.response()
  t.deepEqual([status, valuesOf(headers.flat(), 'content-length'), content], [200, ['0'], ''])
  raw.write(line(played.target))
  t.is((await raw.response()).status, 200)
})

test('sends a file of 100 MiB whole', async (t) => {
  const path = join(folder, unique())
  const hash = createHash('sha256')
  const handle = await open(path, 'w')
  for (let index = 0; index < 100; index++) {
    const piece = randomBytes(mebibyte)
    hash.update(piece)
    await handle.write(piece)
  }
  await handle.close()
  const { url } = await serve(t, script.listener)
  const played = new Script(probe, [start(), send(path)])
  const answer = await request(url + played.target)
  t.is(answer.headers['content-length'], String(100 * mebibyte))
  t.is(createHash('sha256').update(answer.body).digest('hex'), hash.digest('hex'))
  unlinkSync(path)
})

test('keeps the status and the headers of the app', async (t) => {
  const headers = [
    [bytes('set-cookie'), bytes('a=1')],
    [bytes('set-cookie'), bytes('b=2')],
    [bytes('x-latin'), bytes('caf\u00e9')],
  ]
  const { raw } = await run(t, [start(headers, 206), send(await file('content'))])
  const response = await raw.response()
  t.is(response.status, 206)
  t.deepEqual(valuesOf(response.headers.flat(), 'set-cookie'), ['a=1', 'b=2'])
  t.deepEqual(valuesOf(response.headers.flat(), 'x-latin'), ['caf\u00e9'])
  t.is(response.body, 'content')
})

test('a content-length that fits is kept, and of a longer file only so much is sent', async (t) => {
  const path = await file('0123456789')
  for (const [declared, content] of [
    [10, '0123456789'],
    [4, '0123'],
    [0, ''],
  ] as const) {
    const { raw } = await run(t, [start(length(declared)), send(path)])
    const response = await raw.response()
    t.deepEqual(valuesOf(response.headers.flat(), 'content-length'), [String(declared)])
    t.is(response.body, content)
    t.is(raw.socket.readyState, 'open')
  }
})

for (const name of ['spaces and # ? %41', 'caf\u00e9 🐍', 'a\nline']) {
  test(`takes a path of any characters: ${JSON.stringify(name)}`, async (t) => {
    const { raw } = await run(t, [start(), send(await file('found', name))])
    t.is((await raw.response()).body, 'found')
  })
}

test('takes a path in bytes, and one that is an os.PathLike', async (t) => {
  const path = await file('found', `${unique()} caf\u00e9`)
  const { raw } = await run(t, [start(), send(bytes(Buffer.from(path).toString('latin1')))])
  t.is((await raw.response()).body, 'found')
  const { url } = await serve(t, pathsend.listener)
  for (const kind of ['text', 'bytes', 'like']) {
    const answer = await request(`${url}/sends?kind=${kind}&path=${encodeURIComponent(path)}`)
    t.deepEqual([answer.status, answer.text], [200, 'found'], kind)
  }
})

test('takes a path that is no UTF-8, as os.fsdecode() gives it', async (t) => {
  const path = Buffer.concat([Buffer.from(`${folder}/latin-`), Buffer.from([0xe9])])
  if (!isLinux) {
    // Other systems have no such names.
    t.pass()
    return
  }
  await writeFile(path, 'found')
  const { raw } = await run(t, [start(), send(`${folder}/latin-\udce9`)])
  t.is((await raw.response()).body, 'found')
})

test('follows a symbolic link', async (t) => {
  const link = join(folder, unique())
  symlinkSync(await file('behind the link'), link)
  const { raw } = await run(t, [start(), send(link)])
  t.is((await raw.response()).body, 'behind the link')
})

test('HEAD has the length of the file and nothing of it', async (t) => {
  const path = await file('0123456789')
  const { raw, port } = await run(t, [start(), send(path)], 'HEAD')
  const { status, headers } = await raw.response('head')
  t.deepEqual([status, valuesOf(headers.flat(), 'content-length')], [200, ['10']])
  const next = new Script(probe, [start(), send(path)])
  raw.write(line(next.target))
  t.is((await raw.response()).body, '0123456789')
  t.truthy(port)
  t.is(await becomes(0, () => descriptors(path)), 0)
})

for (const status of [204, 304]) {
  test(`a ${status} has nothing of the file`, async (t) => {
    const path = await file('0123456789')
    const { raw } = await run(t, [start([], status), send(path)])
    t.is((await raw.response()).status, status)
    const next = new Script(probe, [start(), send(path)])
    raw.write(line(next.target))
    t.is((await raw.response()).body, '0123456789')
    t.is(await becomes(0, () => descriptors(path)), 0)
  })
}

test('files and other responses follow each other on one connection, also pipelined', async (t) => {
  const path = await file('x'.repeat(100_000))
  const { port } = await serve(t, script.listener)
  const raw = await RawConnection.open(t, port)
  const targets = Array.from({ length: 10 }, (_, index) =>
    index % 2
      ? new Script(probe, [start(length(2)), body('ok')]).target
      : new Script(probe, [start(), send(path)]).target,
  )
  raw.write(targets.map((target) => line(target)).join(''))
  for (let index = 0; index < 10; index++) t.is((await raw.response()).body.length, index % 2 ? 2 : 100_000)
})

test('HTTP/1.0 gets the file and the end of the connection', async (t) => {
  const { raw } = await run(t, [start(), send(await file('content'))], 'GET', '1.0')
  const { text, end } = await raw.rest()
  t.regex(text, /\r\n\r\ncontent$/)
  t.is(end, 'end')
})

test('HTTP/2 gets the file', async (t) => {
  const content = randomBytes(1_000_000)
  const path = await file(content)
  const server = createHttp2Server(script.listener as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    session.destroy()
    server.close()
  })
  const stream = session.request({ ':path': new Script(probe, [start(), send(path)]).target })
  const [headers] = (await once(stream, 'response')) as [Record<string, string>]
  t.is(headers['content-length'], '1000000')
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  t.true(content.equals(Buffer.concat(chunks)))
})

test('middleware of Express gets the file, with the headers of both', async (t) => {
  const content = randomBytes(500_000)
  const path = await file(content)
  const app = express()
  app.use((_req, res, next) => {
    res.setHeader('x-host', 'yes')
    next()
  })
  app.use('/py', script.middleware)
  const { url } = await serve(t, app)
  const played = new Script(probe, [start([[bytes('x-app'), bytes('yes')]]), send(path)])
  const answer = await request(`${url}/py${played.target}`)
  t.like(answer.headers, { 'x-host': 'yes', 'x-app': 'yes', 'content-length': '500000' })
  t.true(content.equals(answer.body))
  const missing = new Script(probe, [start(), send('/no/such/file')])
  t.is((await request(`${url}/py${missing.target}`)).status, 500)
})

test('a file in the place of a response that the host has ended is closed', async (t) => {
  const path = await sparse(8 * mebibyte)
  const { url } = await serve(t, (req, res) => {
    void script.listener(req, res)
    res.statusCode = 503
    res.end('of the host')
  })
  const played = new Script(probe, [['receive'], start(), ['try', message(path)]])
  const answer = await request(url + played.target)
  t.deepEqual([answer.status, answer.text], [503, 'of the host'])
  await played.outcome()
  t.is(await becomes(0, () => descriptors(path)), 0)
})

test('a hundred at once are each whole', async (t) => {
  const contents = Array.from({ length: 10 }, () => randomBytes(300_000))
  const own = join(folder, unique())
  mkdirSync(own)
  const paths = await Promise.all(contents.map(async (content) => file(content, join(basename(own), unique()))))
  const { url } = await serve(t, script.listener)
  const answers = await Promise.all(
    Array.from({ length: 100 }, async (_, index) =>
      request(url + new Script(probe, [start(), send(paths[index % 10])]).target),
    ),
  )
  t.true(answers.every(({ body: content }, index) => contents[index % 10]?.equals(content)))
  t.is(await becomes(0, () => descriptors(own)), 0)
})

test('a file that is unlinked, replaced or grown once it is sent arrives as it was', async (t) => {
  const size = 32 * mebibyte
  for (const change of ['unlink', 'grow']) {
    const path = await sparse(size)
    const { port } = await serve(t, script.listener)
    const played = new Script(probe, [start(), send(path), ['tell', 'sent']])
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.pause()
    socket.write(`GET ${played.target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
    await played.wait('sent')
    if (change === 'unlink') unlinkSync(path)
    else await appendFile(path, 'x'.repeat(mebibyte))
    let received = 0
    socket.on('data', (chunk: Buffer) => (received += chunk.length))
    socket.resume()
    await once(socket, 'end')
    t.true(received > size && received < size + 1000, `${change}: ${received}`)
  }
})

test('a file that shrinks while it is sent destroys the connection, and is logged', async (t) => {
  const size = 256 * mebibyte
  const path = await sparse(size)
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'asgi_script:app', pathsend: true, logger })
  const { port, url } = await serve(t, handler.listener)
  const played = new Script(probe, [start(), send(path), ['tell', 'sent']])
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  socket.write(line(played.target))
  await played.wait('sent')
  truncateSync(path, 1000)
  let received = 0
  socket.on('data', (chunk: Buffer) => (received += chunk.length))
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'close')
  t.true(received < size)
  const error = await logger.waitForError()
  t.like(error, { code: 'AMPHIS_ERR_INCOMPLETE_RESPONSE' })
  t.true(error.message.includes(path), error.message)
  // Nobody else is concerned.
  const next = new Script(probe, [start(), send(await file('next'))])
  t.is((await request(url + next.target)).text, 'next')
  t.is(await becomes(0, () => descriptors(path)), 0)
})

test('a client that leaves in the middle is told to the app, and the file is closed', async (t) => {
  const path = await sparse(256 * mebibyte)
  const { port } = await serve(t, pathsend.listener)
  for (const how of ['reset', 'leave'] as const) {
    const name = unique()
    const raw = await RawConnection.open(t, port)
    raw.socket.pause()
    raw.write(line(`/works_on?name=${name}&path=${encodeURIComponent(path)}`))
    await probe.wait(`${name}:sent`)
    t.is(descriptors(path), isLinux ? 1 : 0)
    raw[how]()
    t.is(await probe.wait(`${name}:message`), 'http.disconnect')
    t.is(await becomes(0, () => descriptors(path)), 0)
    await probe.tell(`${name}:go`)
  }
})

test('clients that leave at once leave no descriptor open', async (t) => {
  const path = await sparse(8 * mebibyte)
  const { port } = await serve(t, script.listener)
  for (let index = 0; index < 100; index++) {
    const raw = await RawConnection.open(t, port)
    raw.write(line(new Script(probe, [start(), send(path)]).target))
    for (let turn = 0; turn < index % 5; turn++) await new Promise(setImmediate)
    raw[index % 2 ? 'reset' : 'leave']()
  }
  t.is(await becomes(0, () => descriptors(path)), 0)
})

for (const how of ['reset', 'leave'] as const) {
  test(`a file whose turn never comes, since the client leaves, is closed: ${how}`, async (t) => {
    const path = await sparse(8 * mebibyte)
    const { port } = await serve(t, script.listener)
    const first = new Script(probe, [receive, ['tell', 'asked'], receive])
    const second = new Script(probe, [start(), send(path), ['tell', 'sent']])
    const raw = await RawConnection.open(t, port)
    raw.write(line(first.target) + line(second.target))
    await Promise.all([first.wait('asked'), second.wait('sent')])
    t.is(descriptors(path), isLinux ? 1 : 0)
    raw[how]()
    t.deepEqual((await first.outcome()).at(-1), { type: 'http.disconnect' })
    t.is(await becomes(0, () => descriptors(path)), 0)
  })
}

test('the client has the whole file while the app is still at work', async (t) => {
  const path = await file('content')
  const name = unique()
  const { port } = await serve(t, pathsend.listener)
  const raw = await RawConnection.open(t, port)
  raw.write(line(`/works_on?name=${name}&path=${encodeURIComponent(path)}`))
  t.is((await raw.response()).body, 'content')
  // The response is over, and so is what receive() waits for.
  t.is(await probe.wait(`${name}:message`), 'http.disconnect')
  await probe.tell(`${name}:go`)
  await t.notThrowsAsync(probe.wait(`${name}:left`))
})

test.serial('a GiB to a slow client stays bounded in memory', async (t) => {
  const path = await sparse(2 ** 30)
  const { port } = await serve(t, script.listener)
  const played = new Script(probe, [start(), send(path), ['tell', 'sent']])
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  const before = process.memoryUsage.rss()
  let peak = before
  socket.write(`GET ${played.target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
  await played.wait('sent')
  peak = Math.max(peak, await settled(async () => Math.round(process.memoryUsage.rss() / mebibyte) * mebibyte))
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    peak = Math.max(peak, process.memoryUsage.rss())
  })
  socket.resume()
  await once(socket, 'end')
  t.true(received > 2 ** 30)
  // Node.js 24 itself takes some 100 MiB.
  const bound = (Number.parseInt(process.versions.node) < 24 ? 100 : 200) * mebibyte
  t.true(peak - before < bound, `grew by ${Math.round((peak - before) / mebibyte)} MiB`)
})

// What cannot be sent.

function special(kind: 'fifo' | 'directory' | 'missing' | 'folder missing' | 'through a file' | 'loop'): string {
  const path = join(folder, unique())
  if (kind === 'directory') return folder
  if (kind === 'fifo') execFileSync('mkfifo', [path])
  if (kind === 'loop') symlinkSync(path, path)
  if (kind === 'folder missing') return join(path, 'x')
  if (kind === 'through a file') {
    execFileSync('touch', [path])
    return join(path, 'x')
  }
  return path
}

for (const [what, path, error, says] of [
  ['is missing', () => special('missing'), 'FileNotFoundError', /amphis/],
  ['is in a folder that is missing', () => special('folder missing'), 'FileNotFoundError', /amphis/],
  ['leads through a file', () => special('through a file'), 'NotADirectoryError', /amphis/],
  ['is a directory', () => special('directory'), 'IsADirectoryError', /amphis/],
  ['is a link to itself', () => special('loop'), 'OSError', /amphis/],
  ['is a fifo', () => special('fifo'), 'OSError', /amphis/],
  ['is a device', () => '/dev/zero', 'OSError', /\/dev\/zero/],
  ['is too long', () => `/${'x'.repeat(5000)}`, 'OSError', /x/],
  ['is empty', () => '', 'FileNotFoundError', /path|No such/],
  ['has a NUL', () => '/etc/passwd\0.txt', 'ValueError', /NUL|null/i],
  ['is a repr() of bytes', () => "b'/etc/passwd'", 'FileNotFoundError', /repr\(\) of bytes.*os\.fsdecode/],
  ['is another', () => 'b"/etc/passwd"', 'FileNotFoundError', /repr\(\) of bytes.*os\.fsdecode/],
  ['is None', () => null, 'Exception', /path/],
  ['is a number', () => 5, 'TypeError', /path/],
] as const) {
  test(`a path that ${what} raises ${error} at send(), and is a 500 if that is let out`, async (t) => {
    const { raw, script: played, logger } = await run(t, [start(), send(path())])
    t.like(await raw.response(), { status: 500, body: 'Internal Server Error' })
    const raised = await played.raised()
    t.true(raised.classes.includes(error), JSON.stringify(raised))
    t.regex(raised.message, says)
    t.true((await logger.waitForError()) instanceof PythonError)
  })

  test(`an app that catches the error of a path that ${what} may send another body, or another response`, async (t) => {
    const given = path()
    const staying = await run(t, [start([], 202), ['try', message(given)], body('instead')])
    t.like(await staying.raw.response(), { status: 202, body: 'instead' })
    const other = await run(t, [start(), ['try', message(given)], start([], 404), body('not here')])
    t.like(await other.raw.response(), { status: 404, body: 'not here' })
    for (const { script: played, logger } of [staying, other]) {
      t.true(((await played.outcome()) as Raised[])[0]?.classes.includes(error))
      t.deepEqual(logger.at('error'), [])
    }
  })
}

test('a path before the start raises RuntimeError', async (t) => {
  const { raw, script: played } = await run(t, [['try', message('/etc/passwd')], start([], 404), body('not here')])
  t.like(await raw.response(), { status: 404, body: 'not here' })
  const [tried] = (await played.outcome()) as Raised[]
  t.is(tried?.error, 'RuntimeError')
  t.regex(String(tried?.message), /http\.response\.start/)
})

test('a relative path is completed by the working directory, as it is for open()', async (t) => {
  // The specification asks for absolute ones, but Starlette passes on what it is given.
  const { raw } = await run(t, [start(), send('package.json')])
  t.is((JSON.parse((await raw.response()).body) as { name: string }).name, 'amphis')
})

test('the error of a missing file has its path and its number, as open() would', async (t) => {
  const { script: played } = await run(t, [start(), send('/no/such/file')])
  t.regex((await played.raised()).message, /\[Errno 2\].*\/no\/such\/file/)
})

test('a socket in the file system cannot be sent', async (t) => {
  const path = join(folder, unique().slice(0, 8))
  const server = createSocketServer().listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { raw, script: played } = await run(t, [start(), send(path)])
  t.is((await raw.response()).status, 500)
  t.true((await played.raised()).classes.includes('OSError'))
})

test('a fifo holds up nobody', async (t) => {
  const { url } = await serve(t, script.listener)
  const pending = Array.from({ length: 8 }, async () =>
    request(url + new Script(probe, [start(), send(special('fifo'))]).target),
  )
  t.is((await request(url + new Script(probe, [start(), body('quick')]).target)).text, 'quick')
  for (const answer of await Promise.all(pending)) t.is(answer.status, 500)
})

test.serial('a file without permission raises PermissionError', async (t) => {
  const path = await file('secret')
  chmodSync(path, 0)
  const steps = JSON.stringify([start(), ['try', message(path)], body('denied')])
  const child = runNode(
    t,
    { app: 'asgi_script:app', lifespan: 'off', pathsend: true },
    `import { createServer } from 'node:http'
     const handler = new PythonHandler(options)
     await handler.ready()
     const server = createServer(handler.listener).listen(0, '127.0.0.1', async () => {
       const ask = async (steps) => {
         const query = 'name=' + Math.random() + '&steps=' + encodeURIComponent(steps)
         return (await fetch('http://127.0.0.1:' + server.address().port + '/?' + query)).text()
       }
       await ask(${JSON.stringify(JSON.stringify([start(), body('warm')]))})
       // Nothing is forbidden to root.
       if (process.getuid() === 0) process.seteuid(65534)
       console.log('got ' + await ask(${JSON.stringify(steps)}))
       const raising = await ask(${JSON.stringify(JSON.stringify([start(), send(path)]))})
       if (process.getuid() === 0) process.seteuid(0)
       console.log('then ' + raising)
       server.closeAllConnections()
       server.close()
     })`,
  )
  const { stdout, stderr } = await child.ends()
  t.regex(stdout, /got denied/, stderr)
  t.regex(stdout, /then Internal Server Error/)
  t.regex(stderr, /PermissionError: \[Errno 13\]/)
})

for (const [what, declared] of [
  ['one byte', 11],
  ['much', 1_000_000],
] as const) {
  test(`a file shorter than the content-length by ${what} raises RuntimeError, and nothing is sent`, async (t) => {
    const path = await file('0123456789')
    const { raw, script: played } = await run(t, [start(length(declared)), send(path)])
    t.is((await raw.response()).status, 500)
    const raised = await played.raised()
    t.is(raised.error, 'RuntimeError')
    t.regex(raised.message, /content-length/i)
    t.is(await becomes(0, () => descriptors(path)), 0)
  })
}

for (const [what, before, after] of [
  ['a file after a piece of the body', [start(), body('piece', true)], undefined],
  ['a file after the body', [start(), body('whole')], undefined],
  ['a second file', [start(), 'file'], undefined],
  ['a body after a file', [start(), 'file'], { type: 'http.response.body', body: bytes('late') }],
  ['a start after a file', [start(), 'file'], { type: 'http.response.start', status: 200 }],
] as const) {
  test(`${what} raises RuntimeError`, async (t) => {
    const path = await file('content')
    const steps = before.map((step) => (step === 'file' ? send(path) : step))
    const { script: played } = await run(t, [...steps, ['try', after ?? message(path)]])
    const [tried] = (await played.outcome()) as Raised[]
    t.is(tried?.error, 'RuntimeError')
    t.regex(String(tried?.message), /http\.response\./)
  })
}

for (const [what, second] of [
  ['another', () => file('second')],
  ['the same', () => undefined],
  ['a missing one', () => '/no/such/file'],
  ['one that can be none', () => 'a\0b'],
] as const) {
  test(`while a file is being opened ${what} raises, and the first goes out`, async (t) => {
    const { url } = await serve(t, pathsend.listener)
    for (const turns of [0, 1]) {
      const path = await file('first')
      const name = unique()
      const given = { name, path, second: (await second()) ?? path, turns: String(turns) }
      const query = new URLSearchParams(given).toString()
      t.is((await request(`${url}/two_at_once?${query}`)).text, 'first')
      await probe.wait(`${name}:left`)
      const [raised] = await probe.marks(name)
      t.true(raised === 'RuntimeError' || raised === 'ValueError', String(raised))
      t.is(await becomes(0, () => descriptors(path)), 0)
    }
  })
}

for (const how of ['close', 'cancel at once', 'cancel']) {
  test(`an app that gives up a file which is being opened may answer in another way: ${how}`, async (t) => {
    const { url } = await serve(t, pathsend.listener)
    const path = await file('unwanted')
    const query = new URLSearchParams({ path, how }).toString()
    let answer
    let attempts = 0
    // A file may be open so soon that there is nothing to give up.
    do answer = await request(`${url}/gives_up?${query}`)
    while (answer.text === 'unwanted' && ++attempts < 1000)
    t.deepEqual([answer.status, answer.text, answer.headers['content-length']], [200, 'instead', '7'])
    t.is(await becomes(0, () => descriptors(path)), 0)
  })
}

test.serial('a finalizer that sends while a send() is about to raise stops nobody', async (t) => {
  const served = await serveInProcess(t, { app: 'pathsend:app', pathsend: true })
  const name = unique()
  const raw = await RawConnection.open(t, served.port)
  raw.write(line(`/collects?name=${name}&path=${encodeURIComponent(await file('content'))}`))
  await served.probe.wait(`${name}:sending`)
  raw.reset()
  await served.probe.wait(`${name}:left`)
  t.is((await served.probe.marks(name)).length, 1)
  t.like(await served.leave(), { code: 0 })
})

test.serial('in a worker apps send files themselves, and none is left open when it is terminated', async (t) => {
  const worker = `
    const { parentPort, workerData } = await import('node:worker_threads')
    const { createServer, PythonHandler } = await import(workerData.publicFace)
    const ports = []
    for (const app of ['pathsend:app', 'scope:app']) {
      const server = createServer(await new PythonHandler({ ...workerData.options, app }).ready())
      server.listen(0, '127.0.0.1', () => {
        ports.push(server.address().port)
        if (ports.length === 2) parentPort.postMessage(ports)
      })
      await new Promise((resolve) => server.on('listening', resolve))
    }
  `
  const child = runNode(
    t,
    { app: 'probe:app', lifespan: 'off', pathsend: true },
    `import { Worker } from 'node:worker_threads'
     import { once } from 'node:events'
     const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker)}))
     // Keeps Python at work when the worker has gone.
     await new PythonHandler(options).ready()
     const worker = new Worker(source, { workerData: { publicFace, options } })
     console.log('ports ' + (await once(worker, 'message'))[0].join(' ') + ';')
     await once(process.stdin, 'data')
     await worker.terminate()
     console.log('gone;')
     process.stdin.on('end', () => process.exit(0))`,
  )
  const [files = 0, scope = 0] = (await child.printsLine(/ports \d+ \d+;/)).match(/\d+/g)!.map(Number)
  const { extensions } = (await request(`http://127.0.0.1:${scope}/`)).json() as { extensions: object }
  t.deepEqual(Object.keys(extensions).toSorted(), ['http.response.early_hint', 'http.response.trailers'])
  const content = randomBytes(300_000)
  const target = (path: string) => `/starlette?name=${unique()}&path=${encodeURIComponent(path)}`
  t.true(content.equals((await request(`http://127.0.0.1:${files}${target(await file(content))}`)).body))
  const path = await sparse(256 * mebibyte)
  for (let index = 0; index < 3; index++) {
    const raw = await RawConnection.open(t, files)
    raw.write(line(target(path)))
    await raw.until('\r\n\r\n')
    raw.socket.pause()
  }
  t.is(descriptors(path, child.child.pid), isLinux ? 3 : 0)
  child.child.stdin.write('terminate')
  await child.prints('gone;')
  t.is(await becomes(0, () => descriptors(path, child.child.pid)), 0)
  child.child.stdin.end()
  t.like(await child.ends(), { code: 0, stderr: '' })
})

test('handle() has no files: RuntimeError that names the extension', async (t) => {
  const played = new Script(probe, [start(), ['try', message('/etc/passwd')], body('without')])
  t.is(await (await script.handle({ url: played.target })).text(), 'without')
  const [tried] = (await played.outcome()) as Raised[]
  t.is(tried?.error, 'RuntimeError')
  t.regex(String(tried?.message), /http\.response\.pathsend/)
})

// Who uses it.

test('Starlette’s FileResponse is sent by its path', async (t) => {
  const content = randomBytes(200_000)
  const path = await file(content, `${unique()}.png`)
  const { url } = await serve(t, pathsend.listener)
  const name = unique()
  const answer = await request(`${url}/starlette?name=${name}&path=${encodeURIComponent(path)}`)
  t.deepEqual(await probe.marks(name), ['http.response.start', 'http.response.pathsend'])
  t.true(content.equals(answer.body))
  t.like(answer.headers, { 'content-length': '200000', 'content-type': 'image/png' })
  t.truthy(answer.headers.etag)
})

test('Starlette’s FileResponse still answers ranges', async (t) => {
  const path = await file('0123456789')
  const { url } = await serve(t, pathsend.listener)
  const target = `${url}/starlette?name=${unique()}&path=${encodeURIComponent(path)}`
  const answer = await request(target, { headers: { range: 'bytes=2-4' } })
  t.deepEqual([answer.status, answer.text], [206, '234'])
})

test('Starlette’s FileResponse of bytes says how to mend it', async (t) => {
  const logger = new Recorder()
  const handler = createHandler(t, { app: 'pathsend:app', pathsend: true, logger })
  const { url } = await serve(t, handler.listener)
  const path = await file('content')
  const answer = await request(`${url}/of_bytes?path=${encodeURIComponent(path)}`)
  t.is(answer.status, 500)
  t.regex((await logger.waitForError()).message, /repr\(\) of bytes.*os\.fsdecode/)
})

test('Starlette’s FileResponse reads the file itself for handle()', async (t) => {
  const path = await file('content')
  const name = unique()
  const response = await pathsend.handle({ url: `/starlette?name=${name}&path=${encodeURIComponent(path)}` })
  t.is(await response.text(), 'content')
  t.false((await probe.marks(name)).includes('http.response.pathsend'))
})
