// npm run docs: writes the tables of docs/cli.md from the table of options. With --check it changes nothing and fails
// where the page is out of date.
import { readFileSync, writeFileSync } from 'node:fs'
import { optionTables } from './lib/option-tables.mjs'
import { inRoot } from './lib/paths.mjs'
import { Problem, main } from './lib/problem.mjs'

const [BEGIN, END] = ['<!-- begin of options: npm run docs writes them -->', '<!-- end of options -->']

await main(async () => {
  const options = await import('../lib/cli/options/table.js')
  const path = inRoot('docs/cli.md')
  const page = readFileSync(path, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin === -1 || end < begin) throw new Problem('docs/cli.md has lost its marks', `put back ${BEGIN} and ${END}`)
  const current = `${page.slice(0, begin + BEGIN.length)}\n\n${optionTables(options)}\n\n${page.slice(end)}`
  if (current === page) return
  if (process.argv.includes('--check')) throw new Problem('docs/cli.md is out of date', 'run `npm run docs`')
  writeFileSync(path, current)
})
