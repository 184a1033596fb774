import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createBrotliDecompress, createGunzip, gunzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import compression from 'compression'
import express from 'express'
import { request, requestHead } from './helpers/client.js'
import { express4 } from './helpers/hosts.js'
import { listen } from './helpers/listen.js'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

// Behind a host that compresses, what an app sends goes out when it is sent.

const stream = shareHandler('stream:app')
const events = shareHandler('stream:server_sent')
const broken = shareHandler({ app: 'stream:app', logger: new Recorder() })
const probe = shareProbe()

/** The text of a response as it comes in. */
async function* texts(response: IncomingMessage): AsyncGenerator<string> {
  const plain =
    response.headers['content-encoding'] === 'br'
      ? response.pipe(createBrotliDecompress())
      : response.pipe(createGunzip())
  for await (const chunk of plain) yield String(chunk)
}

/** Reads until a text is there. */
async function until(all: AsyncGenerator<string>, wanted: string): Promise<string> {
  let text = ''
  while (!text.includes(wanted)) {
    const { value, done } = await all.next()
    if (done === true) throw new Error(`ended before ${wanted}: ${text}`)
    text += value
  }
  return text
}

const serveCompressed = async (t: ExecutionContext, make: typeof express) =>
  serve(
    t,
    make()
      .use(compression({ threshold: 0 }))

      .use('/events', events.middleware)
      .use(stream.middleware),
  )

for (const [name, make] of [
  ['Express 5', express],
  ['Express 4', express4],
] as const) {
  for (const encoding of ['gzip', 'br']) {
    test(`${name}: an event stream comes through compression() in ${encoding} event by event`, async (t) => {
      const { url } = await serveCompressed(t, make)
      const id = unique()
      // The head goes out with the first piece.
      await probe.tell(`${id}:0`)
      const head = await requestHead(`${url}/events/${id}`, { headers: { 'accept-encoding': encoding } })
      t.is(head.headers['content-encoding'], encoding)
      const all = texts(head)
      for (const n of [0, 1, 2]) {
        await probe.tell(`${id}:${n}`)
        t.is(await until(all, `data: ${n}`), `data: ${n}\n\n`)
      }
    })
  }

  test(`${name}: what is not of an event stream comes piece by piece as well`, async (t) => {
    const { url } = await serveCompressed(t, make)
    const id = unique()
    const head = await requestHead(`${url}/gated/${id}`, { headers: { 'accept-encoding': 'gzip' } })
    t.is(head.headers['content-encoding'], 'gzip')
    const all = texts(head)
    for (const n of [0, 1, 2]) {
      await probe.tell(`${id}:${n}`)
      t.is(await until(all, `chunk ${n}`), `chunk ${n}\n`)
    }
  })
}

test('pieces that come together are flushed once', async (t) => {
  let flushed = 0
  const app = express()
    .use(compression({ threshold: 0 }))
    .use((_req, res, next) => {
      const { flush } = res as unknown as { flush: () => void }
      Object.assign(res, {
        flush() {
          flushed++
          flush.call(res)
        },
      })
      next()
    }, stream.middleware)
  const { url } = await serve(t, app)
  const { body } = await request(`${url}/burst/200`, { headers: { 'accept-encoding': 'gzip' } })
  t.true(gunzipSync(body).length > 200)
  t.true(flushed > 0 && flushed < 200, String(flushed))
})

test('a flush that throws loses its own connection only', async (t) => {
  const app = express().use((req, res, next) => {
    if (req.url.includes('broken')) {
      Object.assign(res, {
        flush() {
          throw new Error('the middleware is broken')
        },
      })
    }
    next()
  }, broken.middleware)
  const { url } = await serve(t, app)
  const id = unique()
  const head = await requestHead(`${url}/gated/${id}?broken`)
  const reading = t.throwsAsync(head.toArray())
  await probe.tell(`${id}:0`)
  await reading
  for (const n of [1, 2]) await probe.tell(`${id}:${n}`)
  t.is((await request(`${url}/count/3`)).status, 200)
})

test('Node’s own flush, which warns, is left alone', async (t) => {
  const warnings: Error[] = []
  const warn = (warning: Error) => warnings.push(warning)
  process.on('warning', warn)
  t.teardown(() => process.off('warning', warn))
  const { url } = await listen(t, createHttpServer(stream.listener))
  await request(`${url}/count/20`)
  t.deepEqual(warnings.map(String), [])
})
