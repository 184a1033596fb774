// As in docs/mounting.md: a server of one's own, for the WebSockets.
import { createServer } from 'node:http'
import next from 'next'
import { PythonHandler } from 'amphis'

const python = new PythonHandler('main:app')
const server = createServer()
const app = next({ dev: false, httpServer: server, port: 0 })
await app.prepare()
const pages = app.getRequestHandler()

server.on('request', (req, res) => {
  if (!/^\/api(?:[/?]|$)/.test(req.url)) {
    void pages(req, res)
    return
  }
  req.baseUrl = '/api'
  req.url = req.url.slice('/api'.length) || '/'
  python.listener(req, res)
})
python.attach(server, { path: '/api' })
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}\nReady`))
