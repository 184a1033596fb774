import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { PIECE_COST } from '../lib/bridge/bridge.js'
import { ResponseWriter } from '../lib/http/response-writer.js'
import { listen } from './helpers/listen.js'
import { settled } from './helpers/settled.js'

const KIB = 1024
const AHEAD = 256 * KIB
const piece = Buffer.alloc(64 * KIB)
const mebibyte = Buffer.alloc(1024 * KIB)

/** A response whose credit is counted, and the client that it is for. */
async function respond(t: ExecutionContext) {
  let take!: (response: ServerResponse) => void
  const taken = new Promise<ServerResponse>((resolve) => (take = resolve))
  const { port } = await listen(
    t,
    createServer((_request, response) => take(response)),
  )
  const client = connect({ port, host: '127.0.0.1' })
  t.teardown(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n')
  const counts = { written: 0, credited: 0 }
  const response = await taken
  const writer = new ResponseWriter(response, { credit: (bytes) => void (counts.credited += bytes) })
  writer.start(200, ['content-type', 'text/plain'], '', false)
  return {
    client,
    counts,
    response,
    write: (bytes: Buffer | string) => {
      counts.written += bytes.length + PIECE_COST
      writer.write(bytes, false)
    },
  }
}

test('an app whose client takes large pieces at once may run ahead, once', async (t) => {
  const { client, counts, response, write } = await respond(t)
  client.resume()
  for (let i = 0; i < 20; i++) {
    write(piece)
    if (response.writableNeedDrain) {
      await once(response, 'drain')
    }
    await nextTurn()
    t.true(counts.credited <= counts.written + AHEAD)
  }
  t.is(counts.credited, counts.written + AHEAD)
})

test('small pieces are credited as they leave, and nothing ahead', async (t) => {
  const { client, counts, write } = await respond(t)
  client.resume()
  for (let i = 0; i < 1000; i++) {
    write('x'.repeat(1000))
    await nextTurn()
    t.true(counts.credited <= counts.written)
  }
  t.true(counts.credited > counts.written - 64 * KIB)
})

test('what an app was ahead is taken back when the client stops to read', async (t) => {
  const { client, counts, response, write } = await respond(t)
  client.resume()
  write(piece)
  await once(response, 'drain')
  await nextTurn()
  t.is(counts.credited, counts.written + AHEAD)
  client.pause()
  // Until the kernel takes no more.
  while (!response.writableNeedDrain) {
    write(mebibyte)
    await settled(async () => response.writableLength)
  }
  for (let i = 0; i < 4; i++) {
    write(piece)
  }
  client.resume()
  await once(response, 'drain')
  t.is(counts.credited, counts.written)
})
