import { setTimeout as wait } from 'node:timers/promises'
import { hold } from '../harness/hold.js'
import { measuredSamples, plainSamples, record, rowOf, type Series, type Target } from '../harness/result.js'
import { contestantNamed, start, stopAll, verify, withEach, type Entry, type Running } from '../harness/running.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { usageOf } from '../harness/usage.js'
import { workOfApp, type AppName } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface IdleStreams {
  readonly streams: number
  /** Who holds the streams of which app; `bare` with either is the floor. */
  readonly pairs: readonly { readonly contestant: string; readonly app: AppName }[]
  /** KiB a stream above the floor that a pair may cost, by `contestant app`. */
  readonly targets: Readonly<Record<string, number>>
}

const floor = 'bare raw'
/** Memory of streams that have sent one chunk and then say nothing: growth of the resident set, a stream. */
export function idleStreams(name: string, spec: IdleStreams): Figure {
  const title = `memory of ${spec.streams.toLocaleString('en')} idle streams`
  return {
    name,
    title,
    contestants: [...new Set(spec.pairs.map(({ contestant }) => contestant))],
    async take(context) {
      const rounds = context.options.quick ? 1 : 5
      const kept = chosen(context, this.contestants)
      const pairs = spec.pairs.filter(({ contestant }) => kept.includes(contestant))
      const perStream: Series = new Map()
      const entries = new Map<string, Entry>()
      for (let round = 0; round < rounds; round++) {
        context.say(`${name}: round ${round + 1} of ${rounds}`)
        for (const { contestant, app } of pairs) {
          const pair = `${contestant} ${app}`
          if ((entries.get(pair)?.outcome ?? 'measured') === 'measured') {
            // A fresh process each time: memory once used is not given back.
            const entry = await start(context, contestant, { app, answer: workOfApp[app].answer })
            entries.set(pair, entry)
            await withEach([entry], async (_, running) => {
              await verify(entry, workOfApp[app])
              record(perStream, pair, round, await measure(running, contestantNamed(contestant).node, spec.streams))
            })
            await stopAll([entry])
          }
        }
      }
      const aboveFloor = (pair: string) =>
        spreadOf(perRound(perStream.get(pair) ?? [], perStream.get(floor) ?? [], (a, b) => a - b))
      return {
        name,
        title,
        notes: [
          `${rounds} fresh ${rounds === 1 ? 'process' : 'processes'} each; growth of the server's resident set`,
          'above Node: less what the same streams cost a bare node:http server',
        ],
        columns: { 'KiB a stream': 1, 'KiB above Node': 1 },
        rows: [...entries].map(([pair, entry]) =>
          rowOf(
            { ...entry, name: pair, title: `${entry.title}, ${pair.split(' ')[1]} app` },
            {
              'KiB a stream': spreadOf(measuredSamples(perStream, pair)),
              // Says something only of servers that hold Node's sockets too.
              'KiB above Node': contestantNamed(entry.name).node && pair !== floor ? aboveFloor(pair) : undefined,
            },
          ),
        ),
        targets: Object.entries(spec.targets).map(([pair, atMost]): Target => {
          const measured = aboveFloor(pair)
          return {
            id: `${pair} - ${floor}`,
            wanted: atMost,
            upper: true,
            text: `${pair} < ${atMost} KiB a stream above Node's own sockets`,
            measured,
            met: measured && measured.median < atMost,
          }
        }),
        samples: plainSamples(perStream),
      }
    },
  }
}

async function measure({ child, port }: Running, node: boolean | undefined, streams: number): Promise<number> {
  const settled = async () => {
    await wait(500)
    if (node) {
      await child.order({ do: 'gc' })
    }
    return (await usageOf(child.pid)).rssBytes
  }
  const isOpen = (received: string) => received.includes('open')
  // The first few load code and fill pools that belong to no stream.
  const few = await hold(port, '/stream', 20, isOpen)
  const before = await settled()
  const many = await hold(port, '/stream', streams, isOpen)
  const after = await settled()
  few.release()
  many.release()
  return (after - before) / 1024 / streams
}
