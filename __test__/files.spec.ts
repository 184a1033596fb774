// Files that apps send in the ordinary way, piece by piece.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import express from 'express'
import { AmphisError, createServer, PythonHandler } from '../index.js'
import { request, requestHead } from './helpers/client.js'
import { amphisIn, announced, serveByCommand, suite } from './helpers/command-line.js'
import { openSession, request as requestHttp2 } from './helpers/http2-client.js'
import { listen } from './helpers/listen.js'
import { unique } from './helpers/probe.js'
import { createHandler, fixtures, shareHandler } from './helpers/python.js'
import { serve } from './helpers/server.js'
import { settled } from './helpers/settled.js'

const files = shareHandler('files:app')
const folder = mkdtempSync(join(tmpdir(), 'amphis-files-'))
test.after.always(() => rmSync(folder, { recursive: true }))

const mebibyte = 2 ** 20

function file(content: string | Uint8Array): string {
  const path = join(folder, unique())
  writeFileSync(path, content)
  return path
}

const target = (path: string, kind = 'text') => `/named?kind=${kind}&path=${encodeURIComponent(path)}`

for (const kind of ['text', 'bytes', 'like']) {
  test(`a FileResponse passes middleware that knows only start and body: ${kind}`, async (t) => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 300_001]) {
      const content = randomBytes(size)
      const path = file(content)
      const { url } = await serve(t, files.listener)
      const answer = await request(`${url}${target(path, kind)}`)
      t.is(answer.status, 200)
      t.is(answer.headers['content-length'], String(size))
      t.true(content.equals(answer.body), String(size))
    }
  })
}

test('so it does in Express, in a server of amphis, over HTTP/2 and through handle()', async (t) => {
  const content = randomBytes(200_000)
  const path = file(content)
  const { url } = await serve(t, express().use('/py', files.middleware))
  t.true(content.equals((await request(`${url}/py${target(path)}`)).body))
  const own = await listen(t, createServer(files))
  t.true(content.equals((await request(`${own.url}${target(path)}`)).body))
  const session = await openSession(t, (await listen(t, createServer(files, { http2: true }))).url)
  t.true(content.equals((await requestHttp2(session, { ':path': target(path) })).body))
  t.true(content.equals(await (await files.handle({ url: target(path) })).bytes()))
})

test('StaticFiles, ranges and HEAD too', async (t) => {
  const { url } = await serve(t, files.listener)
  const content = readFileSync(join(fixtures, 'static', 'hello.txt'))
  t.true(content.equals((await request(`${url}/static/hello.txt`)).body))
  const path = file('0123456789')
  const part = await request(`${url}${target(path)}`, { headers: { range: 'bytes=2-4' } })
  t.deepEqual([part.status, part.text], [206, '234'])
  const head = await requestHead(`${url}${target(path)}`)
  t.is(head.headers['content-length'], '10')
})

test('the command line offers pathsend only where it is asked to', async (t) => {
  const offered = async (url: string) =>
    'http.response.pathsend' in ((await request(url)).json() as { extensions: object }).extensions
  t.false(await offered((await serveByCommand(t, 'scope:app', '--lifespan', 'off')).url))
  t.true(await offered((await serveByCommand(t, 'scope:app', '--lifespan', 'off', '--pathsend')).url))
  const inVariable = amphisIn({ AMPHIS_PATHSEND: 'true' }, t, 'scope:app', '--lifespan', 'off', '--port', '0', ...suite)
  t.true(await offered((await announced(inVariable, 'scope:app')).url))
  const inWorker = ['--lifespan', 'off', '--pathsend', '--workers', '2']
  t.true(await offered((await serveByCommand(t, 'scope:app', ...inWorker)).url))
})

test('pathsend is true or false', (t) => {
  const error = t.throws(() => new PythonHandler({ app: 'files:app', pathsend: 1 as never }), {
    instanceOf: AmphisError,
  })
  t.like(error, { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
  t.regex(error.message, /pathsend/)
})

test.serial('a large file to a slow client stays bounded in memory, and comes whole', async (t) => {
  const size = 300 * mebibyte
  const path = file('')
  truncateSync(path, size)
  const { port } = await serve(t, createHandler(t, 'files:app').listener)
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  const before = process.memoryUsage.rss()
  socket.write(`GET ${target(path)} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
  await once(socket, 'readable')
  let peak = await settled(async () => Math.round(process.memoryUsage.rss() / mebibyte) * mebibyte)
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    peak = Math.max(peak, process.memoryUsage.rss())
  })
  socket.resume()
  await once(socket, 'end')
  t.true(received > size)
  t.true(peak - before < 150 * mebibyte, `grew by ${Math.round((peak - before) / mebibyte)} MiB`)
})
