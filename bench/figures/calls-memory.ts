import { plainSamples, record, rowOf, type Series, type Target } from '../harness/result.js'
import { startAll, stopAll, withEach } from '../harness/running.js'
import { spreadOf } from '../harness/statistics.js'
import { works } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface CallsMemory {
  readonly contestant: string
  /** How many calls of each way. */
  readonly calls: number
  readonly ways: readonly { readonly what: string; readonly title: string }[]
  /** What the heap of either language may have more afterwards: bytes of JavaScript's, blocks of Python's. */
  readonly atMost: { readonly heap: number; readonly blocks: number }
}

/** What is in use after many calls, and was not before. */
interface Left {
  readonly heap: number
  readonly external: number
  readonly blocks: number
  readonly rss: number
}

/** A million calls may take a minute. */
const PATIENCE = 300_000

/** What many calls leave behind in the heaps of both languages. */
export function callsMemory(name: string, spec: CallsMemory): Figure {
  const title = `what ${spec.calls.toLocaleString('en')} calls leave behind`
  return {
    name,
    title,
    contestants: [spec.contestant],
    async take(context) {
      const calls = context.options.quick ? spec.calls / 10 : spec.calls
      const entries = await startAll(context, chosen(context, this.contestants), works.hello)
      const left = new Map<string, Left>()
      const samples: Series = new Map()
      try {
        await withEach(entries, async (_, { child }) => {
          for (const { what } of spec.ways) {
            context.say(`${name}: ${what}`)
            const found = await child.order<Left>({ do: 'many', what, calls }, PATIENCE)
            left.set(what, found)
            Object.values(found).forEach((value: number, index) => record(samples, what, index, value))
          }
        })
      } finally {
        await stopAll(entries)
      }
      return {
        name,
        title,
        notes: ['in use afterwards, less what was in use before, once the garbage is gone'],
        columns: { calls: 0, 'JavaScript heap KiB': 1, 'external KiB': 1, 'Python blocks': 0, 'resident MiB': 1 },
        rows: entries.flatMap((entry) =>
          spec.ways.map(({ what, title: way }) => {
            const found = left.get(what)
            return rowOf(
              { ...entry, name: what, title: way },
              {
                calls,
                'JavaScript heap KiB': found && found.heap / 1024,
                'external KiB': found && found.external / 1024,
                'Python blocks': found?.blocks,
                'resident MiB': found && found.rss / 2 ** 20,
              },
            )
          }),
        ),
        targets: spec.ways.flatMap(({ what }) => {
          const found = left.get(what)
          return [
            bound(`${what}: JavaScript heap`, found?.heap, spec.atMost.heap, 'bytes'),
            bound(`${what}: Python blocks`, found?.blocks, spec.atMost.blocks, 'blocks'),
          ]
        }),
        samples: plainSamples(samples),
      }
    },
  }
}

function bound(id: string, value: number | undefined, atMost: number, unit: string): Target {
  const measured = value === undefined ? undefined : spreadOf([value])
  return {
    id,
    wanted: atMost,
    upper: true,
    text: `${id} ≤ ${atMost.toLocaleString('en')} ${unit} more`,
    measured,
    met: measured && measured.median <= atMost,
  }
}
