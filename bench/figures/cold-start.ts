import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { apps } from '../harness/paths.js'
import { measuredSamples, plainSamples, record, rowOf, target, type Series } from '../harness/result.js'
import { start, stopAll, withEach, type Entry } from '../harness/running.js'
import { runCommand } from '../harness/run-command.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import { checkAnswer } from '../harness/wire.js'
import type { Work } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface ColdStart {
  readonly work: Work
  readonly contestants: readonly string[]
  /** Milliseconds above importing the app that a contestant may take. */
  readonly targets: Readonly<Record<string, number>>
}

const importing = 'python -c "import main"'

/** From starting the process to the first byte of the first response, against importing the app alone. */
export function coldStart(name: string, spec: ColdStart): Figure {
  const title = `cold start: ${spec.work.title}`
  return {
    name,
    title,
    contestants: spec.contestants,
    async take(context) {
      const rounds = Math.max(7, context.options.rounds)
      const times: Series = new Map()
      const python: Entry = { name: importing, contestant: '', title: importing, outcome: 'measured' }
      const entries = new Map<string, Entry>([[importing, python]])
      // Round -1 is not counted: it fills the page cache and writes the bytecode.
      for (let round = -1; round < rounds; round++) {
        context.say(`${name}: ${round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
        const importBegan = performance.now()
        await runCommand([context.python.executable, '-c', 'import main'], { cwd: join(apps, spec.work.app) })
        const importTook = performance.now() - importBegan
        if (round >= 0) {
          record(times, importing, round, importTook)
        }
        for (const each of chosen(context, spec.contestants)) {
          if ((entries.get(each)?.outcome ?? 'measured') === 'measured') {
            const entry = await start(context, each, spec.work, [], { everyMs: 2 })
            entries.set(each, entry)
            await withEach([entry], async (_, { child, client }) => {
              const response = await client.ask(spec.work)
              checkAnswer(entry.title, response, spec.work.answer)
              if (round >= 0) {
                record(times, each, round, response.firstByteAt - child.spawnedAt)
              }
            })
            await stopAll([entry])
            await wait(50)
          }
        }
      }
      const base = times.get(importing) ?? []
      return {
        name,
        title,
        notes: [`${rounds} rounds; from spawning the process to the first byte of the response`],
        columns: { ms: 0, 'ms above import': 0 },
        rows: [...entries.values()].map((entry) =>
          rowOf(entry, {
            ms: spreadOf(measuredSamples(times, entry.name)),
            'ms above import': spreadOf(perRound(times.get(entry.name) ?? [], base, (a, b) => a - b)),
          }),
        ),
        targets: Object.entries(spec.targets).map(([of, atMost]) =>
          target(times, { of, over: importing, relation: 'difference', atMost, unit: 'ms' }),
        ),
        samples: plainSamples(times),
      }
    },
  }
}
