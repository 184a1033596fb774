import { setTimeout as wait } from 'node:timers/promises'
import { ContestantFailed } from '../harness/child.js'
import { hold, type Held } from '../harness/hold.js'
import { plainSamples, record, rowOf, type Series } from '../harness/result.js'
import { alive, ask, contestantNamed, startAll, stopAll, verify, withEach, type Entry } from '../harness/running.js'
import { spreadOf } from '../harness/statistics.js'
import { usageOf } from '../harness/usage.js'
import { works } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface WaitingCpu {
  /** How many requests each contestant holds. */
  readonly requests: Readonly<Record<string, number>>
  /** Milliseconds of CPU a second that the waiting requests of a contestant may cost together. */
  readonly targets: Readonly<Record<string, number>>
}

const request = (path: string) => ({ method: 'GET' as const, path, headers: {} })

/** What requests cost while the app waits: CPU with them, less the CPU of the same process idle. */
export function waitingCpu(name: string, spec: WaitingCpu): Figure {
  const title = 'CPU of requests that wait (raw ASGI)'
  const contestants = Object.keys(spec.requests)
  return {
    name,
    title,
    contestants,
    async take(context) {
      const seconds = context.options.quick ? 3 : 5
      const extra: Series = new Map()
      const idle: Series = new Map()
      const entries = await startAll(context, chosen(context, contestants), works.hello)
      try {
        await withEach(entries, (entry) => verify(entry, works.hello))
        context.say(`${name}: idle`)
        const idleRates = await Promise.all(
          entries.map(async ({ running }) => running && (await cpuRate(running.child.pid, seconds))),
        )
        for (const [i, entry] of entries.entries()) {
          context.say(`${name}: ${entry.name}`)
          await withEach([entry], async (_, { child }) => {
            const held = await holdRequests(entry, spec.requests[entry.name] ?? 0)
            const idleRate = idleRates[i] ?? 0
            record(idle, entry.name, 0, idleRate)
            record(extra, entry.name, 0, (await cpuRate(child.pid, seconds)) - idleRate)
            held.release()
          })
          // Those that poll would keep a core busy through the others' turns.
          await stopAll([entry])
        }
      } finally {
        await stopAll(entries)
      }
      return {
        name,
        title,
        notes: [`over ${seconds} s; the clock counts in steps of ${(10 / seconds).toFixed(1)} ms/s`],
        columns: { requests: 0, 'waiting ms/s': 1, 'idle ms/s': 1 },
        rows: entries.map((entry) =>
          rowOf(entry, {
            requests: spec.requests[entry.name],
            'waiting ms/s': extra.get(entry.name)?.[0],
            'idle ms/s': idle.get(entry.name)?.[0],
          }),
        ),
        targets: Object.entries(spec.targets).map(([contestant, atMost]) => {
          const measured = spreadOf((extra.get(contestant) ?? []).filter((value) => value !== undefined))
          return {
            id: contestant,
            wanted: atMost,
            upper: true,
            text: `${contestant} ≤ ${atMost} ms of CPU a second`,
            measured,
            met: measured && measured.median <= atMost,
          }
        }),
        samples: plainSamples(extra),
      }
    },
  }
}

/** Puts requests in front of the app that it never answers, and makes sure that they have reached it. */
async function holdRequests(entry: Entry, count: number): Promise<Held> {
  const { child, port } = alive(entry)
  let held: Held = { release: () => undefined }
  if (contestantNamed(entry.contestant).reach === 'in-process') {
    await child.order({ do: 'hold', work: request('/wait'), count })
  } else {
    held = await hold(port, '/wait', count, () => true)
  }
  for (
    let tries = 0;
    entry.name !== 'bare' && (await ask(entry, request('/waiting'))).body !== String(count);
    tries++
  ) {
    if (tries === 100) {
      throw new ContestantFailed(`does not hold ${count} requests at a time`)
    }
    await wait(50)
  }
  return held
}

/** Milliseconds of CPU a second. */
async function cpuRate(pid: number, seconds: number): Promise<number> {
  // What start-up and connecting set off shall not count.
  await wait(500)
  const before = await usageOf(pid)
  const start = performance.now()
  await wait(seconds * 1000)
  const after = await usageOf(pid)
  return ((after.cpuSeconds - before.cpuSeconds) * 1e6) / (performance.now() - start)
}
