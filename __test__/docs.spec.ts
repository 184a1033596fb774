import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { testWithEngine } from './helpers/engine.js'
import { anchorsOf, linksOf, sourcesOf } from './helpers/markdown.js'

const root = fileURLToPath(new URL('..', import.meta.url))
/** The scripts are JavaScript, which the compiler of the tests does not read. */
const script = async (name: string): Promise<unknown> => import(new URL(`../scripts/lib/${name}`, import.meta.url).href)
type Houses = Readonly<Record<string, { name: string; what: string }[][]>>
const { roomMap } = (await script('room-map.mjs')) as { roomMap: (houses: Houses) => string }
const { jsReference } = (await script('js-reference.mjs')) as { jsReference: () => Promise<string> }
const { houses } = (await script('rooms.mjs')) as { houses: Houses }

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const pagesIn = (folder: string) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))

const users = pagesIn('docs')
const internals = pagesIn('docs/internals')

for (const page of ['README.md', 'CONTRIBUTING.md']) {
  test(`${page} can be read through: 12,000 bytes at most`, (t) => {
    const { length } = Buffer.from(read(page))
    t.true(length <= 12_000, `${length} bytes: move something to a page of docs/`)
  })
}

for (const page of ['README.md', 'CONTRIBUTING.md', ...users, ...internals]) {
  test(`links lead somewhere: ${page}`, (t) => {
    const dead = linksOf(read(page)).filter((link) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : join(dirname(page), path)
      return !existsSync(join(root, target)) || (anchor !== undefined && !anchorsOf(read(target)).has(anchor))
    })
    t.deepEqual(dead, [])
  })
}

for (const page of ['CONTRIBUTING.md', ...internals]) {
  test(`sources are named as they are: ${page}`, (t) => {
    t.deepEqual(
      sourcesOf(read(page)).filter((name) => !existsSync(join(root, name))),
      [],
    )
  })
}

for (const [index, pages] of [
  ['docs/README.md', users],
  ['docs/internals/README.md', internals],
] as const) {
  test(`${index} has every page beside it`, (t) => {
    const listed = new Set(linksOf(read(index)).map((link) => join(dirname(index), link)))
    t.deepEqual(
      pages.filter((page) => page !== index && !listed.has(page)),
      [],
    )
  })
}

test('the map of rooms is as they are', (t) => {
  const [, map] =
    /<!-- begin of rooms: .* -->\n([\s\S]*)<!-- end of rooms -->/.exec(read('docs/internals/rooms.md')) ?? []
  t.is(map?.trim(), roomMap(houses), 'run `npm run docs`')
})

testWithEngine('the reference of amphis.js is as its docstrings are', async (t) => {
  const [, reference] =
    /<!-- begin of reference: .* -->\n([\s\S]*)<!-- end of reference -->/.exec(read('docs/js-reference.md')) ?? []
  t.is(reference?.trim(), await jsReference(), 'run `npm run docs`')
})

test('the map of rooms has a heading for each house, and neighbours on one line', (t) => {
  const lib = [
    [{ name: 'index', what: 'what users see' }],
    [
      { name: 'http', what: 'requests over a socket' },
      { name: 'tls', what: 'certificates' },
    ],
  ]
  t.is(
    roomMap({ lib, src: [] }),
    '### `lib/`\n\n1. **`index`** what users see\n2. **`http`** requests over a socket · **`tls`** certificates',
  )
  t.is(roomMap({ lib: [], src: [] }), '')
})

test('links, headings and sources of a page are found as GitHub finds them', (t) => {
  const page = `# A \`code\` heading, with [a link](x.md)

[one](a.md#b) and \`[none](c.md)\`, [site](https://example.com), ![picture](p.png)

\`\`\`md
# no heading
[none](d.md)
\`\`\`

## Twice
## Twice

\`src/a/b.rs\`, \`lib/c.ts\`, \`c.ts\`, \`http/x\`
`
  t.deepEqual(linksOf(page), ['x.md', 'a.md#b', 'p.png'])
  t.deepEqual([...anchorsOf(page)], ['a-code-heading-with-a-link', 'twice', 'twice-1'])
  t.deepEqual(sourcesOf(page), ['src/a/b.rs', 'lib/c.ts'])
})
