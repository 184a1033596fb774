import type { FigureResult, Row, Target } from './result.js'
import type { Spread } from './statistics.js'

// The two are installed in bench/node_modules, which a check of types need not have.
interface Vega {
  readonly View: new (runtime: unknown, options: { renderer: 'none' }) => { toSVG(): Promise<string> }
  parse(spec: unknown): unknown
}
interface VegaLite {
  compile(spec: unknown, options: { logger: unknown }): { readonly spec: unknown }
}

const load = (name: string): Promise<unknown> => import(name)

/** Vega-Lite warns of facets whose scales are meant to differ. */
const quiet = Object.fromEntries(
  ['level', 'error', 'warn', 'info', 'debug'].map((level) => [level, () => quiet]),
) as Readonly<Record<string, () => unknown>>

/** Draws a chart of Vega-Lite as SVG, without a browser. */
async function draw(spec: Readonly<Record<string, unknown>>): Promise<string> {
  const vega = (await load('vega')) as Vega
  const { compile } = (await load('vega-lite')) as VegaLite
  const whole = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    ...spec,
  }
  return new vega.View(vega.parse(compile(whole, { logger: quiet }).spec), { renderer: 'none' }).toSVG()
}

const colours = { amphis: '#d9480f', floor: '#adb5bd', other: '#4c6ef5' }
const met = { met: '#2f9e44', missed: '#e03131' }
const font = 'Helvetica, Arial, sans-serif'
const config = {
  font,
  title: { font, fontSize: 14, subtitleFont: font, subtitleColor: '#495057', anchor: 'start', offset: 10 },
  axis: { labelFont: font, titleFont: font, labelLimit: 400, grid: true, gridColor: '#e9ecef', domain: false },
  header: { labelFont: font, labelFontWeight: 'bold' },
  view: { stroke: null },
}

interface Bar {
  readonly label: string
  readonly group: string
  readonly kind: keyof typeof colours
  readonly value: number
  readonly low: number
  readonly high: number
  readonly text: string
}

/** Bars of one column of a figure, with the quartiles; undefined where nothing was measured. */
export async function figureChart(figure: FigureResult): Promise<string | undefined> {
  const column = figure.chart?.column ?? Object.keys(figure.columns)[0] ?? ''
  const digits = figure.columns[column] ?? 0
  const bars = figure.rows.map((row) => barOf(row, row.cells[column], digits))
  if (bars.every(({ value }) => value === 0)) {
    return undefined
  }
  const sorted = { sort: null, title: null }
  const y = { field: 'label', type: 'nominal', axis: { grid: false, ticks: false }, ...sorted }
  return draw({
    config,
    title: { text: figure.title, subtitle: `${column}: medians with quartiles` },
    data: { values: bars },
    facet: {
      row: {
        field: 'group',
        type: 'nominal',
        header: { labelAngle: 0, labelAlign: 'left', labelOrient: 'top' },
        ...sorted,
      },
    },
    spacing: 14,
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 480,
      height: { step: 20 },
      layer: [
        {
          mark: { type: 'bar', height: 13 },
          encoding: {
            y,
            x: { field: 'value', type: 'quantitative', title: column },
            color: {
              field: 'kind',
              type: 'nominal',
              legend: null,
              scale: { domain: Object.keys(colours), range: Object.values(colours) },
            },
          },
        },
        {
          mark: { type: 'rule', color: '#212529', strokeWidth: 1.5 },
          encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
        },
        {
          mark: { type: 'text', align: 'left', dx: 6, fontSize: 11, font },
          encoding: { y, x: { field: 'high', type: 'quantitative' }, text: { field: 'text' } },
        },
      ],
    },
  })
}

/** All targets on one scale: how much of what was wanted was reached. */
export async function targetsChart(figures: readonly FigureResult[]): Promise<string | undefined> {
  const values = figures.flatMap(({ name, targets }) =>
    targets.flatMap((target) => {
      const reached = reachedOf(target)
      return reached === undefined ? [] : [{ label: `${name}: ${target.text}`, ...reached }]
    }),
  )
  if (values.length === 0) {
    return undefined
  }
  const y = {
    field: 'label',
    type: 'nominal',
    sort: null,
    title: null,
    axis: { grid: true, ticks: false, labelLimit: 560 },
  }
  const scale = { type: 'log', domainMin: 0.25, domainMax: 4, clamp: true }
  const x = (field: string) => ({ field, type: 'quantitative', title: 'reached / wanted', scale })
  const color = {
    field: 'outcome',
    type: 'nominal',
    title: null,
    scale: { domain: Object.keys(met), range: Object.values(met) },
  }
  return draw({
    config,
    title: { text: 'Targets', subtitle: 'right of the line: met; medians with quartiles' },
    data: { values },
    width: 420,
    height: { step: 20 },
    layer: [
      { mark: { type: 'rule', color: '#212529' }, encoding: { x: { datum: 1, scale } } },
      { mark: { type: 'rule', strokeWidth: 2 }, encoding: { y, x: x('low'), x2: { field: 'high' }, color } },
      { mark: { type: 'point', filled: true, size: 60, opacity: 1 }, encoding: { y, x: x('value'), color } },
    ],
  })
}

function barOf(row: Row, cell: Spread | number | undefined, digits: number): Bar {
  const spread = typeof cell === 'number' ? { median: cell, low: cell, high: cell } : cell
  const value = spread?.median ?? 0
  return {
    label: row.title,
    group: row.group ?? '',
    kind: row.name.startsWith('amphis') ? 'amphis' : /^(?:bare|express)/.test(row.name) ? 'floor' : 'other',
    value,
    low: spread?.low ?? 0,
    high: spread?.high ?? 0,
    text:
      spread === undefined
        ? row.outcome
        : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  }
}

function reachedOf({ wanted, upper, measured, met: isMet }: Target) {
  // A difference may be none at all or below: then there is no ratio to show.
  if (measured === undefined || wanted <= 0 || (upper && measured.low <= 0)) {
    return undefined
  }
  const of = (value: number) => (upper ? wanted / value : value / wanted)
  const [low = 0, high = 0] = [of(measured.low), of(measured.high)].toSorted((a, b) => a - b)
  return { value: of(measured.median), low, high, outcome: isMet ? 'met' : 'missed' }
}
