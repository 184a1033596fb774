import { existsSync, readFileSync } from 'node:fs'
import test from 'ava'
import { readRows, readTable, readTitles } from './helpers/conformance-table.js'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

const page = read('../docs/asgi.md')
const rows = readRows(page)

for (const { title, proofs } of rows) {
  test(`what docs/asgi.md says is proved by tests that run: ${title}`, (t) => {
    t.true(proofs.length > 0, 'it names no spec file')
    for (const { spec, titles } of proofs) {
      if (!existsSync(new URL(spec, import.meta.url))) {
        t.fail(`there is no ${spec}`)
        continue
      }
      const there = readTitles(read(spec))
      t.true(titles.length > 0, `it names no test of ${spec}`)
      t.deepEqual(
        titles.filter((name) => !there.has(name)),
        [],
        `${spec} has no such test that runs`,
      )
    }
  })
}

test('docs/asgi.md has every part of ASGI once', (t) => {
  t.true(rows.length > 50, `${rows.length} rows`)
  const anchors = rows.map(({ anchor }) => anchor)
  t.deepEqual(
    anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index),
    [],
  )
})

const supported = readTable(page, 'In short').filter(([, state = '']) => !/^(?:no\b|not\b)/.test(state))

for (const [part = '', state = ''] of supported) {
  test(`what is said to be supported in short is in docs/asgi.md: ${part}`, (t) => {
    const links = Array.from(`${part} ${state}`.matchAll(/\]\(#([^)]+)\)/g), ([, anchor = '']) => anchor)
    t.true(links.length > 0, 'it links to no row')
    t.deepEqual(
      links.filter((link) => !rows.some(({ anchor }) => anchor === link)),
      [],
      'docs/asgi.md has no such row',
    )
  })
}

test('the table in short has something to say', (t) => {
  t.true(supported.length > 3)
})

test('links within docs/asgi.md lead to its rows', (t) => {
  const links = Array.from(page.matchAll(/\]\(#([^)]+)\)/g), ([, anchor = '']) => anchor)
  t.deepEqual(
    links.filter((link) => !rows.some(({ anchor }) => anchor === link)),
    [],
  )
})

test('a title is found as it is written, with an ellipsis for what changes', (t) => {
  const source = `
test('plain', (t) => {})
for (const code of codes) {
  test(\`of \${code} and \${a ? 'b' : 'c'}\`, async (t) => {})
}
test.serial(
  'on a line of its own',
  async (t) => {},
)
const leaves = test.serial
leaves('under another name', (t) => {})
test("the app's own", (t) => {})
test('the app\\'s other', (t) => {})
`
  t.deepEqual(
    [...readTitles(source)],
    ['plain', 'of … and …', 'on a line of its own', 'under another name', "the app's own", "the app's other"],
  )
})

test('a test that does not run everywhere proves nothing', (t) => {
  const source = `
test.skip('skipped', (t) => {})
test.todo('to do')
test.failing('failing', (t) => {})
test.serial.skip('skipped as well', (t) => {})
// test('commented out', (t) => {})
const onLinux = process.platform === 'linux' ? test : test.skip
onLinux('of one platform', (t) => {})
const later = test.skip
later('skipped under another name', (t) => {})
request('no test', (t) => {})
`
  t.deepEqual([...readTitles(source)], [])
})

test('rows are read with their files and titles, backticks in titles too', (t) => {
  const found = readRows(`# Page

### \`send()\` of \`a_b\`

It sends.

- [one](../__test__/one.spec.ts): \`a\`; \`\` b \`c\` d \`\`
- [two](../__test__/two-b.spec.ts): \`e\`

## Next

- [three](../__test__/three.spec.ts): \`f\`
`)
  t.deepEqual(found, [
    {
      title: '`send()` of `a_b`',
      anchor: 'send-of-a_b',
      proofs: [
        { spec: 'one.spec.ts', titles: ['a', 'b `c` d'] },
        { spec: 'two-b.spec.ts', titles: ['e'] },
      ],
    },
  ])
})
