import { Agent, request } from 'node:http'
import { listen, settings } from './listen.js'

const agent = new Agent({ keepAlive: true })

listen((req, res) => {
  const options = { host: '127.0.0.1', port: settings.upstreamPort, agent }
  const upstream = request({ ...options, method: req.method, path: req.url, headers: req.headers }, (answer) => {
    res.writeHead(answer.statusCode, answer.headers)
    answer.pipe(res)
  })
  upstream.once('error', (error) => res.destroy(error))
  if (req.method === 'GET') {
    upstream.end()
  } else {
    req.pipe(upstream)
  }
})
