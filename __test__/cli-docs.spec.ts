import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { parseCommandLine } from '../lib/cli/options/parse.js'
import { keyOf, OPTIONS, variableOf } from '../lib/cli/options/table.js'

const read = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8')
const page = read('cli.md')

test('docs/cli.md has the options as they are', (t) => {
  const script = fileURLToPath(new URL('../scripts/docs.mjs', import.meta.url))
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', '@oxc-node/core/register', script, '--check'],
    { encoding: 'utf8' },
  )
  t.is(status, 0, stdout + stderr)
})

test('what docs/cli.md and docs/deployment.md show can be typed', (t) => {
  const pages = page + read('deployment.md')
  const commands = [
    ...pages.replaceAll(/\\\n */g, '').matchAll(/(?:npx |bin\/)amphis (?!run|init|venv|types|openapi|-)(.*)$/gm),
  ]
  t.true(commands.length > 10)
  for (const [, line = ''] of commands) {
    const words = [...line.replace(/\s+#.*/, '').matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, bare]) => quoted ?? bare!,
    )
    // A comma or a back-tick ends what is named within a sentence.
    if (line.includes('`')) continue
    t.notThrows(() => parseCommandLine(words), line)
  }
  const known = new Set(['app', ...Object.keys(OPTIONS)].map(variableOf))
  for (const [variable] of pages.matchAll(/\bAMPHIS_[A-Z0-9_]+\b/g)) t.true(known.has(variable), variable)
})

test('docs/cli.md gives every option a row, with its variable and its key', (t) => {
  for (const [name, { type }] of Object.entries(OPTIONS)) {
    const rows = page.split('\n').filter((line) => new RegExp(`^\\| \`--${name}[ \`]`).test(line))
    t.is(rows.length, 1, name)
    if (type === 'flag') continue
    t.true(rows[0]?.includes(` \`${variableOf(name)}\``), name)
    t.true(rows[0]?.includes(` \`${keyOf(name)}\` `), name)
  }
})
