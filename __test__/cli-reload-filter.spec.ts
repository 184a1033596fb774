import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { UsageError } from '../lib/cli/errors/usage-error.js'
import { FileFilter } from '../lib/cli/reload/watch/file-filter.js'
import { parseGlob } from '../lib/cli/reload/watch/glob.js'
import { scratchFolder } from './helpers/scratch.js'

const globs: [pattern: string, fits: string[], not: string[]][] = [
  ['*.py', ['/a/b.py', '/b.py', '/a/.py'], ['/a/b.pyc', '/a/b.py/c']],
  ['templates/*.html', ['/a/templates/b.html'], ['/a/b.html', '/a/templates/c/b.html', '/a/mytemplates/b.html']],
  ['templates/**/*.html', ['/a/templates/b.html', '/a/templates/c/d/b.html'], ['/a/b.html']],
  ['**', ['/a', '/a/b'], []],
  ['/a/*.py', ['/a/b.py'], ['/c/a/b.py']],
  ['a?c', ['/abc'], ['/ac', '/a/c']],
  ['[ab].py', ['/a.py', '/b.py'], ['/c.py', '/[ab].py']],
  ['[!ab].py', ['/c.py'], ['/a.py', '/x/.py/']],
  ['[]a-c].py', ['/].py', '/b.py'], ['/d.py']],
  ['[^a].py', ['/^.py', '/a.py'], ['/b.py']],
  [String.raw`[\d].py`, [String.raw`/\.py`, '/d.py'], ['/1.py']],
  ['*.{html,css}', ['/a.html', '/a.css'], ['/a.js', '/a.']],
  ['a.b+(c)', ['/a.b+(c)'], ['/aXb+(c)', '/a.bbc']],
  ['a/', ['/x/a'], ['/x/ab']],
  ['.*', ['/a/.b'], ['/a/b.c']],
]

for (const [pattern, fits, not] of globs) {
  test(`the pattern ${pattern} fits what it should`, (t) => {
    const glob = parseGlob(pattern)
    for (const path of fits) t.true(glob?.(path), path)
    for (const path of not) t.false(glob?.(path), path)
  })
}

for (const pattern of ['', '/', './', '[a', '[]', '[!]', '[z-a]', 'a{b', 'a}b', '{a{b}}', '*/[']) {
  test(`"${pattern}" is no pattern`, (t) => t.is(parseGlob(pattern), undefined))
}

const none = { 'reload-dir': [], 'reload-include': [], 'reload-exclude': [] } as const

test('looks below the folder of the app for Python files, and not into those of others', async (t) => {
  const root = await scratchFolder(t, { 'environment/pyvenv.cfg': '', 'src/a.py': '', '.app/a.py': '' })
  const filter = new FileFilter({ ...none, 'app-dir': join(root, '.app') })
  t.deepEqual(filter.folders, [join(root, '.app')])
  t.true(filter.enters(join(root, '.app')))
  t.true(filter.watches(join(root, '.app', 'a.py')))

  const all = new FileFilter({ ...none, 'app-dir': root })
  for (const name of ['.git', '.venv', 'venv', 'node_modules', '__pycache__', 'environment', 'src/.cache']) {
    t.false(all.enters(join(root, name)), name)
  }
  t.true(all.enters(join(root, 'src')))
  for (const name of ['a.pyc', '.a.py', 'a.py~', 'a.html', '.env', 'py']) t.false(all.watches(join(root, name)), name)
})

test('folders that are named are watched, whatever is around them', async (t) => {
  const root = await scratchFolder(t, { 'app/a.py': '', '.lib/src/b.py': '', 'app/.c/d/e.py': '' })
  const filter = new FileFilter({
    ...none,
    'app-dir': join(root, 'app'),
    'reload-dir': [join(root, 'app'), join(root, '.lib', 'src'), join(root, 'app', '.c', 'd')],
  })
  t.deepEqual(filter.folders, [join(root, 'app'), join(root, '.lib', 'src')])
  t.true(filter.enters(join(root, 'app', '.c')))
  t.true(filter.enters(join(root, 'app', '.c', 'd')))
  t.false(filter.enters(join(root, 'app', '.d')))
})

test('patterns add files and take files and folders away, by name, by path or as a folder', async (t) => {
  const root = await scratchFolder(t, { 'docs/a.md': '', 'build/a.py': '', 'old/a.py': '' })
  await mkdir(join(root, 'extra'))
  await writeFile(join(root, 'extra', 'a.py'), '')
  const filter = new FileFilter({
    'app-dir': root,
    'reload-dir': [join(root, 'docs')],
    'reload-include': ['*.html', '.env.local', join(root, 'extra'), '.hidden'],
    'reload-exclude': [join(root, 'old'), 'build/*', 'generated/**', '*_pb2.py', 'templates/email.html'],
  })
  t.deepEqual(filter.folders, [join(root, 'docs'), join(root, 'extra')])
  for (const name of ['a.html', '.env.local', 'a.py', 'x/templates/other.html'])
    t.true(filter.watches(join(root, name)), name)
  for (const name of ['a_pb2.py', 'templates/email.html']) t.false(filter.watches(join(root, name)), name)
  for (const name of ['old', 'build', 'x/build', 'generated']) t.false(filter.enters(join(root, name)), name)
  t.true(filter.enters(join(root, '.hidden')))
})

test('tells what is no folder and what is no pattern', async (t) => {
  const root = await scratchFolder(t, { file: '' })
  const refused = (options: Partial<ConstructorParameters<typeof FileFilter>[0]>) =>
    t.throws(() => new FileFilter({ ...none, 'app-dir': root, ...options }), { instanceOf: UsageError }).message
  t.is(
    refused({ 'reload-dir': ['/no/such'] }),
    'There is no folder /no/such to watch. Name one that exists with --reload-dir.',
  )
  t.is(
    refused({ 'reload-dir': [join(root, 'file')] }),
    `There is no folder ${root}/file to watch. Name one that exists with --reload-dir.`,
  )
  t.is(refused({ 'app-dir': '/no' }), 'There is no folder /no to watch. Name one that exists with --app-dir.')
  t.is(
    refused({ 'reload-include': ['[a'] }),
    '--reload-include takes a pattern such as *.html or templates/*, not "[a".',
  )
  t.is(
    refused({ 'reload-exclude': ['a}'] }),
    '--reload-exclude takes a pattern such as *.html or templates/*, not "a}".',
  )
})
