import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import test from 'ava'
import { PATIENCE } from './helpers/patience.js'
import { request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { shareHandler } from './helpers/python.js'
import { RawConnection } from './helpers/raw-connection.js'
import { serve } from './helpers/server.js'

const barrier = shareHandler('barrier:app')
const echo = shareHandler('echo:app')
const digest = shareHandler('echo:digest')
const responses = shareHandler('responses:app')
const stream = shareHandler('stream:app')
const probe = shareProbe()

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

test.serial('a thousand requests are inside the app at once through handle()', async (t) => {
  const name = unique()
  // The app answers nobody before all thousand are there.
  const answers = await Promise.all(
    times(1000, async () => (await barrier.handle({ url: `/meet/${name}/1000` })).json()),
  )
  t.deepEqual(
    answers,
    times(1000, () => 1000),
  )
})

test.serial('a thousand requests are inside the app at once over a thousand connections', async (t) => {
  const { url } = await serve(t, barrier.listener)
  const name = unique()
  const answers = await Promise.all(times(1000, async () => (await request(`${url}/meet/${name}/1000`)).json()))
  t.deepEqual(
    answers,
    times(1000, () => 1000),
  )
})

test.serial('fast requests overtake a slow one', async (t) => {
  const { url } = await serve(t, barrier.listener)
  const name = unique()
  const slow = request(`${url}/slow/${name}`)
  await probe.wait(`${name}:started`)
  const fast = await Promise.all(times(200, async (index) => (await request(`${url}/fast/${index}`)).json()))
  t.deepEqual(fast, times(200, String))
  await probe.tell(`${name}:go`)
  t.is((await slow).json(), name)
})

test.serial('every answer goes to the one who asked', async (t) => {
  const bodies = times(500, (index) => `${index}:${'x'.repeat((index * 37) % 5000)}`)
  const answers = await Promise.all(
    bodies.map(async (body) => (await echo.handle({ method: 'POST', url: '/', body })).text()),
  )
  t.deepEqual(answers, bodies)
})

test.serial('requests reach the app in the order in which they were made', async (t) => {
  const name = unique()
  const answers = await Promise.all(times(300, async () => (await barrier.handle({ url: `/order/${name}` })).json()))
  t.deepEqual(
    answers,
    times(300, (index) => index),
  )
})

test.serial('waiting requests wait side by side', async (t) => {
  await barrier.ready()
  const start = performance.now()
  await Promise.all(times(200, async () => (await barrier.handle({ url: '/sleep/100' })).json()))
  // One after the other they would need 20 s.
  t.true(performance.now() - start < PATIENCE)
})

test.serial('a busy Python does not freeze Node', async (t) => {
  await barrier.ready()
  let ticks = 0
  const ticking = setInterval(() => ticks++, 10)
  t.teardown(() => clearInterval(ticking))
  // A closure of JavaScript sees whether it was run while Python computed.
  const response = await barrier.handle({ url: '/block/500' })
  const during = ticks
  t.is(await response.json(), '500')
  t.true(during >= 10, `${during} ticks in half a second`)
})

test.serial(
  'what piles up while JavaScript is busy comes whole, also when it is more than one call can bring',
  async (t) => {
    await stream.ready()
    const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const sent = join(folder, 'sent')
    // 80 MB of text in 5600 whole responses, above the limits of both. Streams would wait meanwhile.
    const count = 5600
    const answers = times(count, async (index) =>
      (await stream.handle({ url: `/herd/${count}?${index}:${sent}` })).bytes(),
    )
    const cell = new Int32Array(new SharedArrayBuffer(4))
    for (let round = 0; round < 2000 && !existsSync(sent); round++) Atomics.wait(cell, 0, 0, 10)
    t.true(existsSync(sent))
    const expected = times(8, (index) => Buffer.alloc(index === 7 ? 16_385 : 16_384, String(index)))
    const wrong = (await Promise.all(answers)).findIndex((answer, index) => !expected[index % 8]!.equals(answer))
    t.is(wrong, -1)
  },
)

test.serial('keep-alive connections carry many requests each', async (t) => {
  const { url, server } = await serve(t, echo.listener)
  let connections = 0
  server.on('connection', () => connections++)
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  t.teardown(() => agent.destroy())
  const bodies = times(800, (index) => `body ${index}`)
  const answers = await Promise.all(
    bodies.map(async (body) => (await request(url, { method: 'POST', body, agent })).text),
  )
  t.deepEqual(answers, bodies)
  t.is(connections, 16)
})

test.serial('a hundred pipelined requests are answered in order', async (t) => {
  const { port } = await serve(t, echo.listener)
  const connection = await RawConnection.open(t, port)
  const bodies = times(100, (index) => `pipelined ${index}`)
  connection.write(
    bodies.map((body) => `POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`).join(''),
  )
  const answers: string[] = []
  for (const _ of bodies) answers.push((await connection.response()).body)
  t.deepEqual(answers, bodies)
})

test.serial('uploads and downloads run in parallel without mixing', async (t) => {
  const up = await serve(t, digest.listener)
  const down = await serve(t, responses.listener)
  const bodies = times(8, (index) => randomBytes(1_000_000 + index))
  await Promise.all([
    ...bodies.map(async (body) => {
      const answer = await request(up.url, { method: 'POST', body })
      t.like(answer.json(), { length: body.length, sha256: createHash('sha256').update(body).digest('hex') })
    }),
    ...times(4, async (index) => {
      const answer = await request(`${down.url}/large?${index % 2 ? 'whole' : 'pieces'}`)
      t.is(createHash('sha256').update(answer.body).digest('hex'), String(answer.headers['x-sha256']))
    }),
  ])
})

test.serial('connections that come and go leave nothing behind', async (t) => {
  const { url } = await serve(t, echo.listener)
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(times(50, (index) => request(url, { method: 'POST', body: String(index) })))
    t.deepEqual(
      answers.map(({ text }) => text),
      times(50, String),
    )
  }
  t.deepEqual(await probe.tasks(), [])
})

test.serial('requests given up at any moment leave everybody else whole', async (t) => {
  const { port } = await serve(t, stream.listener)
  const turns = async (count: number) => {
    for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
  }
  const giveUp = async (index: number) => {
    const connection = await RawConnection.open(t, port)
    connection.write('GET /count/50 HTTP/1.1\r\nHost: test\r\n\r\n')
    // From before the request has arrived to after the response has.
    await turns(index % 40)
    connection[index % 2 ? 'reset' : 'leave']()
  }
  const abort = async (index: number) => {
    const controller = new AbortController()
    const pending = stream.handle({ url: '/count/50', signal: controller.signal }).then((response) => response.text())
    await turns(index % 20)
    controller.abort()
    await pending.catch((error: { code: string }) => t.is(error.code, 'AMPHIS_ERR_ABORTED'))
  }
  const expected = times(50, (index) => `chunk ${index}\n`).join('')
  for (let round = 0; round < 5; round++) {
    await Promise.all([
      ...times(40, (index) => giveUp(index + round)),
      ...times(40, (index) => abort(index + round)),
      ...times(20, async () => t.is(await (await stream.handle({ url: '/count/50' })).text(), expected)),
      ...times(20, async () => t.is((await request(`http://127.0.0.1:${port}/count/50`)).text, expected)),
    ])
  }
  t.is(await (await stream.handle({ url: '/count/50' })).text(), expected)
})
