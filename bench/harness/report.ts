import { styleText as style } from 'node:util'
import type { Machine } from './machine.js'
import type { FigureResult, Row, Target } from './result.js'
import type { Spread } from './statistics.js'

// Node 20's styleText styles wherever it goes.
const plain = !process.stdout.isTTY || Boolean(process.env['NO_COLOR'])
const styleText: typeof style = (format, text) => (plain ? text : style(format, text))

/** A figure as text for the terminal. */
export function figureText(figure: FigureResult): string {
  const columns = Object.keys(figure.columns)
  const header = ['', ...columns]
  const lines = figure.rows.map((row) => [titleOf(row), ...cellsOf(figure, row)])
  const widths = header.map((_, i) => Math.max(...[header, ...lines].map((line) => (line[i] ?? '').length)))
  const format = (line: readonly string[]) =>
    line.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  ')
  return [
    styleText('bold', figure.title),
    ...figure.notes.map((note) => styleText('dim', `  ${note}`)),
    `  ${styleText('dim', format(header))}`,
    ...figure.rows.map((row, i) => {
      const title = titleOf(row).padEnd(widths[0] ?? 0)
      return row.outcome === 'measured'
        ? `  ${format(lines[i] ?? [])}`
        : `  ${title}  ${styleText(row.outcome === 'missing' ? 'yellow' : 'red', outcomeText(row))}`
    }),
    ...figure.targets.map((target) => {
      const colour = target.met === undefined ? 'yellow' : target.met ? 'green' : 'red'
      return `  target: ${target.text}: ${styleText(colour, targetOutcome(target))}`
    }),
    '',
  ].join('\n')
}

/** All figures as a Markdown document, with the charts that there are; `method` leads to how they were taken. */
export function markdown(
  machine: Machine,
  warnings: readonly string[],
  figures: readonly FigureResult[],
  charts: ReadonlySet<string>,
  method: string,
): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  return [
    `# Benchmark of ${machine.date.slice(0, 10)}`,
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}.`,
    '',
    `${versions.join(', ')}.`,
    '',
    ...warnings.flatMap((warning) => [`**${warning}**`, '']),
    'Medians; quartiles in brackets. Ratios and differences are taken within each round. How it is measured:',
    `[README.md](${method}).`,
    '',
    '## Targets',
    '',
    ...targetsMarkdown(figures),
    ...(charts.has('targets') ? ['', '![What was reached of each target](charts/targets.svg)', ''] : ['']),
    ...figures.flatMap((figure) => figureMarkdown(figure, machine, charts)),
  ].join('\n')
}

const tableLine = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`

function targetsMarkdown(figures: readonly FigureResult[]): string[] {
  return [
    tableLine(['figure', 'target', 'measured', '']),
    '| --- | --- | ---: | --- |',
    ...figures.flatMap(({ name, targets }) =>
      targets.map(({ text, measured, met }) =>
        tableLine([
          name,
          text,
          measured === undefined ? '' : spread(measured, digitsFor(measured.median)),
          met === undefined ? 'not measured' : met ? 'met' : '**missed**',
        ]),
      ),
    ),
  ]
}

function figureMarkdown(figure: FigureResult, machine: Machine, charts: ReadonlySet<string>): string[] {
  const columns = Object.keys(figure.columns)
  const { date = machine.date, amphis } = figure.taken ?? {}
  return [
    `## ${figure.title}`,
    '',
    `\`npm run bench -- --only ${figure.name}\``,
    '',
    ...(date === machine.date ? [] : [`Taken on ${date.slice(0, 10)} with amphis ${amphis}.`, '']),
    ...figure.notes.map((note) => `${note}  `),
    '',
    tableLine(['', ...columns]),
    `| --- |${' ---: |'.repeat(columns.length)}`,
    ...figure.rows.map((row) =>
      row.outcome === 'measured'
        ? tableLine([titleOf(row), ...cellsOf(figure, row)])
        : tableLine([titleOf(row), outcomeText(row), ...columns.slice(1).map(() => '')]),
    ),
    '',
    ...figure.targets.map((target) => `- target: ${target.text}: ${targetOutcome(target)}`),
    ...(charts.has(figure.name) ? ['', `![${figure.title}](charts/${figure.name}.svg)`] : []),
    '',
  ]
}

function cellsOf(figure: FigureResult, row: Row): string[] {
  return Object.entries(figure.columns).map(([column, digits]) => {
    const cell = row.cells[column]
    return cell === undefined ? '' : typeof cell === 'number' ? number(cell, digits) : spread(cell, digits)
  })
}

const titleOf = ({ group, title }: Row) => (group === undefined ? title : `${group}: ${title}`)

const outcomeText = ({ outcome, reason }: Row) => (reason === undefined ? outcome : `${outcome}: ${reason}`)

const targetOutcome = ({ measured, met }: Target) =>
  measured === undefined ? 'not measured' : `${spread(measured, digitsFor(measured.median))} ${met ? 'met' : 'NOT met'}`

// Near one, where most targets are, two digits would show some as met that are not.
const digitsFor = (value: number) =>
  Math.abs(value) < 2 ? 3 : Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0

const number = (value: number, digits: number) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })

const spread = ({ median, low, high, samples }: Spread, digits: number) =>
  samples < 2 ? number(median, digits) : `${number(median, digits)} (${number(low, digits)}–${number(high, digits)})`
