import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { figures } from './figures.js'
import type { Figure } from './figures/figure.js'
import type { Context } from './harness/context.js'
import { judge, lowered, namedIn, type Floors } from './harness/floors.js'
import { readOptions } from './harness/options.js'
import type { FigureResult } from './harness/result.js'
import { setUp } from './harness/setup.js'

const file = fileURLToPath(new URL('floors.json', import.meta.url))
const say = (line: string) => process.stderr.write(`${line}\n`)

const usage = `Usage: npm run bench:check -- [options]

  --set     set the floors anew, 15 % below what is measured now
  --help    this text
`

// Exiting at once runs the listener that ends the contestants.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

try {
  await main()
} catch (error) {
  say(error instanceof TypeError ? error.message : String(error instanceof Error ? error.stack : error))
  process.exitCode = 2
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { set: { type: 'boolean' }, help: { type: 'boolean' } } })
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  const floors = JSON.parse(await readFile(file, 'utf8')) as Floors
  const { context } = await setUp(readOptions(['--quick', '--rounds', values.set ? '7' : '3']), say)
  const results: FigureResult[] = []
  const fallen: string[] = []
  for (const name of Object.keys(floors)) {
    const figure = figures.find((each) => each.name === name)
    if (figure === undefined) {
      throw new TypeError(`floors.json names a figure "${name}" that there is not.`)
    }
    const result = await takeShort(figure, floors, context)
    results.push(result)
    let judged = judge(floors, result)
    if (!values.set && judged.some(({ held }) => !held)) {
      say(`${name}: below a floor; once more, with twice the rounds`)
      const again = { ...context, options: { ...context.options, rounds: context.options.rounds * 2 } }
      judged = judge(floors, await takeShort(figure, floors, again))
    }
    for (const { held, text } of judged) {
      process.stdout.write(`${values.set ? ' ' : held ? '✔' : '✖'} ${text}\n`)
      if (!held) {
        fallen.push(text)
      }
    }
  }
  if (values.set) {
    await writeFile(file, `${JSON.stringify(lowered(floors, results), undefined, 2)}\n`)
    say(`set ${file}`)
  } else if (fallen.length > 0) {
    process.stdout.write(`\nfell below their floors:\n${fallen.map((text) => `  ${text}`).join('\n')}\n`)
    process.exitCode = 1
  }
}

/** A figure with no more contestants than its floors speak of. */
function takeShort(figure: Figure, floors: Floors, context: Context): Promise<FigureResult> {
  const contestants = namedIn(floors, figure.name, figure.contestants)
  return figure.take({ ...context, options: { ...context.options, contestants } })
}
