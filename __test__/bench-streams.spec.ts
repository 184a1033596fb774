import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ContestantFailed } from '../bench/harness/child.js'
import { chunk } from '../bench/harness/small-file.js'
import { WrongBytes } from '../bench/harness/wire.js'
import { EventsLoad } from '../bench/load/events.js'
import { StreamLoad } from '../bench/load/stream.js'
import { serve } from './helpers/server.js'

// What the generators for streams and server-sent events must notice, or their figures may be those of wrong answers.

const streamLoad = async (t: ExecutionContext) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-bench-'))
  const path = join(folder, 'chunk')
  await writeFile(path, chunk)
  const load = new StreamLoad()
  t.teardown(async () => {
    await load.stop()
    await rm(folder, { recursive: true })
  })
  await load.expect(path)
  return load
}

const eventsLoad = (t: ExecutionContext) => {
  const load = new EventsLoad()
  t.teardown(() => load.stop())
  return load
}

const mebibyte = Buffer.concat(Array.from({ length: 16 }, () => chunk))

const sending =
  (pieces: readonly Uint8Array[]): RequestListener =>
  (_, res) => {
    pieces.forEach((piece) => res.write(piece))
    res.end()
  }

const down = { direction: 'down', mebibytes: 1, seconds: 0 } as const
const up = { direction: 'up', mebibytes: 1, seconds: 0 } as const

test('a stream that is right is counted, in whatever pieces it comes', async (t) => {
  const load = await streamLoad(t)
  const pieces = [mebibyte.subarray(0, 1), mebibyte.subarray(1, 100_000), mebibyte.subarray(100_000)]
  const { port } = await serve(t, sending(pieces))
  t.is((await load.run('it', { ...down, port, whole: true })).bodies, 1)
  t.true((await load.run('it', { ...down, port, seconds: 1, whole: false })).bodies > 1)
})

test('a stream of an announced length is as good', async (t) => {
  const load = await streamLoad(t)
  const { port } = await serve(t, (_, res) => {
    res.writeHead(200, { 'content-length': mebibyte.length })
    res.end(mebibyte)
  })
  t.is((await load.run('it', { ...down, port, whole: true })).bodies, 1)
})

for (const [what, pieces, whole] of [
  ['its first byte', [mebibyte.with(0, chunk[0] === 0 ? 1 : 0)], false],
  ['its last byte', [mebibyte.with(mebibyte.length - 1, chunk.at(-1) === 0 ? 1 : 0)], false],
  ['a byte in the middle, where all are compared', [mebibyte.with(500_000, ~(mebibyte[500_000] ?? 0))], true],
  ['a byte that is missing', [mebibyte.subarray(0, -1)], false],
  ['a byte that is too many', [mebibyte, chunk.subarray(0, 1)], false],
] as [string, Uint8Array[], boolean][]) {
  test(`a stream that differs in ${what} is wrong`, async (t) => {
    const load = await streamLoad(t)
    const { port } = await serve(t, sending(pieces))
    await t.throwsAsync(load.run('it', { ...down, port, whole }), { instanceOf: WrongBytes })
  })
}

test('a stream that breaks off has failed', async (t) => {
  const load = await streamLoad(t)
  const { port } = await serve(t, (_, res) => {
    res.write(chunk, () => res.destroy())
  })
  await t.throwsAsync(load.run('it', { ...down, port, whole: false }), { instanceOf: ContestantFailed })
})

/** Answers an upload with what `tell` makes of it. */
const receiving =
  (tell: (body: Buffer, req: IncomingMessage) => string): RequestListener =>
  async (req, res) => {
    const pieces: Buffer[] = []
    for await (const piece of req) {
      pieces.push(piece as Buffer)
    }
    res.end(tell(Buffer.concat(pieces), req))
  }

const honest = (body: Buffer, { url }: IncomingMessage) =>
  url?.endsWith('?hash') === true ? createHash('sha256').update(body).digest('hex') : String(body.length)

test('an upload that has come whole is counted', async (t) => {
  const load = await streamLoad(t)
  const { port } = await serve(t, receiving(honest))
  t.is((await load.run('it', { ...up, port, whole: true })).bodies, 1)
  t.true((await load.run('it', { ...up, port, seconds: 1, whole: false })).bodies > 1)
})

test('an upload that has come other than it was sent is wrong', async (t) => {
  const load = await streamLoad(t)
  const { port } = await serve(
    t,
    receiving((body, req) => honest(Buffer.concat([body.subarray(1), Buffer.of(0)]), req)),
  )
  await t.throwsAsync(load.run('it', { ...up, port, whole: true }), { instanceOf: WrongBytes })
})

test('an upload of which a byte is missing is wrong', async (t) => {
  const load = await streamLoad(t)
  const { port } = await serve(
    t,
    receiving((body, req) => honest(body.subarray(1), req)),
  )
  await t.throwsAsync(load.run('it', { ...up, port, whole: false }), { instanceOf: WrongBytes })
})

const event = (count: number) =>
  `data: ${String(count).padStart(10, '0')} ${String(process.hrtime.bigint() / 1000n).padStart(16, '0')}\n\n`

/** A server that sends what `make` says, over and over. */
const events =
  (make: (count: number, res: ServerResponse) => string): RequestListener =>
  (_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    let count = 0
    const timer = setInterval(() => res.write(make(++count, res)), 5)
    res.once('close', () => clearInterval(timer))
  }

const listening = { path: '/events', clients: 60, seconds: 1, everyEvent: true }

test('events are counted and timed, for each client', async (t) => {
  const { port } = await serve(t, events(event))
  const result = await eventsLoad(t).run('it', { ...listening, port })
  t.is(result.heard, 60)
  t.is(result.missed, 0)
  t.true(result.events >= 60)
  t.true(result.p50 >= 0 && result.p50 <= result.p99 && result.p99 < 5000)
})

test('events that are left out are counted as missed', async (t) => {
  const { port } = await serve(
    t,
    events((count) => event(count * 2)),
  )
  const { missed, events: delivered } = await eventsLoad(t).run('it', { ...listening, clients: 2, port })
  t.is(missed, delivered)
})

for (const [what, make] of [
  ['has another byte', (count) => event(count).replace('data', 'dada')],
  ['comes again', () => event(1)],
  ['has a letter for a digit', (count) => event(count).replace(/\d\n/, 'x\n')],
] as [string, (count: number) => string][]) {
  test(`an event that ${what} is wrong`, async (t) => {
    const { port } = await serve(t, events(make))
    const slice = { ...listening, clients: 1, port }
    await t.throwsAsync(eventsLoad(t).run('it', slice), { instanceOf: WrongBytes })
  })
}

test('a server that ends its events has failed', async (t) => {
  const { port } = await serve(
    t,
    events((count, res) => {
      if (count > 2) {
        res.destroy()
      }
      return event(count)
    }),
  )
  const slice = { ...listening, clients: 1, port }
  await t.throwsAsync(eventsLoad(t).run('it', slice), { instanceOf: ContestantFailed })
})
