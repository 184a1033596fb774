import { obey } from '../servers/listen.js'
import { EchoConnection, randomMessage } from './websocket-connection.js'
import { failure } from './wrong.js'

// A process of its own for what the harness wants of WebSockets: it shares no event loop with the checks, and the CPU
// that it takes is known.

/** Connections that `hold` has opened. */
const held = []

obey({
  /** Echoes over a number of connections for a while, one message at a time on each. */
  load: (order) => load(order).catch(failure),
  /** Opens connections that say nothing; they stay open beside those that are there. */
  hold: (order) => hold(order).catch(failure),
  /** Has each held connection echo one message; how many did. */
  echoAll: ({ kind, bytes }) => echoAll(randomMessage(kind, bytes)).catch(failure),
})

async function load({ target, connections, kind, bytes, seconds }) {
  // Several in turn, so that the echo of an earlier one would be noticed.
  const messages = Array.from({ length: 4 }, () => randomMessage(kind, bytes))
  const open = await openAll(target, connections)
  const latencies = []
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  const end = start + seconds * 1000
  try {
    await Promise.all(open.map((connection) => echoUntil(end, connection, messages, latencies)))
    const { user, system } = process.cpuUsage(cpuBefore)
    // What came after the end is in neither; with 64 connections that is a part of a thousandth.
    const sorted = Float64Array.from(latencies).toSorted()
    return {
      echoes: sorted.length,
      seconds,
      p50: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
      p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      cpuSeconds: (user + system) / 1e6,
    }
  } finally {
    await Promise.all(open.map((connection) => connection.close()))
  }
}

/** Sends as soon as the reply is there; the milliseconds that each took go into `latencies`. */
function echoUntil(end, connection, messages, latencies) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('sent no echo for 10 s')), end - performance.now() + 10_000)
    const finish = (settle) => (value) => {
      clearTimeout(late)
      settle(value)
    }
    const [done, failed] = [finish(resolve), finish(reject)]
    let sentAt = 0
    const send = () => connection.send(messages[connection.echoes & 3], received)
    const received = () => {
      const now = performance.now()
      if (now > end) {
        done()
        return
      }
      latencies.push(now - sentAt)
      sentAt = now
      send()
    }
    connection.watch(failed)
    sentAt = performance.now()
    send()
  })
}

async function hold({ target, count, localAddresses }) {
  const before = held.length
  held.push(...(await openAll(target, count, localAddresses)))
  return { held: held.length - before }
}

async function echoAll(message) {
  let echoes = 0
  for (let first = 0; first < held.length; first += 100) {
    await Promise.all(held.slice(first, first + 100).map((connection) => connection.echo(message)))
    echoes = Math.min(held.length, first + 100)
  }
  return { echoes }
}

async function openAll(target, count, localAddresses = [undefined]) {
  const open = []
  try {
    // Some at a time: a queue of connections longer than a server's backlog would be refused.
    while (open.length < count) {
      const next = Array.from({ length: Math.min(50, count - open.length) }, (_, i) =>
        EchoConnection.open({ ...target, localAddress: localAddresses[(open.length + i) % localAddresses.length] }),
      )
      open.push(...(await Promise.all(next)))
    }
    return open
  } catch (error) {
    open.forEach((connection) => connection.destroy())
    throw error
  }
}
