import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { pythonProject } from './helpers/python-project.js'

const MODEL = `
import asyncio

LIMIT = 3
NAME = "model"
NOTHING = None
HUGE = 2**100
SQUARES = [1, 4, 9]


def predict(rows, *, scale=1):
    return sum(rows) * scale


async def later(text):
    await asyncio.sleep(0)
    return text.upper()


def tokens(count):
    for index in range(count):
        yield index


def delete():
    return "deleted"


def fails():
    raise ValueError("no")


class Table:
    def __init__(self, rows):
        self.rows = rows

    def doubled(self):
        return self.rows * 2

    @classmethod
    def empty(cls):
        return cls(0).rows


def _private():
    return 1
`

const REGISTER = ['--import', 'amphis/register']

test('functions, async ones, generators, classes, literals', async (t) => {
  const { node } = await pythonProject(t, {
    'model.py': MODEL,
    'app.js': `
import * as model from './model.py'
import whole, { predict, later, tokens, Table, LIMIT, NAME, NOTHING, delete as remove } from './model.py'
const found = { LIMIT, NAME, NOTHING, names: Object.keys(model), members: Object.keys(whole), same: whole.predict === predict }
// A generator first: the module is not there yet.
found.tokens = []
for await (const token of tokens(3)) found.tokens.push(token)
found.predict = [await predict([1, 2]), await predict.with({ scale: 3 })([1, 2]), await model.predict([])]
found.later = await later('text')
found.again = []
for await (const token of tokens(2)) found.again.push(token)
const iterator = await tokens(2)
found.next = await iterator.next()
await iterator.return()
found.remove = await remove()
using table = await Table.ref(4)
found.table = [await table.doubled(), await table.rows, await Table.empty()]
console.log(JSON.stringify(found))
`.replace('using table', 'const table'),
  })
  const { code, stdout, stderr } = await node(...REGISTER, 'app.js')
  t.is(code, 0, stderr)
  const names = ['LIMIT', 'NAME', 'NOTHING', 'Table', 'delete', 'fails', 'later', 'predict', 'tokens']
  const { names: exported, members, ...found } = JSON.parse(stdout) as { names: string[]; members: string[] }
  t.deepEqual(exported, ['LIMIT', 'NAME', 'NOTHING', 'Table', 'default', ...names.slice(4)])
  t.deepEqual(members.toSorted(), names.toSorted())
  t.deepEqual(found, {
    LIMIT: 3,
    NAME: 'model',
    NOTHING: null,
    same: true,
    tokens: [0, 1, 2],
    predict: [3, 9, 0],
    later: 'TEXT',
    again: [0, 1],
    next: { value: 0, done: false },
    remove: 'deleted',
    table: [8, 4, 0],
  } as never)
})

test('nothing of Python runs before something is called, and an idle module keeps no process', async (t) => {
  const { node } = await pythonProject(t, {
    'model.py': 'raise SystemExit(9)\ndef f(): ...\n',
    'app.js': "import { f } from './model.py'\nimport m from './model.py'\nconsole.log(typeof f, typeof m.f)\n",
  })
  t.like(await node(...REGISTER, 'app.js'), { code: 0, stdout: 'function function\n', stderr: '' })
})

test('a module within packages is imported as one', async (t) => {
  const { node } = await pythonProject(t, {
    'shop/__init__.py': '',
    'shop/base.py': 'def base(): return __name__\n',
    'shop/prices.py': 'from .base import base\ndef name(): return [__name__, base()]\n',
    'app.js': "import { name } from './shop/prices.py'\nconsole.log(await name())\n",
  })
  t.like(await node(...REGISTER, 'app.js'), { code: 0, stdout: "[ 'shop.prices', 'shop.base' ]\n" })
})

test('require() has it, too', async (t) => {
  const { node } = await pythonProject(t, {
    'model.py': MODEL,
    'app.cjs':
      "const { predict, LIMIT, default: all } = require('./model.py')\npredict([1]).then((n) => console.log(n, LIMIT, all.NAME))\n",
  })
  t.like(await node(...REGISTER, 'app.cjs'), { code: 0, stdout: '1 3 model\n', stderr: '' })
})

test('configure() chooses how Python is started, before it is', async (t) => {
  const { node } = await pythonProject(t, {
    'ml/deep/model.py': 'def name(): return __name__\n',
    'app.js': `
import { configure } from 'amphis/modules'
import { name } from './ml/deep/model.py'
for (const wrong of [{ thread: 1 }, { threads: 0 }]) {
  try { configure(wrong) } catch (error) { console.log(error.code, error.message) }
}
configure({ appDir: 'ml', threads: 2 })
console.log(await name())
try { configure({}) } catch (error) { console.log(error.message) }
`,
  })
  const { stdout, stderr, code } = await node(...REGISTER, 'app.js')
  t.is(code, 0, stderr)
  const lines = stdout.trimEnd().split('\n')
  t.regex(lines[0]!, /^AMPHIS_ERR_INVALID_OPTIONS There is no option thread\. Did you mean threads\?/)
  t.regex(lines[1]!, /^AMPHIS_ERR_INVALID_OPTIONS Option threads /)
  t.is(lines[2], 'deep.model')
  t.regex(lines[3]!, /^Python has started already/)
})

