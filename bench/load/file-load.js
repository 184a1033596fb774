import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { obey } from '../servers/listen.js'
import { failure, wrong } from './wrong.js'

// A process of its own that does nothing but read a file over HTTP from bare sockets: it shares no event loop with the
// checks, and the CPU that it takes is known.

// Every socket reads into this one: what arrives is looked at before anything else is read, and never kept.
const arrivals = Buffer.allocUnsafe(1024 * 1024)

let file = Buffer.alloc(0)

obey({
  /** The file that is right; read once. */
  expect: async ({ path }) => {
    file = await readFile(path)
  },
  /** Asks for the file over a number of connections, again and again for a while; each answer is read to its end. */
  load: async ({ port, path, connections, seconds, whole }) => {
    const cpuBefore = process.cpuUsage()
    const start = performance.now()
    const end = start + seconds * 1000
    try {
      const files = await Promise.all(
        Array.from({ length: connections }, () => new Download(port, path, whole).repeatUntil(end)),
      )
      const { user, system } = process.cpuUsage(cpuBefore)
      return {
        files: files.reduce((sum, count) => sum + count, 0),
        seconds: (performance.now() - start) / 1000,
        cpuSeconds: (user + system) / 1e6,
      }
    } catch (error) {
      return failure(error)
    }
  },
})

/** One connection. Each piece that arrives is compared at both ends with the file there, or whole. */
class Download {
  #port
  #request
  #whole
  #head = ''
  #received = -1
  #files = 0

  constructor(port, path, whole) {
    this.#port = port
    this.#request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`
    this.#whole = whole
  }

  /** Resolves with how many files came. */
  repeatUntil(end) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => settle(reject)(new Error('sent nothing for 10 s')), 10_000)
      const settle = (action) => (value) => {
        clearTimeout(late)
        socket.destroy()
        action(value)
      }
      const received = (size) => {
        late.refresh()
        try {
          if (this.#take(size)) {
            this.#files++
            if (performance.now() > end) {
              settle(resolve)(this.#files)
            } else {
              socket.write(this.#request)
            }
          }
        } catch (error) {
          settle(reject)(error)
        }
        return true
      }
      const socket = connect({
        host: '127.0.0.1',
        port: this.#port,
        // Without streams, events and a new Buffer for each piece.
        onread: { buffer: arrivals, callback: received },
      })
      socket.once('error', settle(reject))
      socket.once('close', () => settle(reject)(new Error('closed the connection')))
      socket.write(this.#request)
    })
  }

  /** Takes a piece; true when it ends an answer. */
  #take(size) {
    let at = 0
    if (this.#received < 0) {
      const before = this.#head.length
      this.#head += arrivals.latin1Slice(0, Math.min(size, 64 * 1024))
      const end = this.#head.indexOf('\r\n\r\n')
      if (end < 0) {
        return false
      }
      checkHead(this.#head.slice(0, end))
      this.#head = ''
      this.#received = 0
      at = end + 4 - before
    }
    this.#check(at, size)
    if (this.#received < file.length) {
      return false
    }
    this.#received = -1
    return true
  }

  #check(from, to) {
    const start = this.#received
    const end = start + to - from
    if (end > file.length) {
      throw wrong(`sent more than the file's ${file.length} bytes`)
    }
    this.#received = end
    const edge = this.#whole ? to - from : Math.min(64, to - from)
    if (
      arrivals.compare(file, start, start + edge, from, from + edge) !== 0 ||
      arrivals.compare(file, end - edge, end, to - edge, to) !== 0
    ) {
      throw wrong(`sent other bytes than the file's, between ${start} and ${end}`)
    }
  }
}

function checkHead(head) {
  const [status, ...lines] = head.toLowerCase().split('\r\n')
  if (!status.startsWith('http/1.1 200 ')) {
    throw wrong(`answered ${status}`)
  }
  if (!lines.includes(`content-length: ${file.length}`)) {
    throw wrong(`announced another length than ${file.length}: ${lines.join(', ')}`)
  }
}
