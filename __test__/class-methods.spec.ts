import test from 'ava'
import { pythonProject } from './helpers/python-project.js'

test('classes of a module, and those that calls give, have their class methods', async (t) => {
  const { node } = await pythonProject(t, {
    'model.py': `
class Table:
    limit = 7

    @classmethod
    def empty(cls, *, name="none"):
        return [cls.__name__, name]

    @staticmethod
    def count(to):
        yield from range(to)

class Wide(Table): ...

def kind(): return Wide
`,
    'app.mjs': `
import { Python } from 'amphis'
const python = new Python()
const { Table, kind } = await python.import('model')
console.log(await Table.empty(), await Table.empty.with({ name: 'x' })(), await Table.limit)
for await (const each of Table.count(2)) console.log(each)
const Wide = await kind()
console.log(await Wide.empty(), Table.then, Table.toJSON, Table.__doc__)
console.log(await Table.emtpy().catch((error) => [error.type, error.message]))
console.log(await Table.emtpy().catch((error) => [error.type, error.message]))
`,
  })
  const { code, stdout, stderr } = await node('app.mjs')
  t.is(code, 0, stderr)
  const [first, zero, one, wide, ...missing] = stdout
    .trimEnd()
    .replaceAll(/\n {2}/g, ' ')
    .split('\n')
  t.is(first, "[ 'Table', 'none' ] [ 'Table', 'x' ] 7")
  t.deepEqual([zero, one], ['0', '1'])
  t.is(wide, "[ 'Wide', 'none' ] undefined undefined undefined")
  t.regex(missing.join('\n'), /AttributeError[^]*emtpy[^]*AttributeError[^]*emtpy/)
})
