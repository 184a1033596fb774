import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { cp, mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import type * as Esbuild from 'esbuild'
import { pythonProject } from './helpers/python-project.js'
import { fixtures } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

const { transform } = createRequire(import.meta.url)('esbuild') as typeof Esbuild
const root = fileURLToPath(new URL('..', import.meta.url))

/** What TypeScript says of a project that has all the declarations of `fixtures/types`: each line with its error. */
async function check(t: ExecutionContext, source: string, files: Record<string, string> = {}): Promise<string[]> {
  const options = {
    compilerOptions: {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      noEmit: true,
      allowArbitraryExtensions: true,
      noUncheckedIndexedAccess: true,
    },
    include: ['*.ts', 'types/*.ts'],
  }
  const project = await scratchFolder(t, {
    'package.json': '{ "type": "module" }',
    'tsconfig.json': JSON.stringify(options),
    'use.ts': source,
    ...files,
  })
  const types = join(fixtures, 'types')
  await mkdir(join(project, 'types'))
  for (const name of await readdir(types))
    await cp(join(types, name), join(project, 'types', name), { recursive: true })
  await mkdir(join(project, 'node_modules/@types'), { recursive: true })
  await symlink(root, join(project, 'node_modules/amphis'))
  await symlink(join(root, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'))
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { stdout } = await promisify(execFile)(tsc, ['-p', project, '--pretty', 'false'], { cwd: project }).catch(
    (error: unknown) => error as { stdout: string },
  )
  return stdout.split('\n').filter((line) => line !== '' && !line.startsWith(' '))
}

test('what is right compiles', async (t) => {
  const source = `
import type { PythonHandle, StaysInPython } from 'amphis/modules'
import * as functions from './types/functions.py'
import { tokens, count } from './types/generators.py'
import records, { Point, User, users, movies, type Movie, type OptionsInput } from './types/records.py'
import { Table, Wide, DEFAULT, load, rows } from './types/classes.py'
import { paint, Color } from './types/enums.py'
import { known } from './types/arrays.py'
import { delete as remove, größe } from './types/names.py'
import { numbers, texts, optional, literals, ANSWER, PI } from './types/simple.py'
import { dicts, other_keys, sets, lists } from './types/containers.py'
import type { Json, Pair } from './types/aliases.py'

declare function load_module<Module>(name: string): Promise<Omit<Module, 'default'>>

export async function right(): Promise<void> {
  const whole: number | bigint = await numbers(1, 2.5, true)
  await numbers(1n, 2, false)
  const bytes: Uint8Array = await texts('a', Buffer.from('b'), new ArrayBuffer(1))
  const some: number | bigint | string | null = await optional(null, 'x')
  const letter: 'x' | 'y' = await literals(null, -1)
  const constants: number = PI
  const answer: number | bigint = ANSWER

  await functions.defaults(1)
  await functions.defaults(1, 'b', null)
  await functions.defaults.with({ long: 'l' })(1, 'b')
  await functions.defaults.with({ b: 'b', c: 1.5 }, { timeout: 500, signal: new AbortController().signal })(1)
  await functions.defaults.with({ a: 1 })()
  const text: string = await functions.keyword_only.with({ required: 1 })('a')
  await functions.keyword_only.with({ optional: true }).with({ required: 1 })('a')
  await functions.only_keywords.with({ one: '1' })()
  await functions.rest(1, 2, 3n)
  await functions.mixed_rest.with({ sep: ';' })(1, null)
  await functions.keywords.with({ any: 'x', other: 'y' })(1)
  await functions.keywords(1)
  await functions.keywords_beside.with({ lang: 'en', more: 1 })(1)
  const list: string[] = await functions.later(1)
  const first: number = await functions.first([1, 2] as const, 3)
  const converted: string = await functions.convert.with({ base: 2 })(1)
  const back: number | bigint = await functions.convert('1')
  const called: string = await (await functions.apply(
    (a, b) => Number(a) > b.length,
    async (numbers) => void numbers.length,
    () => 1,
    async (a) => String(a),
    () => 'anything',
  ))(1)
  await functions.optional_callback((n) => void n)

  for await (const token of tokens.with({ limit: 3 })('prompt')) token.toUpperCase()
  for await (const number of count(3)) number.toString()
  const iterator: AsyncIterableIterator<string> = await tokens('prompt')

  const point = await Point(1, 2, ['a'])
  const norm: number = point.x + point.tags.length
  const handle: PythonHandle<Point> = await Point.ref(1)
  using disposed = handle
  const [a, , coin] = await records.points(handle, await records.Point3.ref(1), await records.Coin.ref(1), await records.Pair.ref(1))
  const side: string = coin.sides[0] + a.x
  const options: OptionsInput = { path: '/', since: new Date() }
  const all: Movie[] = await movies(options, { value: 1, children: [] }, { 'content-type': 'x', class: 1 })
  const year: number | bigint | undefined = all[0]?.year
  const user: User = await User.with({ id: 'x', name: 'n', address: { street: 's' }, joined: new Date(), emailAddress: 'e' })()
  const age: number | bigint | null = user.age
  const joined: Date = user.joined

  const table = await load.ref('data.parquet')
  const count_of: number | bigint = await rows(table, await Wide.open.ref('x'))
  const opened = await Table.open.ref('x')
  const [rows_of]: [number | bigint, number | bigint] = await opened.size
  const values: number[] = await opened.column('a')
  const joined_to = await opened.joined.ref(table)
  const stays: StaysInPython<Table> = await DEFAULT
  const color: 'red' | 'green' = await paint.with({ level: 2, size: 's' })(await Color.ref('red'))
  const floats: Float32Array = (await known(new Float64Array(1), new BigInt64Array(1))) as Float32Array
  await remove(1, 'f')
  const size: number = await größe()

  const dict: { [key: string]: number | bigint } = await dicts({ a: 1 }, {}, { x: 0.5 })
  const byKey = await other_keys(new Map([[1, 'a']]), new Map([[[1, 2], 'b']]))
  if (byKey instanceof Map) byKey.get(1)?.toUpperCase()
  const set: Set<number | bigint> = await sets(new Set([1]), new Set(['a']), new Set(), new Set())
  await lists([1], ['a'] as const, [1.5], [true])

  const json: Json = ['a', [1, null]]
  const pair: Pair<string> = ['a', 'b']
  const model = await load_module<typeof import('./types/functions.py')>('functions')
  const rounded: string = await model.keyword_only.with({ required: 1 })('a')
}
`
  t.deepEqual(await check(t, source), [])
})

/** Each is wrong in one way. */
const WRONG = [
  `await numbers('1', 2, true)`,
  `await numbers(1)`,
  `const a: string = await numbers(1, 2, true)`,
  `await literals('b', 1)`,
  `await optional(undefined, 'x')`,
  `await functions.defaults(1, 2)`,
  `await functions.defaults.with({ lng: 'l' })(1)`,
  `await functions.defaults.with({ long: 1 })(1)`,
  `await functions.defaults.with({ long: 'l', lnog: 'm' })(1)`,
  `await functions.keyword_only('a')`,
  `await functions.keyword_only.with({ optional: true })('a')`,
  `await functions.keywords.with({ any: 1 })(1)`,
  `await functions.rest(1, 'a')`,
  `await functions.positional_only.with({ a: 1 })()`,
  `await functions.convert(true)`,
  `const b: number = await functions.convert('1')`,
  `await functions.apply(() => 'x', () => {}, () => 1, () => 'a', () => 1)`,
  `await functions.defaults.with({}, { timeout: 'soon' })(1)`,
  `await functions.missing()`,
  `for await (const token of tokens('prompt')) token.toFixed()`,
  `await records.points({ x: 1, y: 2, tags: [] })`,
  `await movies({}, { value: 1, children: [] }, { 'content-type': 'x', class: 1 })`,
  `await movies({ path: '/', since: 'now' }, { value: 1, children: [] }, { 'content-type': 'x', class: 1 })`,
  `const year: number = (await movies({ path: '/' }, null!, null!))[0].year`,
  `await records.User.with({ id: 'x' })()`,
  `(await load('x')).rows`,
  `await paint('red')`,
  `await known([1, 2], new BigInt64Array(1))`,
  `await sets([1], new Set(), new Set(), new Set())`,
  `const map: Map<number, string> = await other_keys(new Map(), new Map())`,
  `(await simple.unannotated(1)).anything`,
  `await names.then()`,
]

test('what is wrong does not, in its own line', async (t) => {
  const head = [
    `import * as functions from './types/functions.py'`,
    `import { tokens } from './types/generators.py'`,
    `import * as records from './types/records.py'`,
    `import { movies } from './types/records.py'`,
    `import { load } from './types/classes.py'`,
    `import { paint } from './types/enums.py'`,
    `import { known } from './types/arrays.py'`,
    `import * as simple from './types/simple.py'`,
    `import { numbers, literals, optional } from './types/simple.py'`,
    `import { sets, other_keys } from './types/containers.py'`,
    `import * as names from './types/names.py'`,
  ]
  const errors = await check(t, [...head, ...WRONG.map((line) => `{ ${line} }`), 'export {}'].join('\n'))
  const lines = new Set(errors.map((error) => Number(/^use\.ts\((\d+),/.exec(error)?.[1])))
  t.deepEqual(
    WRONG.filter((_, at) => !lines.has(head.length + at + 1)),
    [],
    errors.join('\n'),
  )
  t.is(lines.size, WRONG.length, errors.join('\n'))
})

/** Each is a value of the type that it is given to; `is` compares when it runs. */
const TRUE = `
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Python } from 'amphis'
import type { PythonHandle, PythonMap } from 'amphis/modules'
import type { Coin, Point, Point3, User } from './types/records.py'

const python = new Python({ appDir: join(import.meta.dirname ?? '.', 'types') })
const is = <Value>(value: Value, expected: Value): void => assert.deepStrictEqual(value, expected)

const records = await python.import<typeof import('./types/records.py')>('records')
const point: PythonHandle<Point> = await records.Point.ref(1)
is<number>(await point.x, 1)
is<Point>(await records.Point(1, 2, ['a']), { x: 1, y: 2, tags: ['a'] })
const three: Point3 = { x: 1, y: 0, tags: [], z: 2 }
const coin: Coin = { value: 3, sides: ['heads', 'tails'] }
const handles = [await records.Point3.with({ z: 2 }).ref(1), await records.Coin.ref(3), await records.Pair.ref(1, 'b')] as const
is<[Point, Point3, Coin, [number | bigint, string]]>(await records.points(point, ...handles), [{ x: 1, y: 0, tags: [] }, three, coin, [1, 'b']])
const id = '6f1c6d2e-7f0a-4d1e-8a39-9c5b2b8b0c11'
const user: User = await records.User.with({ id, name: 'n', address: { street: 's' }, joined: new Date(0), emailAddress: 'e' })()
is<User>(user, { id, name: 'n', age: null, address: { street: 's' }, joined: new Date(0), email: 'e' })

const enums = await python.import<typeof import('./types/enums.py')>('enums')
is<'red' | 'green'>(await enums.paint.with({ level: 2, size: 's' })(await enums.Color.ref('red')), 'red')

const classes = await python.import<typeof import('./types/classes.py')>('classes')
const table = await classes.load.ref('x')
is<[number | bigint, number | bigint]>(await table.size, [0, 0])
is<number[]>(await table.column('a'), [])
is<number | bigint>(await classes.rows(await classes.Table.open.ref('x'), await classes.Wide.ref('x')), 0)
is<string[]>(await classes.Table.formats(), [])
// What stays in Python.
await assert.rejects(classes.load('x'), /Table/)

const containers = await python.import<typeof import('./types/containers.py')>('containers')
is<PythonMap<number | bigint, string>>(await containers.other_keys(new Map(), new Map()), {})
is<PythonMap<number | bigint, string>>(await containers.other_keys(new Map([[1, 'a']]), new Map()), new Map([[1, 'a']]))
is<Set<number | bigint>>(await containers.sets(new Set([1]), new Set(), new Set(), new Set()), new Set([1]))
is<[number, number]>(await containers.tuples([1, 'a'], [1], []), [1, 2])

const stdlib = await python.import<typeof import('./types/stdlib.py')>('stdlib')
is<Date>(await stdlib.STARTED, new Date('2024-01-01'))
is<string>(await stdlib.NAIVE, '2024-01-01T00:00:00')
is<string>(await stdlib.HOME, '/')

const arrays = await python.import<typeof import('./types/arrays.py')>('arrays')
is(await arrays.WEIGHTS, new Float32Array(3))

const functions = await python.import<typeof import('./types/functions.py')>('functions')
is<string>(await functions.keyword_only.with({ required: 1 })('a'), 'a')
is<string>(await functions.keyword_only.with({ required: 1 }).with({ a: 'b' }, { timeout: 9999 })(), 'b')
is<string[]>(await functions.later(1n), [])

const generators = await python.import<typeof import('./types/generators.py')>('generators')
const tokens: string[] = []
for await (const token of generators.tokens.with({ limit: 1 })('a')) tokens.push(token)
is(tokens, ['a'])
const iterator: AsyncIterableIterator<number | bigint> = await generators.returns_iterator([1, 2])
is(await iterator.next(), { value: 1, done: false })
await iterator.return?.()

const simple = await python.import<typeof import('./types/simple.py')>('simple')
is<number | bigint>(simple.ANSWER, 42)
is<number>(simple.PI, 3.14)
is<{ [key: string]: boolean | null }>(await simple.FLAGS, { a: true, b: null })
is<Uint8Array>(await simple.texts('a', new Uint8Array([1]), new Uint8Array()), new Uint8Array([1]))
await python.close()
console.log('true')
`

test('what the declarations say is what happens', async (t) => {
  t.deepEqual(await check(t, TRUE), [])
  const { code: source } = await transform(TRUE, { loader: 'ts', format: 'esm', target: 'node20' })
  const { path, node } = await pythonProject(t, { 'use.mjs': source })
  await cp(join(fixtures, 'types'), path('types'), { recursive: true })
  t.like(await node('use.mjs'), { stderr: '', stdout: 'true\n', code: 0 })
})
