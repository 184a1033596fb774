import { writeFile } from 'node:fs/promises'
import { contestants } from './contestants.js'
import { figures } from './figures.js'
import { readOptions, usage, type Options } from './harness/options.js'
import { figureText } from './harness/report.js'
import type { FigureResult } from './harness/result.js'
import { save } from './harness/save.js'
import { setUp } from './harness/setup.js'

const say = (line: string) => process.stderr.write(`${line}\n`)

// Exiting at once runs the listener that ends the contestants.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

try {
  await main(readOptions(process.argv.slice(2)))
} catch (error) {
  say(error instanceof TypeError ? error.message : String(error instanceof Error ? error.stack : error))
  process.exitCode = 2
}

async function main(options: Options): Promise<void> {
  if (options.help) {
    process.stdout.write(usage)
    return
  }
  if (options.list) {
    process.stdout.write(list())
    return
  }
  const wanted = selectFigures(options)
  const leftOut = options.only.length === 0 ? figures.filter((figure) => !wanted.includes(figure)) : []
  const { context, machine, warnings } = await setUp(options, say)
  if (leftOut.length > 0) {
    say(`left out by --quick: ${leftOut.map(({ name }) => name).join(', ')}`)
  }

  const taken: FigureResult[] = []
  for (const figure of wanted) {
    const result = await figure.take(context)
    taken.push({ ...result, taken: { date: machine.date, amphis: machine.versions['amphis'] } })
    process.stdout.write(`${figureText(result)}\n`)
  }

  const run = { machine, load: context.load.title, warnings, figures: taken }
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ ...run, options }, undefined, 2)}\n`)
  }
  if (options.save) {
    const order = figures.map(({ name }) => name)
    say(`saved ${await save(run, options, order)}, results.json and charts beside it`)
  }
  if (taken.some(({ rows }) => rows.some(({ outcome }) => outcome === 'wrong bytes'))) {
    say('A contestant answered wrong bytes: this run does not count.')
    process.exitCode = 1
  }
}

function selectFigures({ only, quick, contestants: kept }: Options) {
  for (const name of only) {
    if (!figures.some((figure) => figure.name === name)) {
      throw new TypeError(
        `There is no figure "${name}"; there are: ${figures.map((figure) => figure.name).join(', ')}.`,
      )
    }
  }
  for (const name of kept) {
    if (contestants[name] === undefined) {
      throw new TypeError(`There is no contestant "${name}"; there are: ${Object.keys(contestants).join(', ')}.`)
    }
  }
  return figures.filter(({ name, slow = false }) => (only.length === 0 ? !(quick && slow) : only.includes(name)))
}

function list(): string {
  return [
    'figures',
    ...figures.map(({ name, title }) => `  ${name.padEnd(20)}${title}`),
    'contestants',
    ...Object.entries(contestants).map(([name, { title }]) => `  ${name.padEnd(20)}${title}`),
    '',
  ].join('\n')
}
