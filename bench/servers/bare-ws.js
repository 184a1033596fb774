// The ws that amphis frames with: what it costs by itself.
import { createRequire } from 'node:module'
import { listen } from './listen.js'

// The one that amphis has, whatever the peers bring along.
const { WebSocketServer } = createRequire(new URL('../../package.json', import.meta.url))('ws')

const webSockets = new WebSocketServer({ noServer: true })
webSockets.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})

listen((req, res) => res.end('Hello, World!')).on('upgrade', (req, socket, head) => {
  webSockets.handleUpgrade(req, socket, head, (webSocket) => webSockets.emit('connection', webSocket))
})
