import test from 'ava'
import * as fc from 'fast-check'
import { ByConnections } from '../bench/figures/connections.js'
import { bestPerRound, measuredSamples, plainSamples, record, target, type Series } from '../bench/harness/result.js'
import { perRound, spreadOf } from '../bench/harness/statistics.js'

const ratio = (a: number, b: number) => a / b

const seriesOf = (samples: Readonly<Record<string, readonly (number | undefined)[]>>): Series => {
  const series: Series = new Map()
  for (const [name, values] of Object.entries(samples)) {
    values.forEach((value, round) => value !== undefined && record(series, name, round, value))
  }
  return series
}

test('the spread of nothing is nothing', (t) => {
  t.is(spreadOf([]), undefined)
})

test('the spread of one sample is that sample', (t) => {
  t.deepEqual(spreadOf([7]), { median: 7, low: 7, high: 7, samples: 1 })
})

test('an odd number of samples has its middle one as the median, whatever their order', (t) => {
  t.deepEqual(spreadOf([50, 10, 40, 20, 30]), { median: 30, low: 20, high: 40, samples: 5 })
})

test('an even number of samples has its median between the two in the middle, and quartiles between neighbours', (t) => {
  t.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, low: 1.75, high: 3.25, samples: 4 })
})

test('numbers are ordered as numbers', (t) => {
  t.is(spreadOf([100, 9, 20])?.median, 20)
})

test('one sample far off moves neither the median nor the quartiles', (t) => {
  t.deepEqual(spreadOf([1, 2, 3, 4, 1_000_000]), { median: 3, low: 2, high: 4, samples: 5 })
})

test('the samples that are summarised stay as they are', (t) => {
  const samples = [3, 1, 2]
  spreadOf(samples)
  t.deepEqual(samples, [3, 1, 2])
})

test('quartiles and median lie in order between the least and the greatest sample, half of the samples on each side', (t) => {
  const samples = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(samples, (values) => {
      const { median, low, high } = spreadOf(values) ?? t.fail()
      const slack = 1e-6
      t.true(Math.min(...values) - slack <= low && low <= median + slack)
      t.true(median <= high + slack && high <= Math.max(...values) + slack)
      t.true(values.filter((value) => value <= median + slack).length >= values.length / 2)
      t.true(values.filter((value) => value >= median - slack).length >= values.length / 2)
    }),
  )
})

test('ratios are taken within a round, so that a machine that changes speed between rounds changes none', (t) => {
  const speeds = [1, 0.5, 2]
  t.deepEqual(
    perRound(
      speeds.map((speed) => 300 * speed),
      speeds.map((speed) => 200 * speed),
      ratio,
    ),
    [1.5, 1.5, 1.5],
  )
})

test('a round that either contestant lacks does not count', (t) => {
  t.deepEqual(perRound([10, undefined, 30, 40], [5, 5, undefined, 10], ratio), [2, 4])
  t.deepEqual(perRound([10, 20], [5], ratio), [2])
  t.deepEqual(perRound([], [1, 2], ratio), [])
})

test('a round recorded after a gap leaves the gap in the samples', (t) => {
  const series = seriesOf({ a: [1, undefined, 3] })
  t.deepEqual(measuredSamples(series, 'a'), [1, 3])
  t.deepEqual(plainSamples(series), { a: [1, null, 3] })
  t.deepEqual(measuredSamples(series, 'nobody'), [])
})

test('the best of several contestants is taken in each round', (t) => {
  const series = seriesOf({ a: [1, 5, undefined, 2], b: [3, 4, undefined] })
  t.deepEqual(bestPerRound(series, ['a', 'b', 'missing']), [3, 5, undefined, 2])
  t.deepEqual(bestPerRound(series, ['missing']), [])
})

test('a target of a ratio is met by the median of the ratios, not by the ratio of the medians', (t) => {
  // Medians of 100 and 100, but in most rounds ahead.
  const series = seriesOf({ us: [30, 100, 300], them: [20, 200, 100] })
  const { measured, met, text } = target(series, { of: 'us', over: 'them', relation: 'ratio', atLeast: 1.5 })
  t.is(measured?.median, 1.5)
  t.true(met)
  t.is(text, 'us ≥ 1.5 × them')
})

test('a target over several contestants compares with the better of them in each round', (t) => {
  const series = seriesOf({ us: [30, 30], a: [10, 20], b: [20, 10] })
  const spec = { of: 'us', over: ['a', 'b'], relation: 'ratio' } as const
  t.like(target(series, { ...spec, atLeast: 1.5 }), { met: true, text: 'us ≥ 1.5 × a or b' })
  t.false(target(series, { ...spec, atLeast: 1.6 }).met)
})

test('a target of a difference has an upper bound', (t) => {
  const series = seriesOf({ us: [110, 130, 120], them: [100, 100, 100] })
  const spec = { of: 'us', over: 'them', relation: 'difference', unit: 'ms' } as const
  t.like(target(series, { ...spec, atMost: 20 }), { met: true, text: 'us ≤ 20 ms above them' })
  t.false(target(series, { ...spec, atMost: 19 }).met)
})

test('a target whose contestants were not measured is neither met nor missed', (t) => {
  const series = seriesOf({ us: [1] })
  const unmeasured = target(series, { of: 'us', over: 'them', relation: 'ratio', atLeast: 1 })
  t.is(unmeasured.measured, undefined)
  t.is(unmeasured.met, undefined)
})

test('each number of connections is compared by itself', (t) => {
  const rates = new ByConnections([1, 64])
  for (const round of [0, 1, 2]) {
    rates.record(1, 'us', round, 10)
    rates.record(1, 'them', round, 20)
    rates.record(64, 'us', round, 90)
    rates.record(64, 'them', round, 30)
  }
  t.like(rates.targets([{ of: 'us', over: 'them', atLeast: 1 }]), [
    { text: '1 connection: us ≥ 1 × them', met: false },
    { text: '64 connections: us ≥ 1 × them', met: true },
  ])
  t.is(rates.median(64, 'us'), 90)
  t.is(rates.median(64, 'nobody'), undefined)
  t.deepEqual(rates.samples()['them, 1 connection'], [20, 20, 20])
})