test('an exception rejects, a module that cannot be imported rejects each call', async (t) => {
  const { node } = await pythonProject(t, {
    'model.py': MODEL,
    'broken.py': 'def f(): ...\nimport not_there\n',
    'app.js': `
import { fails } from './model.py'
import { f } from './broken.py'
for (const call of [fails, fails, f, f, f.ref, f.with({ a: 1 })]) {
  await call().catch((error) => console.log(error.code, error.type, error.message))
}
`,
  })
  const { stdout } = await node(...REGISTER, 'app.js')
  const lines = stdout.trimEnd().split('\n')
  t.deepEqual(lines.slice(0, 2), Array(2).fill('AMPHIS_ERR_PYTHON ValueError no'))
  t.is(lines.length, 6)
  for (const line of lines.slice(2)) t.regex(line, /not_there/)
})

for (const [what, source, message] of [
  [
    'a file that is not there',
    "import './modle.py'",
    /Cannot find module '.*modle\.py' imported from .*app\.js\. Did you mean \.\/model\.py\?/,
  ],
  [
    'a file far from any',
    "import './zzzzzzzzzz.py'",
    /Cannot find module '.*zzzzzzzzzz\.py' imported from .*app\.js\n/,
  ],
  [
    'a file that is no Python',
    "import './syntax.py'",
    /syntax\.py:2:7: (?:invalid syntax|.*parameter.*)\. Python cannot read it/,
  ],
  [
    'a name that is not there',
    "import { predict, predct as other } from './model.py'",
    /^warning: app\.js: model\.py does not export predct\. Did you mean predict\?\n[^]*SyntaxError: .*'predct'/,
  ],
  [
    'a constant that is no literal',
    "import { SQUARES } from './model.py'",
    /^warning: app\.js: model\.py does not export SQUARES: it is no function/,
  ],
  [
    'a private name',
    "import {\n  // its own\n  _private } from './model.py'",
    /^warning: app\.js: model\.py does not export _private\./,
  ],
] as const) {
  test(`says what is wrong: ${what}`, async (t) => {
    const { node } = await pythonProject(t, { 'model.py': MODEL, 'syntax.py': '\ndef f(:\n', 'app.js': source })
    const { code, stderr } = await node(...REGISTER, 'app.js')
    t.is(code, 1)
    t.regex(stderr, message)
  })
}

test('the names are read once for a file as it is, and again when it has changed', async (t) => {
  const { node, path, folder } = await pythonProject(t, {
    'model.py': 'ONE = 1\n',
    'app.js': "import * as model from './model.py'\nconsole.log(Object.keys(model).join())\n",
  })
  // Whoever asks a Python that is none gets no answer.
  const withoutPython = ['--import', 'data:text/javascript,process.env.AMPHIS_PYTHON="/nowhere"', ...REGISTER]
  t.is((await node(...withoutPython, 'app.js')).code, 1)
  t.is((await node(...REGISTER, 'app.js')).stdout, 'ONE,default\n')
  t.is((await node(...withoutPython, 'app.js')).stdout, 'ONE,default\n')
  const cache = join(folder, 'node_modules/.cache/amphis')
  const [entry, ...others] = await readdir(cache)
  t.deepEqual(others, [])
  await writeFile(path('model.py'), 'TWO = 2\n')
  await utimes(path('model.py'), 1, 1)
  t.is((await node(...REGISTER, 'app.js')).stdout, 'TWO,default\n')
  // What is damaged is made anew.
  await writeFile(join(cache, entry!), '{')
  t.is((await node(...REGISTER, 'app.js')).stdout, 'TWO,default\n')
  t.true((await readFile(join(cache, entry!), 'utf8')).includes('TWO'))
})

test('files of JavaScript are imported as ever', async (t) => {
  const { node } = await pythonProject(t, {
    'app.js':
      "import { x } from './x.js'\nimport y from './y.json' with { type: 'json' }\nconsole.log(x, y)\nimport './not_there.js'",
    'x.js': 'export const x = 1',
    'y.json': '{ "y": 1 }',
  })
  const { stderr } = await node(...REGISTER, 'app.js')
  t.regex(stderr, /Cannot find module '.*not_there\.js' imported from .*app\.js\n/)
})
