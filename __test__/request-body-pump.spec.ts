import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import { type BodyTarget, RequestBodyPump } from '../lib/http/request-body.js'

const KIB = 1024
const MIB = 1024 * KIB
const large = Buffer.alloc(64 * KIB)

/** An upload of a client that always has more, to a Python that is told by hand what it reads. */
function upload(maxBodySize = Infinity, headers: IncomingHttpHeaders = {}) {
  const calls: string[] = []
  const target: BodyTarget = {
    chunk: (_slot, bytes, more) => calls.push(`chunk ${bytes?.length ?? 0}${more ? '' : ', the last'}`),
    hold: (_slot, bytes) => calls.push(`hold ${bytes.length}`),
    release: () => calls.push('release'),
  }
  const request = Object.assign(new PassThrough({ highWaterMark: 1 }), { headers })
  const pump = new RequestBodyPump(request as unknown as IncomingMessage, target, 0, undefined, maxBodySize, () =>
    calls.push('too large'),
  )
  pump.start()
  return {
    calls,
    pump,
    request,
    /** Sends until the pump reads no more; how many bytes it has taken. */
    async fill(): Promise<number> {
      let taken = 0
      for (;;) {
        await nextTurn()
        if (request.isPaused()) {
          return taken
        }
        request.write(large)
        await nextTurn()
        taken += large.length
      }
    },
  }
}

test.serial('a small piece goes to Python at once', async (t) => {
  const { calls, request } = upload()
  request.write('small')
  await nextTurn()
  t.deepEqual(calls, ['chunk 5'])
})

test.serial('the last piece says that it is the last, where the length was promised', async (t) => {
  const promised = upload(Infinity, { 'content-length': String(5 + large.length) })
  promised.request.write('small')
  promised.request.end(large)
  await nextTurn()
  t.deepEqual(promised.calls, ['chunk 5', 'chunk 65536, the last'])

  const unknown = upload(Infinity, { 'transfer-encoding': 'chunked' })
  unknown.request.end('small')
  await nextTurn()
  t.deepEqual(unknown.calls, ['chunk 5', 'chunk 0, the last'])
})

test.serial('large pieces of one turn wake Python together, when the turn is over', async (t) => {
  const { calls, request } = upload()
  for (let i = 0; i < 3; i++) {
    request.emit('data', large)
  }
  t.deepEqual(calls, ['hold 65536', 'hold 65536', 'hold 65536'])
  await nextTurn()
  t.deepEqual(calls.slice(3), ['release'])
})

test.serial('an app that reads nothing is sent 256 KiB', async (t) => {
  const { fill } = upload()
  t.is(await fill(), 256 * KIB)
})

test.serial('an app that reads is sent up to 2 MiB ahead, and stops the client again where it stops', async (t) => {
  const { fill, pump } = upload()
  t.is(await fill(), 256 * KIB)
  pump.acknowledge(128 * KIB, 2)
  t.is(await fill(), 128 * KIB)
  pump.acknowledge(256 * KIB, 4)
  t.is(await fill(), 2 * MIB)
  pump.acknowledge(MIB - 1, 15)
  t.is(await fill(), 0, 'half of it has to be read before the client is heard again')
  pump.acknowledge(1, 1)
  t.is(await fill(), MIB)
  pump.stop()
})

test.serial('sixteen uploads at once have so much; another may when one of them ends', async (t) => {
  const reading = async () => {
    const one = upload()
    await one.fill()
    one.pump.acknowledge(256 * KIB, 4)
    return { ...one, ahead: await one.fill() }
  }
  const first = []
  for (let i = 0; i < 17; i++) {
    first.push(await reading())
  }
  t.deepEqual(
    first.map((one) => one.ahead),
    [...Array<number>(16).fill(2 * MIB), 256 * KIB],
  )
  first[0]!.pump.stop()
  const next = await reading()
  t.is(next.ahead, 2 * MIB)
  for (const { pump } of [...first, next]) {
    pump.stop()
  }
})
