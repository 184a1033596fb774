import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from './machine.js'
import { root } from './paths.js'
import type { FigureResult, Row } from './result.js'

const [BEGIN, END] = ['<!-- begin of numbers: npm run bench -- --save writes them -->', '<!-- end of numbers -->']

/** Servers of the table, in its order. */
const SERVERS = [
  ...['bare', 'amphis', 'express', 'amphis-express', 'granian', 'uvicorn', 'hypercorn', 'http-proxy', 'raw-proxy'],
]

/** What README says of single figures: the figure, the row of its table by name, the column, and the words for it. */
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

/** Writes the numbers of README.md, where all of its figures have been measured. */
export async function writeReadmeNumbers(machine: Machine, figures: readonly FigureResult[]): Promise<void> {
  const path = join(root, 'README.md')
  const page = await readFile(path, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  const numbers = readmeNumbers(machine, figures)
  if (begin === -1 || end < begin || numbers === undefined) return
  await writeFile(path, `${page.slice(0, begin + BEGIN.length)}\n\n${numbers}\n\n${page.slice(end)}`)
}

function readmeNumbers(machine: Machine, figures: readonly FigureResult[]): string | undefined {
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
    '![FastAPI: requests a second by server](bench/results/charts/fastapi.svg)',
    '',
    '| Other | |',
    '| --- | ---: |',
    ...others,
    '',
    'All figures, more charts, and what of each target was reached: [bench/results](bench/results/README.md).',
  ].join('\n')
}

const rowOf = (figure: FigureResult, name: string): Row | undefined =>
  figure.rows.find((row) => row.name === name && row.group === '32 connections')

function cell(row: Row | undefined, column: string, digits: number): string {
  const value = row?.cells[column]
  if (value === undefined) return ''
  const median = typeof value === 'number' ? value : value.median
  return median.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function throughput(row: Row | undefined, ratio: string): string {
  const rate = cell(row, 'requests/s', 0)
  const relative = cell(row, ratio, 2)
  return relative === '' ? rate : `${rate} (${relative})`
}
