import { listen, settings } from './listen.js'

const { status, contentType, body } = settings.answer
const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }

const routes = {
  // The same states the Python apps have, for what Node's own sockets cost in them.
  '/stream': (res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.write('open')
  },
  '/wait': () => {},
  '/waiting': (res) => res.end(),
}

listen((req, res) => {
  const route = routes[req.url]
  if (route) {
    route(res)
  } else if (req.method === 'GET') {
    res.writeHead(status, headers)
    res.end(body)
  } else {
    req.resume()
    req.once('end', () => {
      res.writeHead(status, headers)
      res.end(body)
    })
  }
})
