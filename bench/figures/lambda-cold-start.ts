import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RuntimeApi, text } from '../../__test__/helpers/lambda/runtime-api.js'
import { ContestantFailed } from '../harness/child.js'
import type { Context } from '../harness/context.js'
import { apps, root, servers } from '../harness/paths.js'
import { measuredSamples, plainSamples, record, rowOf, type Series } from '../harness/result.js'
import { runCommand } from '../harness/run-command.js'
import { perRound, spreadOf } from '../harness/statistics.js'
import type { Figure } from './figure.js'

const bootstrap = join(root, '__test__/helpers/lambda/bootstrap.mjs')
const bare = 'bare'
const importing = 'python -c "import main"'

/** The functions, by the app that they serve: the base has none. */
const functions: readonly { name: string; title: string; app?: 'raw' | 'fastapi' }[] = [
  { name: bare, title: 'a handler of JavaScript alone' },
  { name: 'raw', title: 'amphis/aws-lambda, raw ASGI', app: 'raw' },
  { name: 'fastapi', title: 'amphis/aws-lambda, FastAPI', app: 'fastapi' },
]

/** What is asked of each app. */
const PATHS = { raw: '/', fastapi: '/openapi.json' }

/** From starting the process of a function to the answer to its first event, against a handler without Python. */
export function lambdaColdStart(name: string): Figure {
  const title = 'cold start of AWS Lambda in process: from spawning node to the answer to the first event'
  return {
    name,
    title,
    contestants: [],
    slow: true,
    async take(context) {
      const rounds = Math.max(7, context.options.rounds)
      const times: Series = new Map()
      // Round -1 is not counted: it fills the page cache and writes the bytecode.
      for (let round = -1; round < rounds; round++) {
        context.say(`${name}: ${round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`}`)
        const took = new Map<string, number>()
        for (const { name: each, app } of functions) took.set(each, await firstAnswer(context, app))
        const began = performance.now()
        await runCommand([context.python.executable, '-c', 'import main'], { cwd: join(apps, 'fastapi') })
        took.set(importing, performance.now() - began)
        if (round < 0) continue
        for (const [each, value] of took) record(times, each, round, value)
      }
      const base = times.get(bare) ?? []
      const rows = [...functions, { name: importing, title: `${importing}, FastAPI` }]
      return {
        name,
        title,
        notes: [`${rounds} rounds; without what Lambda itself does before it starts the process`],
        columns: { ms: 0, 'ms above bare': 0 },
        rows: rows.map(({ name: each, title: words }) =>
          rowOf(
            { name: each, title: words, outcome: 'measured' },
            {
              ms: spreadOf(measuredSamples(times, each)),
              'ms above bare': spreadOf(perRound(times.get(each) ?? [], base, (a, b) => a - b)),
            },
          ),
        ),
        targets: [],
        samples: plainSamples(times),
      }
    },
  }
}

/** Milliseconds. */
async function firstAnswer(context: Context, app: 'raw' | 'fastapi' | undefined): Promise<number> {
  const events = JSON.parse(await readFile(join(servers, 'lambda-events.json'), 'utf8')) as Record<string, object>
  const rawPath = app === undefined ? '/' : PATHS[app]
  const event = { ...events['function url'], rawPath }
  const api = await RuntimeApi.start()
  const answer = api.invoke(event)
  const handler = join(servers, app === undefined ? 'lambda-bare.js' : 'lambda-function.js')
  const began = performance.now()
  const child = spawn(process.execPath, [bootstrap, `${handler}#handler`], {
    env: {
      ...process.env,
      AWS_LAMBDA_RUNTIME_API: api.address,
      AWS_LAMBDA_FUNCTION_NAME: 'function',
      BENCH_APP_DIR: join(apps, app ?? 'raw'),
      BENCH_PYTHON: context.python.executable,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'close')
  try {
    const { body, isError } = await Promise.race([
      answer,
      ended.then(([code]) => Promise.reject(new ContestantFailed(`the function has ended with ${String(code)}`))),
    ])
    const said = await text(body)
    const took = performance.now() - began
    const { statusCode } = JSON.parse(said) as { statusCode?: number }
    if (isError || statusCode !== 200) throw new ContestantFailed(`the function has answered ${said.slice(0, 300)}`)
    return took
  } finally {
    child.kill('SIGKILL')
    await ended
    await api.close()
  }
}
