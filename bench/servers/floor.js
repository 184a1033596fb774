import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { settings } from './listen.js'

// What the Python apps do, done by Node itself: the floor under every server that has Node's sockets.

const { status, contentType, body } = settings.answer
const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(body, 'latin1') }
const answer = Buffer.from(body, 'latin1')

export const cache = fileURLToPath(new URL('../.cache/', import.meta.url))
const largeFile = `${cache}100-mib.bin`
const smallFile = `${cache}64-kib.bin`
const tinyFile = `${cache}10-kib.bin`

/** @type {Record<string, (res: import('node:http').ServerResponse, req: import('node:http').IncomingMessage) => void>} */
const routes = {
  '/stream': (res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.write('open')
  },
  '/wait': () => {},
  '/waiting': (res) => res.end(),
  '/await': (res) => {
    setTimeout(() => end(res), 10)
  },
  '/echo': (res, req) => {
    const chunks = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.once('end', () => {
      const echo = Buffer.from(JSON.stringify(JSON.parse(Buffer.concat(chunks).toString())))
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': echo.length })
      res.end(echo)
    })
  },
  '/down': (res, req) => {
    const chunk = readFileSync(smallFile)
    let left = Number(new URLSearchParams(req.url.split('?')[1]).get('mib')) * 16
    res.writeHead(200, { 'content-type': 'application/octet-stream' })
    const write = () => {
      while (left-- > 0) {
        if (!res.write(chunk)) {
          res.once('drain', write)
          return
        }
      }
      res.end()
    }
    write()
  },
  '/up': (res, req) => {
    const hash = req.url.endsWith('?hash') ? createHash('sha256') : undefined
    let total = 0
    req.on('data', (chunk) => {
      total += chunk.length
      hash?.update(chunk)
    })
    req.once('end', () => {
      const text = hash?.digest('hex') ?? String(total)
      res.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length })
      res.end(text)
    })
  },
  '/events': (res, req) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    subscribe(res, Number(new URLSearchParams(req.url.split('?')[1]).get('gap')))
  },
  '/file': (res) => sendFile(res, largeFile),
  '/static/10-kib.bin': (res) => sendFile(res, tinyFile),
  '/static/64-kib.bin': (res) => sendFile(res, smallFile),
}

/** @type {import('node:http').RequestListener} */
export function floor(req, res) {
  const route = routes[req.url.split('?', 1)[0]]
  if (route) {
    route(res, req)
  } else if (req.method === 'GET') {
    end(res)
  } else {
    req.resume()
    req.once('end', () => end(res))
  }
}

function end(res) {
  res.writeHead(status, headers)
  res.end(answer)
}

function sendFile(res, file) {
  res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': statSync(file).size })
  createReadStream(file).pipe(res)
}

const subscribers = new Map()

/** Has a response told of each event from now on, unless it has not yet got rid of the last one. */
function subscribe(res, gap) {
  if (!subscribers.has(gap)) {
    const listening = new Set()
    let count = 0
    const tick = () => {
      count++
      const event = `data: ${String(count).padStart(10, '0')} ${String(process.hrtime.bigint() / 1000n).padStart(16, '0')}\n\n`
      for (const each of listening) {
        if (!each.writableNeedDrain) {
          each.write(event)
        }
      }
      if (listening.size > 0) {
        next()
      } else {
        subscribers.delete(gap)
      }
    }
    const next = gap > 0 ? () => setTimeout(tick, gap) : () => setImmediate(tick)
    subscribers.set(gap, listening)
    next()
  }
  const listening = subscribers.get(gap)
  listening.add(res)
  res.once('close', () => listening.delete(res))
}
