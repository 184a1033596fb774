import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { obey } from '../servers/listen.js'
import { ResponseReader } from './response-reader.js'
import { failure, wrong } from './wrong.js'

// A process of its own that sends and receives long bodies over bare sockets: it shares no event loop with the checks,
// and the CPU that it takes is known.

// Every socket reads into this one: what arrives is looked at before anything else is read, and never kept.
const arrivals = Buffer.allocUnsafe(1024 * 1024)

/** What the bodies repeat. */
let chunk = Buffer.alloc(0)

obey({
  /** The chunk of which bodies are made; read once. */
  expect: async ({ path }) => {
    chunk = await readFile(path)
  },
  /** Receives a body of so many MiB, over and over for a while. */
  down: ({ port, mebibytes, seconds, whole }) =>
    measure(seconds, (turn) => new Connection(port).run(() => new Download(port, mebibytes, whole), turn)),
  /** Sends a body of so many MiB, over and over for a while; `whole` has the server answer with its hash. */
  up: ({ port, mebibytes, seconds, whole }) =>
    measure(seconds, (turn) => new Connection(port).run(() => new Upload(port, mebibytes, whole), turn)),
})

async function measure(seconds, run) {
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  const end = start + seconds * 1000
  try {
    const bodies = await run(() => performance.now() < end)
    const { user, system } = process.cpuUsage(cpuBefore)
    return { bodies, seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 }
  } catch (error) {
    return failure(error)
  }
}

/** One connection, over which one request follows the other. */
class Connection {
  #port

  constructor(port) {
    this.#port = port
  }

  /** Makes requests while there is another turn; resolves with how many. */
  run(make, anotherTurn) {
    return new Promise((resolve, reject) => {
      let count = 0
      const late = setTimeout(() => settle(reject)(new Error('nothing came or went for 20 s')), 20_000)
      const settle = (action) => (value) => {
        clearTimeout(late)
        socket.destroy()
        action(value)
      }
      const fail = settle(reject)
      let request = make()
      const reader = new ResponseReader({
        head: (status, headers) => {
          if (status !== 200) {
            throw wrong(`answered with status ${status}`)
          }
          request.head?.(headers)
        },
        body: (piece, from, to) => request.body(piece, from, to),
        end: () => {
          request.end()
          count++
          if (anotherTurn()) {
            request = make()
            request.start(socket, late)
          } else {
            settle(resolve)(count)
          }
        },
      })
      const socket = connect({
        host: '127.0.0.1',
        port: this.#port,
        noDelay: true,
        onread: {
          buffer: arrivals,
          callback: (size) => {
            late.refresh()
            try {
              reader.take(arrivals, size)
            } catch (error) {
              fail(error)
            }
            return true
          },
        },
      })
      socket.once('error', fail)
      socket.once('close', () => fail(new Error('closed the connection')))
      request.start(socket, late)
    })
  }
}

/** Each piece that arrives is compared at both ends with the chunk there, or whole. */
class Download {
  #request
  #bytes
  #whole
  #received = 0

  constructor(port, mebibytes, whole) {
    this.#request = `GET /down?mib=${mebibytes} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`
    this.#bytes = mebibytes * 2 ** 20
    this.#whole = whole
  }

  start(socket) {
    socket.write(this.#request)
  }

  body(piece, from, to) {
    if (this.#received + to - from > this.#bytes) {
      throw wrong(`sent more than ${this.#bytes} bytes`)
    }
    if (this.#whole || to - from <= 128) {
      this.#compare(piece, from, to)
    } else {
      this.#compare(piece, from, from + 64)
      this.#received += to - from - 128
      this.#compare(piece, to - 64, to)
    }
  }

  end() {
    if (this.#received !== this.#bytes) {
      throw wrong(`sent ${this.#received} bytes instead of ${this.#bytes}`)
    }
  }

  /** Compares what follows what was received. */
  #compare(piece, from, to) {
    for (let at = from; at < to;) {
      const start = this.#received % chunk.length
      const length = Math.min(to - at, chunk.length - start)
      if (piece.compare(chunk, start, start + length, at, at + length) !== 0) {
        throw wrong(`sent other bytes than those of the chunk, behind ${this.#received}`)
      }
      at += length
      this.#received += length
    }
  }
}

/** The answer is how many bytes came, or their hash. */
class Upload {
  #head
  #chunks
  #expected
  #answer = ''

  constructor(port, mebibytes, whole) {
    const bytes = mebibytes * 2 ** 20
    this.#head =
      `POST /up${whole ? '?hash' : ''} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
      `Content-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\n\r\n`
    this.#chunks = bytes / chunk.length
    this.#expected = whole ? hashOf(this.#chunks) : String(bytes)
  }

  start(socket, late) {
    socket.write(this.#head)
    let left = this.#chunks
    const write = () => {
      late.refresh()
      while (left > 0) {
        left--
        if (!socket.write(chunk)) {
          socket.once('drain', write)
          return
        }
      }
    }
    write()
  }

  body(piece, from, to) {
    this.#answer += piece.latin1Slice(from, to)
  }

  end() {
    if (this.#answer !== this.#expected) {
      throw wrong(`answered ${JSON.stringify(this.#answer.slice(0, 100))} instead of ${this.#expected}`)
    }
  }
}

function hashOf(chunks) {
  const hash = createHash('sha256')
  for (let i = 0; i < chunks; i++) {
    hash.update(chunk)
  }
  return hash.digest('hex')
}
