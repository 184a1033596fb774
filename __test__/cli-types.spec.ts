import { execFileSync } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { amphis, amphisEnds, amphisIn } from './helpers/command-line.js'
import { interpreter, python } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

const MODEL = 'def predict(rows: list[float]) -> int:\n    return 1\n'

async function project(t: ExecutionContext, files: Record<string, string>) {
  const folder = await scratchFolder(t, files)
  const path = (name: string) => join(folder, name)
  return {
    path,
    read: (name: string) => readFile(path(name), 'utf8'),
    types: (...args: string[]) => amphisEnds(t, 'types', ...args, '--python', python),
  }
}

test('writes beside the module, and says so; nothing where nothing has changed', async (t) => {
  const { path, read, types } = await project(t, { 'model.py': MODEL })
  const first = await types(path('model.py'))
  t.like(first, { code: 0, stderr: '' })
  t.is(first.stdout, `${path('model.d.py.ts')} is written\n`)
  t.regex(await read('model.d.py.ts'), /export const predict: PythonFunction</)
  const { mtimeMs } = await stat(path('model.d.py.ts'))
  t.is((await types(path('model.py'))).stdout, `${path('model.d.py.ts')}: nothing to do\n`)
  t.is((await stat(path('model.d.py.ts'))).mtimeMs, mtimeMs)
})

