import { appendFile, copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { ContestantFailed } from '../harness/child.js'
import { apps } from '../harness/paths.js'
import { measuredSamples, plainSamples, record, rowOf, type Series, type Target } from '../harness/result.js'
import { runCommand } from '../harness/run-command.js'
import { start, stopAll, verify, withEach, type Entry } from '../harness/running.js'
import { spreadOf } from '../harness/statistics.js'
import { workOfApp, type AppName } from '../works.js'
import { chosen, type Figure } from './figure.js'

export interface Reload {
  /** Who reloads which app. */
  readonly pairs: readonly { readonly contestant: string; readonly app: AppName }[]
  /** Milliseconds that a pair may take, by `contestant app`. */
  readonly targets: Readonly<Record<string, number>>
}

/** How long new code may take to answer, in milliseconds. */
const LIMIT = 30_000

/** From the change of an app's file to the first response of the new code. */
export function reload(name: string, spec: Reload): Figure {
  const title = 'reload: from the change of a file to the first response of the new code'
  return {
    name,
    title,
    contestants: [...new Set(spec.pairs.map(({ contestant }) => contestant))],
    async take(context) {
      const rounds = Math.max(7, context.options.rounds)
      const kept = chosen(context, this.contestants)
      const times: Series = new Map()
      const entries = new Map<string, Entry>()
      const folder = await mkdtemp(join(tmpdir(), 'amphis-reload-'))
      try {
        for (const { contestant, app } of spec.pairs) {
          if (!kept.includes(contestant)) continue
          const pair = `${contestant} ${app}`
          context.say(`${name}: ${pair}`)
          const appDir = join(folder, pair.replace(' ', '-'))
          await mkdir(appDir)
          await copyFile(join(apps, app, 'main.py'), join(appDir, 'main.py'))
          const importing = `python -c "import main", ${app} app`
          // One at a time: each has processes that are ready for what comes next.
          const entry = await start(context, contestant, { app, appDir, answer: workOfApp[app].answer })
          entries.set(pair, entry)
          await withEach([entry], async (_, { port }) => {
            await verify(entry, workOfApp[app])
            for (let round = -1; round < rounds; round++) {
              // What has made ready for this change, and what an editor leaves between two.
              await wait(1_000)
              const took = await change(join(appDir, 'main.py'), port, String(round))
              if (round >= 0) record(times, pair, round, took)
            }
          })
          await stopAll([entry])
          // Once for each app, not for each who reloads it.
          if (entries.has(importing)) continue
          entries.set(importing, { name: importing, contestant: '', title: importing, outcome: 'measured' })
          for (let round = 0; round < rounds; round++) {
            const began = performance.now()
            await runCommand([context.python.executable, '-c', 'import main'], { cwd: appDir })
            record(times, importing, round, performance.now() - began)
          }
        }
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
      return {
        name,
        title,
        notes: [
          `${rounds} changes each, one a second and more; an answer is asked for every 2 ms`,
          'uvicorn as it is installed, which looks at the files four times a second',
          'beside it what importing the app alone takes, the start of Python included',
        ],
        columns: { ms: 0 },
        rows: [...entries].map(([pair, entry]) =>
          rowOf(
            {
              ...entry,
              name: pair,
              title: entry.contestant === '' ? pair : `${entry.title}, ${pair.split(' ')[1]} app`,
            },
            { ms: spreadOf(measuredSamples(times, pair)) },
          ),
        ),
        targets: Object.entries(spec.targets).map(([pair, atMost]): Target => {
          const measured = spreadOf(measuredSamples(times, pair))
          return {
            id: pair,
            wanted: atMost,
            upper: true,
            text: `${pair} ≤ ${atMost} ms`,
            measured,
            met: measured && measured.median <= atMost,
          }
        }),
        samples: plainSamples(times),
      }
    },
  }
}

/** Changes an app so that it tells a version, and waits for whoever tells it; the time that took. */
async function change(file: string, port: number, version: string): Promise<number> {
  const code = `
told_${version.replace('-', '_')} = app

async def app(scope, receive, send):
    if scope["type"] != "http" or scope["path"] != "/version":
        return await told_${version.replace('-', '_')}(scope, receive, send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"${version}"})
`
  await appendFile(file, code)
  const began = performance.now()
  while ((await versionOf(port)) !== version) {
    if (performance.now() - began > LIMIT) throw new ContestantFailed(`does not answer by new code in ${LIMIT} ms`)
    await wait(2)
  }
  return performance.now() - began
}

/** What answers now, on a connection of its own; undefined when nobody does. */
function versionOf(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get({ port, path: '/version', agent: false, timeout: LIMIT }, (response) => {
      let text = ''
      response.setEncoding('latin1')
      response.on('data', (piece: string) => (text += piece))
      response.on('end', () => resolve(text))
      response.on('error', () => resolve(undefined))
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(undefined))
  })
}
