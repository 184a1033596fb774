// npm run docs: writes what the pages have of the sources: the tables of docs/cli.md from the table of options, the map
// of docs/internals/rooms.md from that of the rooms, docs/js-reference.md from docstrings of a built addon. With --check it changes nothing and fails where a page is out of date.
import { readFileSync, writeFileSync } from 'node:fs'
import { jsReference } from './lib/js-reference.mjs'
import { optionTables } from './lib/option-tables.mjs'
import { inRoot } from './lib/paths.mjs'
import { Problem, main } from './lib/problem.mjs'
import { roomMap } from './lib/room-map.mjs'
import { houses } from './lib/rooms.mjs'

/**
 * Puts a text between the marks of a page, `<!-- begin of WHAT: … -->` and `<!-- end of WHAT -->`.
 *
 * @param {string} path
 * @param {string} what
 * @param {string} text
 */
function write(path, what, text) {
  const [begin, end] = [`<!-- begin of ${what}: npm run docs writes them -->`, `<!-- end of ${what} -->`]
  const page = readFileSync(inRoot(path), 'utf8')
  const [from, to] = [page.indexOf(begin), page.indexOf(end)]
  if (from === -1 || to < from) throw new Problem(`${path} has lost its marks`, `put back ${begin} and ${end}`)
  const current = `${page.slice(0, from + begin.length)}\n\n${text === '' ? '' : `${text}\n\n`}${page.slice(to)}`
  if (current === page) return
  if (process.argv.includes('--check')) throw new Problem(`${path} is out of date`, 'run `npm run docs`')
  writeFileSync(inRoot(path), current)
}

await main(async () => {
  write('docs/cli.md', 'options', optionTables(await import('../lib/cli/options/table.js')))
  write('docs/internals/rooms.md', 'rooms', roomMap(houses))
  write('docs/js-reference.md', 'reference', await jsReference())
})
