import { readFile } from 'node:fs/promises'
import test from 'ava'
import { contestants } from '../bench/contestants.js'
import { figures } from '../bench/figures.js'
import { judge, lowered, namedIn, type Floors } from '../bench/harness/floors.js'
import { record, target, type FigureResult, type Series } from '../bench/harness/result.js'
import { works } from '../bench/works.js'

const figureOf = (us: number, them: number | undefined): FigureResult => {
  const series: Series = new Map()
  record(series, 'us', 0, us)
  if (them !== undefined) {
    record(series, 'them', 0, them)
  }
  return {
    name: 'speed',
    title: 'Speed',
    notes: [],
    columns: {},
    rows:
      them === undefined ? [{ name: 'them', title: 'Them', outcome: 'missing', reason: 'not here', cells: {} }] : [],
    targets: [
      target(series, { of: 'us', over: 'them', relation: 'ratio', atLeast: 2, where: '32 connections' }),
      target(series, { of: 'us', over: 'them', relation: 'ratio', atMost: 1, quantity: 'CPU' }),
    ],
    samples: {},
  }
}

const floors: Floors = {
  speed: { '32 connections: us / them': { atLeast: 1.5 }, 'us / them, CPU': { atMost: 1.8 } },
}

test('what lies within its floors holds, whether or not it meets its target', (t) => {
  t.deepEqual(
    judge(floors, figureOf(16, 10)).map(({ held }) => held),
    [true, true],
  )
})

test('what fell is named with its figures', (t) => {
  const [first, second] = judge(floors, figureOf(10, 10))
  t.false(first?.held)
  t.is(first?.text, 'speed: 32 connections: us / them: 1 (1–1), at least 1.5')
  t.true(second?.held)
  t.false(judge(floors, figureOf(20, 10))[1]?.held)
})

test('what was not measured has not held, and says why', (t) => {
  const [first] = judge(floors, figureOf(10, undefined))
  t.false(first?.held)
  t.regex(first?.text ?? '', /not measured \(Them: missing, not here\)/)
})

test('a floor without a target has not held', (t) => {
  const [only] = judge({ speed: { nothing: { atLeast: 1 } } }, figureOf(10, 10))
  t.false(only?.held)
  t.regex(only?.text ?? '', /no such target/)
})

test('floors are set 15 % below what was measured; what was not measured keeps its own', (t) => {
  t.deepEqual(lowered(floors, [figureOf(20, 10)]), {
    speed: { '32 connections: us / them': { atLeast: 1.7 }, 'us / them, CPU': { atMost: 2.3 } },
  })
  t.deepEqual(lowered(floors, [figureOf(20, undefined)]), floors)
})

test('only the contestants that floors speak of are measured', (t) => {
  const of: Floors = { speed: { '1 connection: us / them or others, CPU': { atMost: 1 } } }
  t.deepEqual(namedIn(of, 'speed', ['us', 'them', 'others', 'nobody']), ['us', 'them', 'others'])
  t.deepEqual(namedIn(of, 'height', ['us']), [])
})

test('floors.json speaks of figures and contestants that there are', async (t) => {
  const kept = JSON.parse(await readFile(new URL('../bench/floors.json', import.meta.url), 'utf8')) as Floors
  for (const name of Object.keys(kept)) {
    const figure = figures.find((each) => each.name === name)
    t.truthy(figure, name)
    t.true(namedIn(kept, name, figure?.contestants ?? []).length >= 2, name)
  }
})

test('figures have names of their own and compare contestants that there are', (t) => {
  t.is(new Set(figures.map(({ name }) => name)).size, figures.length)
  for (const { name, contestants: compared } of figures) {
    for (const each of compared) {
      t.truthy(contestants[each], `${name}: ${each}`)
    }
  }
})

for (const [name, kibibytes] of [
  ['echo-1k', 1],
  ['echo-16k', 16],
  ['echo-256k', 256],
] as const) {
  test(`the JSON of ${name} has its size, and is what JSON makes of itself`, (t) => {
    const { body, answer } = works[name]
    t.is(body?.length, kibibytes * 1024)
    t.is(JSON.stringify(JSON.parse(body ?? '')), answer.body)
  })
}
