import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { WebSocket, WebSocketServer } from 'ws'
import { unmaskNatively } from '../lib/websocket/unmask.js'

test('ws leaves the mask of every frame of 64 bytes and more to Rust, and takes its bytes as they are', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const unmasked: number[] = []
  const received: Buffer[] = []
  server.on('connection', (webSocket) => {
    unmaskNatively(webSocket, {
      unmask: (bytes, mask) => {
        unmasked.push(bytes.length)
        bytes.forEach((byte, at) => (bytes[at] = byte ^ ((mask >>> (8 * (at % 4))) & 0xff)))
      },
    })
    webSocket.on('message', (data) => received.push(data as Buffer))
  })
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { perMessageDeflate: false })
  t.teardown(() => client.terminate())
  await once(client, 'open')
  const sent = [0, 1, 63, 64, 65, 1000, 65_535, 65_536, 300_001].map((size) => randomBytes(size))
  sent.forEach((bytes) => client.send(bytes))
  // In two frames.
  const [first, second] = [randomBytes(100), randomBytes(10)]
  client.send(first, { fin: false })
  client.send(second)
  const served = [...server.clients][0]!
  const closed = once(served, 'close')
  client.close(1000)
  await closed
  t.deepEqual(received, [...sent, Buffer.concat([first, second])])
  t.deepEqual(unmasked, [64, 65, 1000, 65_535, 65_536, 300_001, 100])
})
