import { bestPerRound, measuredSamples, rowOf } from '../harness/result.js'
import { startAll, stopAll, withEach } from '../harness/running.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { usageOf } from '../harness/usage.js'
import { WebSocketLoad, type MessageKind } from '../load/websocket.js'
import { works } from '../works.js'
import { ByConnections, over, type ConnectionTarget } from './connections.js'
import { chosen, type Figure } from './figure.js'

export interface WebSocketEcho {
  readonly message: MessageKind
  /** Each is measured, in the same run. */
  readonly connections: readonly number[]
  readonly contestants: readonly string[]
  /** The contestants whose best in each round the ratios in the table refer to. */
  readonly base: { readonly title: string; readonly names: readonly string[] }
  /** For each number of connections. */
  readonly targets: readonly ConnectionTarget[]
}

/** Messages a second over WebSockets, each sent when the one before it has come back. */
export function webSocketEcho(name: string, spec: WebSocketEcho): Figure {
  const { message } = spec
  const title = `WebSocket echo (raw ASGI), ${message.kind} messages of ${message.bytes.toLocaleString('en')} bytes`
  return {
    name,
    title,
    contestants: spec.contestants,
    async take(context) {
      const { rounds, warmUp } = context.options
      const rates = new ByConnections(spec.connections)
      const p50 = new ByConnections(spec.connections)
      const p99 = new ByConnections(spec.connections)
      const cpu = new ByConnections(spec.connections)
      const loadCpu = new ByConnections(spec.connections)
      const loadShare = new ByConnections(spec.connections)
      const load = new WebSocketLoad()
      const entries = await startAll(context, chosen(context, spec.contestants), works.hello)
      try {
        for (const connections of spec.connections) {
          await withEach(entries, async ({ title: who }, { port }) => {
            await load.run(who, { ...message, port, connections, seconds: warmUp / spec.connections.length })
          })
        }
        for (let round = 0; round < rounds; round++) {
          context.say(`${name}: round ${round + 1} of ${rounds}`)
          for (const connections of spec.connections) {
            await withEach(entries, async (entry, { child, port }) => {
              const before = await usageOf(child.pid)
              const slice = await load.run(entry.title, { ...message, port, connections, seconds: 1 })
              const after = await usageOf(child.pid)
              rates.record(connections, entry.name, round, slice.echoes / slice.seconds)
              p50.record(connections, entry.name, round, slice.p50 * 1000)
              p99.record(connections, entry.name, round, slice.p99 * 1000)
              cpu.record(connections, entry.name, round, ((after.cpuSeconds - before.cpuSeconds) * 1e6) / slice.echoes)
              loadCpu.record(connections, entry.name, round, (slice.cpuSeconds * 1e6) / slice.echoes)
              loadShare.record(connections, entry.name, round, (slice.cpuSeconds * 100) / slice.seconds)
            })
          }
        }
      } finally {
        await stopAll(entries)
        await load.stop()
      }
      const ratio = `× ${spec.base.title}`
      return {
        name,
        title,
        notes: [
          `load: ${WebSocketLoad.title}; one message in flight a connection, no compression`,
          `${rounds} rounds of 1 s each after ${warmUp} s of warm-up; CPU: the server's for a message; load: the generator's`,
          'share of a core, which servers of more than one busy thread miss on a machine of two',
          ...spec.connections.flatMap((connections) => ceiling(loadCpu, connections, spec.contestants)),
        ],
        columns: { 'messages/s': 0, [ratio]: 2, 'p50 µs': 0, 'p99 µs': 0, 'CPU µs': 1, 'load %': 0 },
        rows: spec.connections.flatMap((connections) => {
          const series = rates.at(connections)
          const base = bestPerRound(series, spec.base.names)
          return entries.map((entry) =>
            rowOf(
              entry,
              {
                'messages/s': spreadOf(measuredSamples(series, entry.name)),
                [ratio]: spreadOf(perRound(series.get(entry.name) ?? [], base, (a, b) => a / b)),
                'p50 µs': p50.median(connections, entry.name),
                'p99 µs': p99.median(connections, entry.name),
                'CPU µs': cpu.median(connections, entry.name),
                'load %': loadShare.median(connections, entry.name),
              },
              over(connections),
            ),
          )
        }),
        targets: rates.targets(spec.targets),
        samples: rates.samples(),
      }
    },
  }
}

/** How many messages would fill the generator's core, at what one costs it at the server where it costs least. */
function ceiling(loadCpu: ByConnections, connections: number, names: readonly string[]): string[] {
  const least = Math.min(...names.map((name) => loadCpu.median(connections, name) ?? Infinity))
  return Number.isFinite(least)
    ? [
        `over ${over(connections)} the generator takes ${least.toFixed(1)} µs a message, so that at most ` +
          `${Math.round(1e6 / least).toLocaleString('en')}/s can be seen`,
      ]
    : []
}
