import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from './machine.js'
import { root } from './paths.js'
import type { FigureResult, Row } from './result.js'

const [BEGIN, END] = ['<!-- begin of numbers: npm run bench -- --save writes them -->', '<!-- end of numbers -->']

/** The pages that quote what was measured, from the root of the repository: tables, and one sentence for users. */
export const NUMBERS_PAGE = 'docs/numbers.md'
export const README = 'README.md'

/** By its id the target of `fastapi` whose ratio the sentence tells. */
const CPU_TARGET = '32 connections: amphis / http-proxy or raw-proxy, CPU for 100,000 requests'

/** Servers of the table, in its order. */
const SERVERS = [
  ...['bare', 'amphis', 'express', 'amphis-express', 'granian', 'uvicorn', 'hypercorn', 'http-proxy', 'raw-proxy'],
]

/** What the page says of single figures: the figure, the row of its table by name, the column, and the words for it. */
const SENTENCES: readonly (readonly [what: string, figure: string, row: string, column: string, unit: string])[] = [
  ['`handle()` in the process, hello world, 32 at a time', 'in-process', 'amphis-handle', 'calls/s', 'a second'],
  ['From process start to the first response, hello world', 'cold-start', 'amphis', 'ms', 'ms'],
  ['The same of `node:http` alone', 'cold-start', 'bare', 'ms', 'ms'],
  ['`--reload`: from saving a file to the first new response, FastAPI', 'reload', 'amphis-reload fastapi', 'ms', 'ms'],
  ['The same with uvicorn', 'reload', 'uvicorn-reload fastapi', 'ms', 'ms'],
  [
    'Memory of an idle stream of FastAPI above what Node itself takes',
    'idle-streams',
    'amphis fastapi',
    'KiB above Node',
    'KiB',
  ],
]

/** Writes the numbers of both pages, where all of their figures have been measured. */
export async function writeNumbers(machine: Machine, figures: readonly FigureResult[]): Promise<void> {
  await replace(NUMBERS_PAGE, numbersOf(machine, figures))
  await replace(README, sentenceOf(figures))
}

/** Puts a text between the marks of a page; a page without them, or without anything to say, stays as it is. */
async function replace(page: string, text: string | undefined): Promise<void> {
  const path = join(root, page)
  const before = await readFile(path, 'utf8')
  const after = text === undefined ? undefined : withNumbers(before, text)
  if (after !== undefined) await writeFile(path, after)
}

/** The page with this text between its marks; undefined where it has lost them. */
export function withNumbers(page: string, text: string): string | undefined {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin === -1 || end < begin) return undefined
  return `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`
}

/** What FastAPI gains, in the one sentence that README has room for. */
export function sentenceOf(figures: readonly FigureResult[]): string | undefined {
  const fastapi = figures.find((each) => each.name === 'fastapi')
  if (fastapi === undefined) return undefined
  const ratio = median(rowOf(fastapi, 'amphis'), '× uvicorn')
  const cpu = fastapi.targets.find(({ id }) => id === CPU_TARGET)?.measured?.median
  if (ratio === undefined || cpu === undefined) return undefined
  return `In a server of \`node:http\`, FastAPI answers ${ratio.toFixed(1)} times as many requests a second as under uvicorn, with ${Math.round(100 * cpu)} % of the CPU that uvicorn and a Node.js proxy before it take ([how it was measured](${NUMBERS_PAGE})).`
}

/** The tables of the page of numbers. */
export function numbersOf(machine: Machine, figures: readonly FigureResult[]): string | undefined {
  const figure = (name: string): FigureResult | undefined => figures.find((each) => each.name === name)
  const hello = figure('hello')
  const fastapi = figure('fastapi')
  if (hello === undefined || fastapi === undefined) return undefined
  const { versions } = machine
  const used = ['node', 'python', 'fastapi', 'uvicorn', 'granian'].map((name) => `${name} ${versions[name] ?? '?'}`)
  const rows = SERVERS.flatMap((name) => {
    const [first, second] = [rowOf(hello, name), rowOf(fastapi, name)]
    if (first === undefined) return []
    const bold = name.startsWith('amphis') ? '**' : ''
    const cells = [throughput(first, '× bare'), throughput(second, '× uvicorn'), cell(second, 'CPU s', 1)]
    return [`| ${bold}${first.title}${bold} | ${cells.join(' | ')} |`]
  })
  const others = SENTENCES.flatMap(([what, name, row, column, unit]) => {
    const found = figure(name)?.rows.find((each) => each.name === row)
    const value = cell(found, column, unit === 'KiB' ? 1 : 0)
    return value === '' ? [] : [`| ${what} | ${value} ${unit} |`]
  })
  // A run of single figures leaves these two as they were.
  const { date } = hello.taken ?? machine
  return [
    `Of ${date.slice(0, 10)}, on ${machine.cores} cores (${machine.cpu}) that load generator, Node.js and Python share: ${used.join(', ')}. All servers are up at once and take turns second by second; every figure is a median, every ratio is taken within a round. Requests a second over 32 connections, with the ratio to bare \`node:http\` and to uvicorn:`,
    '',
    '| Server | Hello world | FastAPI, JSON validated in and out | its CPU seconds for 100,000 |',
    '| --- | ---: | ---: | ---: |',
    ...rows,
    '',
    '![FastAPI: requests a second by server](../bench/results/charts/fastapi.svg)',
    '',
    '| Other | |',
    '| --- | ---: |',
    ...others,
    '',
    'All figures, more charts, and what of each target was reached: [bench/results](../bench/results/README.md).',
  ].join('\n')
}

const rowOf = (figure: FigureResult, name: string): Row | undefined =>
  figure.rows.find((row) => row.name === name && row.group === '32 connections')

function median(row: Row | undefined, column: string): number | undefined {
  const value = row?.cells[column]
  return typeof value === 'object' ? value.median : value
}

function cell(row: Row | undefined, column: string, digits: number): string {
  const value = median(row, column)
  return value?.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }) ?? ''
}

function throughput(row: Row | undefined, ratio: string): string {
  const rate = cell(row, 'requests/s', 0)
  const relative = cell(row, ratio, 2)
  return relative === '' ? rate : `${rate} (${relative})`
}
