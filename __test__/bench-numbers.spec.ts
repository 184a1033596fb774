import { readFileSync } from 'node:fs'
import test from 'ava'
import { format } from 'prettier'
import { NUMBERS_PAGE, numbersOf, README, sentenceOf, withNumbers } from '../bench/harness/numbers.js'
import type { Saved } from '../bench/harness/save.js'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const style = JSON.parse(read('.prettierrc.json')) as object
const { machine, figures } = JSON.parse(read('bench/results/results.json')) as Saved

const pages = [
  [NUMBERS_PAGE, numbersOf(machine, figures)],
  [README, sentenceOf(figures)],
] as const

for (const [page, numbers = ''] of pages) {
  test(`${page} says what was measured last`, async (t) => {
    const current = read(page)
    t.true(numbers.length > 100)
    t.is(await format(withNumbers(current, numbers) ?? '', { ...style, parser: 'markdown' }), current)
  })
}

test('a figure that was not measured leaves a page as it was', (t) => {
  const others = figures.filter(({ name }) => name !== 'fastapi')
  t.is(numbersOf(machine, others), undefined)
  t.is(sentenceOf(others), undefined)
})

test('a page that has lost its marks is left alone', (t) => {
  t.is(withNumbers('# Page\n', 'numbers'), undefined)
})