test('a module within packages is imported as one: relative imports work', async (t) => {
  const { path, read, types } = await project(t, {
    'shop/__init__.py': '',
    'shop/prices/__init__.py': 'def vat() -> float: ...\n',
    'shop/prices/rules.py': 'from ..base import Money\ndef rule(of: Money) -> Money: ...\n',
    'shop/base.py': 'from typing import TypedDict\nclass Money(TypedDict):\n    cents: int\n',
  })
  const { code, stderr } = await types(path('shop/prices/rules.py'), path('shop/prices/__init__.py'))
  t.is(code, 0, stderr)
  t.regex(await read('shop/prices/rules.d.py.ts'), /export interface Money \{/)
  t.regex(await read('shop/prices/__init__.d.py.ts'), /export const vat: PythonFunction<\(\) => Promise<number>>/)
})

test('--app-dir, --out: as far below the one as the module is below the other', async (t) => {
  const { path, read, types } = await project(t, { 'ml/deep/model.py': MODEL })
  const { code, stderr } = await types(path('ml/deep/model.py'), '--app-dir', path('ml'), '--out', path('types'))
  t.is(code, 0, stderr)
  t.regex(await read('types/deep/model.d.py.ts'), /predict/)
})

test('--int chooses what int is in results; parameters take both', async (t) => {
  const { path, read, types } = await project(t, { 'model.py': 'def f(a: int) -> int: ...\n' })
  for (const int of ['number', 'bigint']) {
    t.is((await types(path('model.py'), '--int', int)).code, 0)
    t.true((await read('model.d.py.ts')).includes(`PythonFunction<(a: number | bigint) => Promise<${int}>`))
  }
})

test('a module that cannot be imported: its traceback from its own first line on, and the others all the same', async (t) => {
  const { path, read, types } = await project(t, {
    'broken.py': 'import json\n\n\ndef load():\n    return json.loads("{")\n\n\nload()\n',
    'syntax.py': 'def f(:\n',
    'leaves.py': 'import sys\nsys.exit(3)\n',
    'dies.py': 'import os\nos._exit(3)\n',
    'model.py': MODEL,
  })
  const names = ['broken.py', 'syntax.py', 'leaves.py', 'dies.py', 'model.py'].map(path)
  const { code, stdout, stderr } = await types(...names)
  t.is(code, 1)
  t.is(stdout, `${path('model.d.py.ts')} is written\n`)
  t.true(
    stderr.includes(`Traceback (most recent call last):\n  File "${path('broken.py')}", line 8, in <module>\n`),
    stderr,
  )
  t.true(stderr.includes(`error: ${path('broken.py')} cannot be imported, so it has no types.\n`))
  t.false(stderr.includes('importlib'))
  t.regex(stderr, /syntax\.py", line 1\n[^]*SyntaxError/)
  t.true(stderr.includes('SystemExit: 3'))
  t.true(stderr.includes(`error: ${path('dies.py')} has ended Python (exit code 3) while it was imported.\n`))
  t.regex(await read('model.d.py.ts'), /predict/)
})

test('what the module prints is not taken for its types', async (t) => {
  const { path } = await project(t, { 'model.py': `print("{}")\n${MODEL}` })
  // Python keeps back what it writes into a pipe.
  const env = { PYTHONUNBUFFERED: undefined }
  const ended = await amphisIn(env, t, 'types', path('model.py'), '--python', python).ends()
  t.like(ended, { code: 0, stderr: '{}\n' })
})

test('a module whose name is taken by another is named, with the other', async (t) => {
  const { path, types } = await project(t, { 'json.py': MODEL })
  const { code, stderr } = await types(path('json.py'))
  t.is(code, 1)
  t.regex(
    stderr,
    /^error: .*json\.py is not what `import json` gives in .*, but .*json\/__init__\.py\. Rename the file/,
  )
})

for (const [what, args, message] of [
  ['no file', [], /^error: `amphis types` needs a file: amphis types model\.py\./],
  ['a file of another language', ['a.js'], /^error: `amphis types` takes files of Python \(\*\.py\), not a\.js\.\n$/],
  ['another int', ['a.py', '--int', 'string'], /^error: --int takes number or bigint, not "string"\.\n$/],
  ['another option', ['a.py', '--wach'], /^error: `amphis types` has no option --wach\. Did you mean --watch\?\n$/],
  ['a file that is not there', ['nowhere.py'], /^error: The file nowhere\.py does not exist\.\n$/],
] as const) {
  test(`says what is wrong: ${what}`, async (t) => {
    const { code, stderr } = await amphisEnds(t, 'types', ...args)
    t.regex(stderr, message)
    t.not(code, 0)
  })
}

test('a file that is no module, or elsewhere, is named', async (t) => {
  const { path, types } = await project(t, { 'my-model.py': MODEL, 'model.py': MODEL, 'other/x.py': MODEL })
  t.regex(
    (await types(path('my-model.py'))).stderr,
    /my-model\.py cannot be imported: my-model is no name of Python's\./,
  )
  t.regex(
    (await types(path('model.py'), '--app-dir', path('other'))).stderr,
    /model\.py is not below the folder .*other\./,
  )
})

test('--help shows the options', async (t) => {
  const { code, stdout } = await amphisEnds(t, 'types', '--help')
  t.is(code, 0)
  for (const option of ['--watch', '--int', '--out', '--app-dir', '--python']) t.true(stdout.includes(option))
})

test('--watch writes again what has changed, what it imports too, and goes on after errors', async (t) => {
  const { path, read } = await project(t, {
    'model.py': 'from base import Base\ndef f(of: Base) -> int: ...\n',
    'other.py': MODEL,
    'base.py': 'Base = list[int]\n',
  })
  const watching = amphis(t, 'types', path('model.py'), path('other.py'), '--watch', '--python', python)
  await watching.printsLine(/Watching 2 files/)
  await writeFile(path('base.py'), 'Base = list[str]\n')
  await watching.printsLine(/model\.d\.py\.ts is written\n[^]*model\.d\.py\.ts is written/)
  t.regex(await read('model.d.py.ts'), /of: readonly string\[\]/)
  await writeFile(path('other.py'), 'def f(:\n')
  await watching.prints('SyntaxError')
  await writeFile(path('other.py'), 'def g() -> int: ...\n')
  await watching.printsLine(/other\.d\.py\.ts is written\n[^]*other\.d\.py\.ts is written/)
  t.regex(await read('other.d.py.ts'), /export const g/)
  watching.child.kill('SIGINT')
  t.is((await watching.ends()).signal, 'SIGINT')
})

test("type parameters and aliases of Python 3.12's syntax; before it they are a syntax error", async (t) => {
  const { path, read, types } = await project(t, {
    'model.py': `
from __future__ import annotations
type Json = str | None | list[Json]
class Stack[T]:
    def push(self, item: T) -> None: ...
    def map[U](self, item: U) -> tuple[T, U]: ...
def first[T: (int, str)](items: list[T]) -> Json: ...
`,
  })
  const { code, stderr } = await types(path('model.py'))
  if (stderr.includes('SyntaxError')) {
    t.is(code, 1)
    t.regex(execFileSync(interpreter, ['--version'], { encoding: 'utf8' }), /3\.1[01]\./)
    return
  }
  t.is(code, 0, stderr)
  const text = await read('model.d.py.ts')
  t.true(text.includes('export type Json = string | Json[] | null\n'), text)
  t.true(text.includes('export interface Stack<T> {\n  push: PythonFunction<(item: T) => Promise<null>'), text)
  t.true(text.includes('<U>(item: U) => Promise<[T, U]>'), text)
  t.true(text.includes('<T extends number | bigint | string>(items: readonly T[]) => Promise<Json>'), text)
})
