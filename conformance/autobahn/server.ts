// An echo server on a port that it prints: `server.ts ws|amphis deflate|plain`. It lives as long as its standard input is
// open, and so never longer than the script that started it.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocketServer } from 'ws'
import { PythonHandler } from '../../index.js'

const here = fileURLToPath(new URL('.', import.meta.url))

/** The default of amphis: both have to refuse the same messages. */
const maxPayload = 16 * 1024 * 1024

function serveWithWs(server: Server, perMessageDeflate: boolean): void {
  new WebSocketServer({ server, maxPayload, perMessageDeflate }).on('connection', (socket) => {
    // What the client does wrong ends the connection with the right code; there is nobody to tell.
    socket.on('error', () => {})
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })
}

async function serveWithAmphis(server: Server, wsPerMessageDeflate: boolean): Promise<void> {
  const python = new PythonHandler({
    app: 'echo:app',
    appDir: here,
    python: resolve(here, '../..', process.env.AMPHIS_TEST_PYTHON ?? '.venv'),
    lifespan: 'off',
    wsPerMessageDeflate,
  })
  python.attach(server)
  await python.ready()
}

const [kind, compression] = process.argv.slice(2)
const server = createServer()
if (kind === 'amphis') await serveWithAmphis(server, compression === 'deflate')
else serveWithWs(server, compression === 'deflate')
server.listen(0, '127.0.0.1')
await once(server, 'listening')
console.log((server.address() as AddressInfo).port)
process.stdin.resume().once('end', () => process.exit())
