import { connect } from 'node:net'
import { obey } from '../servers/listen.js'
import { ResponseReader } from './response-reader.js'
import { failure, wrong } from './wrong.js'

// A process of its own that listens to server-sent events over bare sockets.

const arrivals = Buffer.allocUnsafe(256 * 1024)

// `data: ` and ten digits that count, a space, sixteen digits of microseconds, two line ends.
const length = 35
const fixed = [
  [0, Buffer.from('data: ')],
  [16, Buffer.from(' ')],
  [33, Buffer.from('\n\n')],
]

obey({
  /** Opens so many streams, and once each has had an event counts what comes for a while. */
  load: (order) => load(order).catch(failure),
})

async function load({ port, path, clients, seconds, everyEvent }) {
  const listeners = []
  try {
    // Some at a time: a queue of connections longer than a server's backlog would be refused.
    while (listeners.length < clients) {
      const next = Array.from({ length: Math.min(50, clients - listeners.length) }, () => new Listener(port, path))
      listeners.push(...next)
      await Promise.all(next.map((listener) => listener.begun))
    }
    const counters = { events: 0, missed: 0, latencies: [] }
    const cpuBefore = process.cpuUsage()
    const start = performance.now()
    await Promise.race([
      new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
      new Promise((_, reject) => listeners.forEach((listener) => listener.count(counters, everyEvent, reject))),
    ])
    const took = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpuBefore)
    const { events, missed } = counters
    const sorted = Float64Array.from(counters.latencies).toSorted()
    const at = (quantile) => (sorted[Math.floor(sorted.length * quantile)] ?? 0) / 1000
    return {
      ...{ events, missed, seconds: took, cpuSeconds: (user + system) / 1e6 },
      ...{ p50: at(0.5), p99: at(0.99), p999: at(0.999) },
      // Fewer than all when some client heard nothing.
      heard: listeners.filter((listener) => listener.heard > 0).length,
    }
  } finally {
    listeners.forEach((listener) => listener.close())
  }
}

/** One stream; every byte of each event is looked at. */
class Listener {
  /** Resolves with the first event. */
  begun
  /** Events since `count`. */
  heard = 0
  #socket
  #event = Buffer.alloc(length)
  #filled = 0
  #last = 0
  #counters
  #everyEvent = false
  #failure
  #reject
  #resolve

  constructor(port, path) {
    this.begun = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('sent no event within 10 s')), 10_000)
      this.#resolve = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#reject = reject
    })
    const reader = new ResponseReader({
      head: (status, headers) => {
        if (status !== 200 || headers.get('content-type')?.split(';')[0] !== 'text/event-stream') {
          throw wrong(`answered with status ${status} and content-type ${headers.get('content-type')}`)
        }
      },
      body: (piece, from, to) => this.#take(piece, from, to),
      end: () => {
        throw new Error('ended its events')
      },
    })
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: arrivals,
        callback: (size) => {
          try {
            reader.take(arrivals, size)
          } catch (error) {
            this.#fail(error)
          }
          return true
        },
      },
    })
    this.#socket.once('error', (error) => this.#fail(error))
    this.#socket.once('close', () => this.#fail(new Error('closed a stream')))
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  }

  /** Counts from now on; with `everyEvent` none may be missing. */
  count(counters, everyEvent, reject) {
    this.#counters = counters
    this.#everyEvent = everyEvent
    this.#reject = reject
    // What came in one piece with the first event.
    if (this.#failure !== undefined) {
      reject(this.#failure)
    }
  }

  close() {
    this.#reject = undefined
    this.#socket.destroy()
  }

  #fail(error) {
    this.#failure ??= error
    this.#reject?.(error)
    this.close()
  }

  #take(piece, from, to) {
    for (let at = from; at < to;) {
      const taken = Math.min(to - at, length - this.#filled)
      piece.copy(this.#event, this.#filled, at, at + taken)
      this.#filled += taken
      at += taken
      if (this.#filled === length) {
        this.#filled = 0
        this.#received()
      }
    }
  }

  #received() {
    const event = this.#event
    for (const [at, bytes] of fixed) {
      if (event.compare(bytes, 0, bytes.length, at, at + bytes.length) !== 0) {
        throw wrong(`sent ${JSON.stringify(event.latin1Slice())} as an event`)
      }
    }
    const count = number(event, 6, 16)
    if (count <= this.#last) {
      throw wrong(`sent event ${count} after ${this.#last}`)
    }
    if (this.#counters !== undefined) {
      this.heard++
      this.#counters.events++
      this.#counters.missed += this.#everyEvent ? count - this.#last - 1 : 0
      this.#counters.latencies.push(Number(process.hrtime.bigint() / 1000n) - number(event, 17, 33))
    }
    this.#last = count
    this.#resolve()
  }
}

/** Digits to a number. */
function number(bytes, from, to) {
  let value = 0
  for (let at = from; at < to; at++) {
    const digit = bytes[at] - 48
    if (digit < 0 || digit > 9) {
      throw wrong(`sent ${JSON.stringify(bytes.latin1Slice())} as an event`)
    }
    value = value * 10 + digit
  }
  return value
}
