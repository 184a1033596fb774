import { rowOf } from '../harness/result.js'
import { startAll, stopAll, withEach } from '../harness/running.js'
import { prepareSmallFiles } from '../harness/small-file.js'
import { peakOf, resetPeak } from '../harness/usage.js'
import { StreamLoad } from '../load/stream.js'
import { works } from '../works.js'
import { ByConnections, type ConnectionTarget } from './connections.js'
import { chosen, leftOutNote, type Figure, type QuickSubset } from './figure.js'
import { serverCpu } from './server-cpu.js'

export interface Streams {
  readonly direction: 'down' | 'up'
  readonly mebibytes: number
  /** In a quick run. */
  readonly quickMebibytes: number
  readonly contestants: readonly string[]
  /** The contestant the ratios in the table refer to. */
  readonly base: string
  readonly targets: readonly ConnectionTarget[]
  readonly quick?: QuickSubset
}

/** Bytes a second of one long body in chunks of 64 KiB, in one direction. */
export function streams(name: string, spec: Streams): Figure {
  const { direction } = spec
  const title =
    direction === 'down'
      ? 'a response in chunks of 64 KiB (raw ASGI), its length not announced'
      : 'a request of 64 KiB chunks (raw ASGI), its length announced'
  return {
    name,
    title,
    contestants: spec.contestants,
    async take(context) {
      const { rounds, quick } = context.options
      const mebibytes = quick ? spec.quickMebibytes : spec.mebibytes
      const kept = chosen(context, spec.contestants, spec.quick)
      const rates = new ByConnections([1])
      const cpu = new ByConnections([1])
      const peaks = new ByConnections([1])
      const loadShare = new ByConnections([1])
      const load = new StreamLoad()
      const entries = await startAll(context, kept, works.hello)
      try {
        await load.expect(await prepareSmallFiles())
        // Every byte once, which is the warm-up as well.
        await withEach(entries, async (entry, { port }) => {
          await load.run(entry.title, { port, direction, mebibytes: spec.quickMebibytes, seconds: 0, whole: true })
        })
        for (let round = 0; round < rounds; round++) {
          context.say(`${name}: round ${round + 1} of ${rounds}`)
          await withEach(entries, async (entry, { port }) => {
            const { before, after, pids } = serverCpu(entry, entries)
            await Promise.all(pids.map(resetPeak))
            await before()
            const slice = await load.run(entry.title, { port, direction, mebibytes, seconds: 0.3, whole: false })
            const spent = await after()
            const moved = slice.bodies * mebibytes
            const peak = (await Promise.all(pids.map(peakOf))).reduce((sum, bytes) => sum + bytes, 0)
            rates.record(1, entry.name, round, moved / slice.seconds)
            cpu.record(1, entry.name, round, (spent * 1024 * 1000) / moved)
            peaks.record(1, entry.name, round, peak / 2 ** 20)
            loadShare.record(1, entry.name, round, (slice.cpuSeconds * 100) / slice.seconds)
          })
        }
      } finally {
        await stopAll(entries)
        await load.stop()
      }
      const ratio = `× ${spec.base}`
      const base = rates.at(1).get(spec.base) ?? []
      return {
        name,
        title,
        notes: [
          `load: ${StreamLoad.title}; ${rounds} rounds of bodies of ${mebibytes} MiB, for at least 0.3 s`,
          "CPU: the servers', those it stands before included; load: the generator's share of a core",
          ...leftOutNote(spec.contestants, kept),
        ],
        columns: { 'MiB/s': 0, [ratio]: 2, 'CPU ms a GiB': 0, 'peak MiB': 0, 'load %': 0 },
        rows: entries.map((entry) =>
          rowOf(entry, {
            'MiB/s': rates.spread(1, entry.name),
            [ratio]: rates.ratio(1, entry.name, base),
            'CPU ms a GiB': cpu.median(1, entry.name),
            'peak MiB': peaks.median(1, entry.name),
            'load %': loadShare.median(1, entry.name),
          }),
        ),
        targets: rates.targets(spec.targets),
        samples: rates.samples(),
      }
    },
  }
}
