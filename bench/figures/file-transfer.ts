import { largeFile } from '../harness/large-file.js'
import { measuredSamples, rowOf } from '../harness/result.js'
import { start, stopAll, withEach, type Entry } from '../harness/running.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { usageOf } from '../harness/usage.js'
import { FileLoad } from '../load/file.js'
import { works, type AppName } from '../works.js'
import { ByConnections, over, type ConnectionTarget } from './connections.js'
import { chosen, type Figure } from './figure.js'

export interface FileTransfer {
  /** @default of a file of so many MiB */
  readonly title?: string
  readonly mebibytes: number
  /** Each is measured, in the same run. */
  readonly connections: readonly number[]
  /** Who sends the file with which app, and how; their names are `contestant app`. */
  readonly senders: readonly { readonly contestant: string; readonly app: AppName; readonly how: string }[]
  /** The sender the ratios in the table refer to. */
  readonly base: { readonly title: string; readonly name: string }
  /** For each number of connections. */
  readonly targets: readonly ConnectionTarget[]
}

/** Bytes a second of one large file, sent again and again. */
export function fileTransfer(name: string, spec: FileTransfer): Figure {
  const title = spec.title ?? `a file of ${spec.mebibytes} MiB`
  return {
    name,
    title,
    contestants: [...new Set(spec.senders.map(({ contestant }) => contestant))],
    async take(context) {
      const { rounds } = context.options
      const kept = chosen(context, this.contestants)
      const rates = new ByConnections(spec.connections)
      const cpu = new ByConnections(spec.connections)
      const loadShare = new ByConnections(spec.connections)
      const load = new FileLoad()
      const entries: Entry[] = []
      const file = { path: '/file', whole: false }
      try {
        await load.expect(await largeFile(spec.mebibytes))
        for (const { contestant, app, how } of spec.senders.filter((sender) => kept.includes(sender.contestant))) {
          const entry = await start(context, contestant, { app, answer: works.hello.answer })
          entries.push({ ...entry, name: `${contestant} ${app}`, title: `${entry.title}, ${how}` })
        }
        // Once byte for byte; this also brings the file into memory.
        await withEach(entries, async (entry, { port }) => {
          await load.run(entry.title, { ...file, port, connections: 2, seconds: 0, whole: true })
        })
        for (let round = 0; round < rounds; round++) {
          context.say(`${name}: round ${round + 1} of ${rounds}`)
          for (const connections of spec.connections) {
            await withEach(entries, async (entry, { child, port }) => {
              const before = await usageOf(child.pid)
              const slice = await load.run(entry.title, { ...file, port, connections, seconds: 1 })
              const after = await usageOf(child.pid)
              rates.record(connections, entry.name, round, (slice.files * spec.mebibytes) / slice.seconds)
              cpu.record(connections, entry.name, round, ((after.cpuSeconds - before.cpuSeconds) * 1e3) / slice.files)
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
          `load: ${FileLoad.title}; ${rounds} rounds of 1 s each, files under way then read to their end`,
          "CPU: the server's for a file; load: the generator's share of a core",
        ],
        columns: { 'MiB/s': 0, [ratio]: 2, 'CPU ms': 0, 'load %': 0 },
        rows: spec.connections.flatMap((connections) => {
          const series = rates.at(connections)
          const base = series.get(spec.base.name) ?? []
          return entries.map((entry) =>
            rowOf(
              entry,
              {
                'MiB/s': spreadOf(measuredSamples(series, entry.name)),
                [ratio]: spreadOf(perRound(series.get(entry.name) ?? [], base, (a, b) => a / b)),
                'CPU ms': cpu.median(connections, entry.name),
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
