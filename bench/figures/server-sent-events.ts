import { setTimeout as wait } from 'node:timers/promises'
import { plainSamples, rowOf, type Series } from '../harness/result.js'
import { startAll, stopAll, withEach } from '../harness/running.js'
import { EventsLoad } from '../load/events.js'
import { works } from '../works.js'
import { ByConnections } from './connections.js'
import { chosen, leftOutNote, type Figure, type QuickSubset } from './figure.js'
import { serverCpu } from './server-cpu.js'

export interface ServerSentEvents {
  readonly clients: number
  /** Milliseconds between the events of which the latency is taken. */
  readonly gapMs: number
  readonly contestants: readonly string[]
  /** The contestant the ratios in the table refer to. */
  readonly base: string
  readonly quick?: QuickSubset
}

/** Events a second to many clients as fast as they go, and how long one takes to arrive when there is time for it. */
export function serverSentEvents(name: string, spec: ServerSentEvents): Figure {
  const { clients, gapMs } = spec
  const title = `server-sent events to ${clients.toLocaleString('en')} clients (raw ASGI)`
  return {
    name,
    title,
    contestants: spec.contestants,
    async take(context) {
      const rounds = Math.min(context.options.rounds, 7)
      const kept = chosen(context, spec.contestants, spec.quick)
      const rates = new ByConnections([clients])
      const paced = { p50: new ByConnections([clients]), p99: new ByConnections([clients]) }
      const cpu = new ByConnections([clients])
      const loadShare = new ByConnections([clients])
      const missed: Series = new Map()
      const load = new EventsLoad()
      const entries = await startAll(context, kept, works.hello)
      try {
        for (let round = 0; round < rounds; round++) {
          context.say(`${name}: round ${round + 1} of ${rounds}`)
          await withEach(entries, async (entry, { port }) => {
            const { before, after } = serverCpu(entry, entries)
            await before()
            const fast = await load.run(entry.title, {
              port,
              path: '/events?gap=0',
              clients,
              seconds: 2,
              everyEvent: false,
            })
            const spent = await after()
            rates.record(clients, entry.name, round, fast.events / fast.seconds)
            cpu.record(clients, entry.name, round, (spent * 1e6) / fast.events)
            loadShare.record(clients, entry.name, round, (fast.cpuSeconds * 100) / fast.seconds)
            await wait(200)
            const path = `/events?gap=${gapMs}`
            const slow = await load.run(entry.title, { port, path, clients, seconds: 2, everyEvent: true })
            paced.p50.record(clients, entry.name, round, slow.p50)
            paced.p99.record(clients, entry.name, round, slow.p99)
            missed.set(entry.name, [...(missed.get(entry.name) ?? []), slow.missed])
            // A thousand clients that leave at once keep some servers busy into the next one's turn.
            await wait(300)
          })
        }
      } finally {
        await stopAll(entries)
        await load.stop()
      }
      const base = rates.at(clients).get(spec.base) ?? []
      const ratio = `× ${spec.base}`
      return {
        name,
        title,
        notes: [
          `load: ${EventsLoad.title}; ${rounds} rounds of 2 s as fast as clients take the events, and 2 s of one every`,
          `${gapMs} ms to each, of which latency (from the app to the client) and missed events are`,
          "CPU: the servers' for an event, includes opening the streams; load: the generator's share of a core",
          ...leftOutNote(spec.contestants, kept),
        ],
        columns: { 'events/s': 0, [ratio]: 2, 'CPU µs': 1, 'load %': 0, 'p50 ms': 1, 'p99 ms': 1, missed: 0 },
        rows: entries.map((entry) =>
          rowOf(entry, {
            'events/s': rates.spread(clients, entry.name),
            [ratio]: rates.ratio(clients, entry.name, base),
            'CPU µs': cpu.median(clients, entry.name),
            'load %': loadShare.median(clients, entry.name),
            'p50 ms': paced.p50.median(clients, entry.name),
            'p99 ms': paced.p99.median(clients, entry.name),
            missed: (missed.get(entry.name) ?? []).reduce((sum: number, value) => sum + (value ?? 0), 0),
          }),
        ),
        targets: [],
        samples: { ...rates.samples(), ...paced.p99.samples('p99 ms'), ...plainSamples(missed) },
      }
    },
  }
}
