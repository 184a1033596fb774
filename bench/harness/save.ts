import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { figureChart, targetsChart } from './charts.js'
import type { Machine } from './machine.js'
import { NUMBERS_PAGE, README, writeNumbers } from './numbers.js'
import type { Options } from './options.js'
import { results, root } from './paths.js'
import { markdown } from './report.js'
import type { FigureResult } from './result.js'
import { runCommand } from './run-command.js'

/** Everything measured in a run, or in several where single figures were taken anew. */
export interface Saved {
  readonly machine: Machine
  readonly load: string
  readonly warnings: readonly string[]
  readonly figures: readonly FigureResult[]
}

/**
 * Keeps a run as JSON, Markdown and charts. Figures that were taken by `--only` replace those of their name and leave
 * the others, each with its own date; a quick run has a folder of its own.
 */
export async function save(run: Saved, { quick, only }: Options, order: readonly string[]): Promise<string> {
  const folder = quick ? join(results, 'quick') : results
  const earlier = only.length === 0 ? [] : await readFigures(folder)
  const taken = new Map([...earlier, ...run.figures].map((figure) => [figure.name, figure]))
  const figures = order.flatMap((name) => taken.get(name) ?? [])
  await mkdir(folder, { recursive: true })
  if (only.length === 0) {
    // Charts of figures that are no more.
    await rm(join(folder, 'charts'), { recursive: true, force: true })
  }
  await mkdir(join(folder, 'charts'), { recursive: true })
  const charts = new Set<string>()
  const all = [...figures.map((figure) => [figure.name, () => figureChart(figure)] as const), targetsOf(figures)]
  for (const [name, chart] of all) {
    const svg = await chart()
    if (svg !== undefined) {
      await writeFile(join(folder, 'charts', `${name}.svg`), `${svg}\n`)
      charts.add(name)
    }
  }
  const json = join(folder, 'results.json')
  const text = join(folder, 'README.md')
  await writeFile(json, JSON.stringify({ ...run, figures }, shortNumbers, 2))
  await writeFile(
    text,
    markdown(run.machine, run.warnings, figures, charts, quick ? '../../README.md' : '../README.md'),
  )
  if (!quick) await writeNumbers(run.machine, figures)
  // As everything else in the repository is.
  const prettier = join(root, 'node_modules', '.bin', 'prettier')
  await runCommand([prettier, '--write', json, text, NUMBERS_PAGE, README], { cwd: root })
  return text
}

const targetsOf = (figures: readonly FigureResult[]) => ['targets', () => targetsChart(figures)] as const

async function readFigures(folder: string): Promise<readonly FigureResult[]> {
  const text = await readFile(join(folder, 'results.json'), 'utf8').catch(() => undefined)
  return text === undefined ? [] : (JSON.parse(text) as Saved).figures
}

/** Five digits: more would be noise. */
const shortNumbers = (_key: string, value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
