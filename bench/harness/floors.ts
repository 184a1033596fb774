import type { FigureResult, Target } from './result.js'
import type { Spread } from './statistics.js'

/** A bound for what a target measures: what fell through it has become worse. */
export type Floor = { readonly atLeast: number } | { readonly atMost: number }

/** Floors by figure, then by the id of the target that measures the same. */
export type Floors = Readonly<Record<string, Readonly<Record<string, Floor>>>>

/** What a figure's floor was held against. */
export interface Judged {
  readonly figure: string
  readonly id: string
  readonly floor: Floor
  readonly measured: Spread | undefined
  readonly held: boolean
  /** In words, with the figures. */
  readonly text: string
}

/** How far below what was seen a floor is set: a machine's mood moves a ratio by some per cent. */
const slack = 0.15

/** Holds a figure's measurements against its floors. One that was not measured has not held. */
export function judge(floors: Floors, { name, targets, rows }: FigureResult): Judged[] {
  return Object.entries(floors[name] ?? {}).map(([id, floor]) => {
    const found = targets.find((target) => target.id === id)
    const measured = found?.measured
    const held = measured !== undefined && holds(floor, measured.median)
    const bound = 'atLeast' in floor ? `at least ${floor.atLeast}` : `at most ${floor.atMost}`
    const unmeasured = rows.flatMap(({ title, outcome, reason }) =>
      outcome === 'measured' ? [] : [`${title}: ${outcome}${reason === undefined ? '' : `, ${reason}`}`],
    )
    const said =
      found === undefined
        ? 'the figure has no such target'
        : measured === undefined
          ? `not measured${unmeasured.length === 0 ? '' : ` (${unmeasured.join('; ')})`}`
          : `${short(measured.median)} (${short(measured.low)}–${short(measured.high)})`
    return { figure: name, id, floor, measured, held, text: `${name}: ${id}: ${said}, ${bound}` }
  })
}

/** The floors anew, some way below what was measured; those that were not measured stay. */
export function lowered(floors: Floors, results: readonly FigureResult[]): Floors {
  const targets = new Map(results.flatMap(({ name, targets: all }) => all.map((each) => [`${name} ${each.id}`, each])))
  return Object.fromEntries(
    Object.entries(floors).map(([figure, of]) => [
      figure,
      Object.fromEntries(
        Object.entries(of).map(([id, floor]) => [id, floorOf(targets.get(`${figure} ${id}`)) ?? floor]),
      ),
    ]),
  )
}

/** The contestants that a figure's floors speak of. */
export function namedIn(floors: Floors, figure: string, contestants: readonly string[]): string[] {
  const words = new Set(
    Object.keys(floors[figure] ?? {}).flatMap((id) =>
      // `32 connections: amphis / http-proxy or raw-proxy, CPU`
      id.split(/: |, | \/ | - | or /).flatMap((word) => [word, word.split(' ')[0] ?? '']),
    ),
  )
  return contestants.filter((name) => words.has(name))
}

const holds = (floor: Floor, value: number) => ('atLeast' in floor ? value >= floor.atLeast : value <= floor.atMost)

function floorOf(target: Target | undefined): Floor | undefined {
  if (target?.measured === undefined) {
    return undefined
  }
  const { median } = target.measured
  return target.upper
    ? { atMost: Number((median * (1 + slack)).toPrecision(2)) }
    : { atLeast: Number((median * (1 - slack)).toPrecision(2)) }
}

const short = (value: number) => Number(value.toPrecision(3)).toString()
