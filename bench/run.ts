import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { contestants } from './contestants.js'
import { figures } from './figures.js'
import type { Context } from './harness/context.js'
import { busyWarning, debugBuildWarning, describeMachine } from './harness/machine.js'
import { prepareNodePeers } from './harness/node-peers.js'
import { readOptions, usage, type Options } from './harness/options.js'
import { results } from './harness/paths.js'
import { preparePython } from './harness/python.js'
import { figureText, markdown } from './harness/report.js'
import type { FigureResult } from './harness/result.js'
import { chooseLoadGenerator } from './load/generator.js'

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
  await prepareNodePeers(say)
  const python = await preparePython(options.python, say)
  const load = await chooseLoadGenerator(options.load)
  const context: Context = { options, python, load, say }
  const machine = await describeMachine(python)
  say(`${machine.cpu}, ${machine.cores} cores; load: ${load.title}`)
  say(
    Object.entries(machine.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  )
  const warnings = [load.caveat, busyWarning(), await debugBuildWarning()].filter((warning) => warning !== undefined)
  warnings.forEach(say)
  if (leftOut.length > 0) {
    say(`left out by --quick: ${leftOut.map(({ name }) => name).join(', ')}`)
  }

  const taken: FigureResult[] = []
  for (const figure of wanted) {
    const result = await figure.take(context)
    taken.push(result)
    process.stdout.write(`${figureText(result)}\n`)
  }

  const report = JSON.stringify({ machine, load: load.title, warnings, options, figures: taken }, undefined, 2)
  if (options.json !== undefined) {
    await writeFile(options.json, `${report}\n`)
  }
  if (options.save) {
    await mkdir(results, { recursive: true })
    const file = join(results, machine.date.slice(0, 16).replaceAll(':', ''))
    await writeFile(`${file}.json`, `${report}\n`)
    await writeFile(`${file}.md`, markdown(machine, taken))
    say(`saved ${file}.md and .json`)
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
