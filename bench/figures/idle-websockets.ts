import { setTimeout as wait } from 'node:timers/promises'
import { ContestantFailed } from '../harness/child.js'
import { localAddressesFor, openFilesLimit } from '../harness/open-files.js'
import { measuredSamples, plainSamples, record, rowOf, type Series, type Target } from '../harness/result.js'
import { contestantNamed, start, stopAll, withEach, type Entry, type Running } from '../harness/running.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { usageOf } from '../harness/usage.js'
import { WebSocketLoad } from '../load/websocket.js'
import { works, type AppName } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface IdleWebSockets {
  readonly sockets: number
  /** In a quick run. */
  readonly quickSockets: number
  /** Who holds them with which app; their names are `contestant app`. */
  readonly pairs: readonly { readonly contestant: string; readonly app: AppName }[]
  /** The pair that shows what Node's sockets and ws cost without amphis. */
  readonly floor: string
  /** The pairs that have to hold them all. */
  readonly holders: readonly string[]
}

const message = { kind: 'text', bytes: 64 } as const
// For what a server and the client have open besides.
const spareDescriptors = 300

/** Memory of WebSockets that say nothing: growth of the resident set, a socket; then each has to echo a message. */
export function idleWebSockets(name: string, spec: IdleWebSockets): Figure {
  return {
    name,
    title: `memory of ${spec.sockets.toLocaleString('en')} idle WebSockets`,
    contestants: [...new Set(spec.pairs.map(({ contestant }) => contestant))],
    async take(context) {
      const rounds = context.options.quick ? 1 : 3
      const wanted = context.options.quick ? spec.quickSockets : spec.sockets
      const limit = await openFilesLimit()
      const sockets = Math.min(wanted, limit - spareDescriptors)
      const localAddresses = await localAddressesFor(sockets)
      const kept = chosen(context, this.contestants)
      const memory: Series = new Map()
      const alive: Series = new Map()
      const entries = new Map<string, Entry>()
      for (let round = 0; round < rounds; round++) {
        context.say(`${name}: round ${round + 1} of ${rounds}`)
        for (const { contestant, app } of spec.pairs.filter((pair) => kept.includes(pair.contestant))) {
          const pair = `${contestant} ${app}`
          if ((entries.get(pair)?.outcome ?? 'measured') === 'measured') {
            // Fresh processes each time: memory once used is not given back.
            const entry = await start(context, contestant, { app, answer: works.hello.answer })
            const load = new WebSocketLoad()
            entries.set(pair, entry)
            await withEach([entry], async (_, running) => {
              const hold = (count: number) => load.hold(entry.title, running.port, count, localAddresses)
              record(memory, pair, round, await measure(running, contestantNamed(contestant).node, hold, sockets))
              const echoes = await load.echoAll(entry.title, message)
              record(alive, pair, round, echoes)
              if (echoes < sockets) {
                throw new ContestantFailed(`of ${sockets} sockets only ${echoes} were alive`)
              }
            })
            await load.stop()
            await stopAll([entry])
          }
        }
      }
      const aboveFloor = (pair: string) =>
        spreadOf(perRound(memory.get(pair) ?? [], memory.get(spec.floor) ?? [], (a, b) => a - b))
      return {
        name,
        title: `memory of ${sockets.toLocaleString('en')} idle WebSockets`,
        notes: [
          `${rounds} fresh ${rounds === 1 ? 'process' : 'processes'} each; growth of the server's resident set, kernel memory not in it`,
          'above ws: less what the same sockets cost bare ws; alive: how many then echoed a message, every byte compared',
          ...(sockets < wanted
            ? [`${wanted.toLocaleString('en')} were wanted, but only ${limit} files may be open (ulimit -n)`]
            : []),
        ],
        columns: { 'KiB a socket': 1, 'KiB above ws': 1, 'MiB in all': 0, alive: 0 },
        rows: [...entries].map(([pair, entry]) => {
          const each = spreadOf(measuredSamples(memory, pair))
          return rowOf(
            { ...entry, title: `${entry.title}, ${pair.split(' ')[1]} app` },
            {
              'KiB a socket': each,
              // Says something only of servers that hold Node's sockets too.
              'KiB above ws': contestantNamed(entry.name).node && pair !== spec.floor ? aboveFloor(pair) : undefined,
              'MiB in all': each && (each.median * sockets) / 1024,
              alive: spreadOf(measuredSamples(alive, pair))?.low,
            },
          )
        }),
        targets: spec.holders.map((pair): Target => {
          const measured = spreadOf(measuredSamples(alive, pair))
          return {
            id: `${pair} alive`,
            wanted,
            upper: false,
            text: `${pair} holds ${wanted.toLocaleString('en')} sockets that all answer`,
            measured,
            met: measured && measured.low >= wanted,
          }
        }),
        samples: plainSamples(memory),
      }
    },
  }
}

async function measure(
  { child }: Running,
  node: boolean | undefined,
  hold: (count: number) => Promise<void>,
  sockets: number,
): Promise<number> {
  const settled = async () => {
    await wait(500)
    if (node) {
      await child.order({ do: 'gc' })
    }
    return (await usageOf(child.pid)).rssBytes
  }
  // The first few load code and fill pools that belong to no socket.
  const few = 20
  await hold(few)
  const before = await settled()
  await hold(sockets - few)
  return ((await settled()) - before) / 1024 / (sockets - few)
}
