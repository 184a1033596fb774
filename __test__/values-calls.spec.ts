// Values through real calls, both ways.

import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import fc from 'fast-check'
import { ConversionError, NdArray, Python, type PythonError, type PythonFunction } from '../index.js'
import { fixtures, python as interpreter } from './helpers/python.js'

const python = new Python({ appDir: `${fixtures}/calls`, python: interpreter })
const values = await python.import<Record<string, PythonFunction>>('values_fixture')
test.after.always(async () => python.close())

async function call(name: string, ...args: unknown[]): Promise<unknown> {
  return values[name]!(...args)
}

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.nat(0xffff), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
)
const large = fc.oneof(
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 200n }),
  fc.bigInt({ min: -(2n ** 200n), max: -(2n ** 53n) }),
)
// Two keys that Python takes for one are refused; these are none.
const key = fc.oneof(text, fc.integer({ min: 2 }))
const { value } = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<unknown>(null, undefined, true, false, -0, NaN, Infinity),
    fc.double(),
    fc.maxSafeInteger(),
    large,
    text,
    fc.uint8Array({ maxLength: 100 }),
    fc.date({ min: new Date(-62_135_596_800_000), max: new Date(253_402_300_799_999), noInvalidDate: true }),
    fc.float64Array({ maxLength: 20 }),
    fc.int16Array({ maxLength: 20 }),
    fc.bigInt64Array({ maxLength: 20 }),
    fc.float32Array({ minLength: 6, maxLength: 6 }).map((data) => new NdArray(data, [2, 3])),
    // Large enough to travel beside the rest.
    fc.float64Array({ minLength: 4096, maxLength: 4100 }),
    fc.uint8Array({ minLength: 20_000, maxLength: 20_010 }),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'then')), tie('value'), {
      maxKeys: 6,
      noNullPrototype: true,
    }),
    fc
      .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 5, selector: ([name]) => name })
      .map((entries) => new Map([[1, null], ...entries])),
    // Python's sets have an order of their own.
    fc.array(key, { maxLength: 1 }).map((items) => new Set(items)),
  ),
}))

test.serial('what JavaScript can hold as data returns as the same', async (t) => {
  await fc.assert(
    fc.asyncProperty(value, async (given) => {
      t.deepEqual(await call('same', given), given)
    }),
    { numRuns: 500 },
  )
})

test.serial('what Python can hold as data returns as the same', async (t) => {
  t.is(await call('keeps_values', (given: unknown) => given, 200), 200)
})

test.serial('Python gets what the table says', async (t) => {
  for (const [given, seen] of [
    [undefined, 'Undefined undefined'],
    [1, 'int 1'],
    [1.5, 'float 1.5'],
    [-0, 'float -0.0'],
    [2 ** 53, 'float 9007199254740992.0'],
    [5n, 'int 5'],
    [2n ** 64n, 'int 18446744073709551616'],
    ['\ud800', "str '\\ud800'"],
    [Buffer.from('a'), "bytes b'a'"],
    [new ArrayBuffer(1), "bytes b'\\x00'"],
    [new Uint8Array(20_000).fill(97), `bytes b'${'a'.repeat(20_000)}'`],
    [Float32Array.of(1.5), 'memoryview f (1,) [1.5]'],
    [new Float64Array(4096).subarray(4094), 'memoryview d (2,) [0.0, 0.0]'],
    [new NdArray(Int8Array.of(1, 2), [2, 1]), 'memoryview b (2, 1) [[1], [2]]'],
    [new NdArray(new Int8Array(), [2, 0]), 'memoryview b (2, 0) [[], []]'],
    [{ a: 1 }, "dict {'a': 1}"],
    [new Map([[1, 2]]), 'dict {1: 2}'],
    [new Set([1]), 'set {1}'],
    [new Date(0), 'datetime datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)'],
    [
      [1, 'a'],
      ['int 1', "str 'a'"],
    ],
  ] as const) {
    t.deepEqual(await call('seen', given), seen)
  }
})

test.serial('JavaScript gets what the table says', async (t) => {
  for (const [code, expected] of [
    ['(1, 2)', [1, 2]],
    ['range(3)', [0, 1, 2]],
    ['2 ** 53 - 1', 2 ** 53 - 1],
    ['2 ** 53', 2n ** 53n],
    ['1.0', 1],
    ['-0.0', -0],
    ["{'a': (1,)}", { a: [1] }],
    ["{1: 'a'}", new Map([[1, 'a']])],
    ['frozenset([1])', new Set([1])],
    ["b'ab'", Uint8Array.of(97, 98)],
    ['bytes(100_000)', new Uint8Array(100_000)],
    ['datetime.timedelta(seconds=1)', 1000],
    ['datetime.date(2020, 1, 2)', '2020-01-02'],
    ["np.float32('1.5')", 1.5],
    ["np.arange(3, dtype='int16')", Int16Array.of(0, 1, 2)],
    ['np.arange(6.0).reshape(2, 3)', new NdArray(Float64Array.of(0, 1, 2, 3, 4, 5), [2, 3])],
    ['np.arange(6.0).reshape(2, 3).T', new NdArray(Float64Array.of(0, 3, 1, 4, 2, 5), [3, 2])],
    ['np.array(1.5)', new NdArray(Float64Array.of(1.5), [])],
    ['np.array([True, False])', Uint8Array.of(1, 0)],
    ['np.zeros((2, 0))', new NdArray(new Float64Array(), [2, 0])],
    ["dataclasses.make_dataclass('Item', ['a'])(1)", { a: 1 }],
  ] as const) {
    t.deepEqual(await call('made_by', code), expected, code)
  }
})

test.serial('a numpy array is looked at in place, by either side', async (t) => {
  const array = (await call('keep', 'shared', 1_000_000)) as Float64Array
  t.is(array.length, 1_000_000)
  array.fill(1)
  t.is(await call('total', 'shared'), 1_000_000)
  await call('fill', 'shared', 2)
  t.is(array[999_999], 2)
})

test.serial('one array can be passed again and again while JavaScript has it, in one call as in several', async (t) => {
  const first = (await call('keep', 'again', 100_000)) as Float64Array
  const others = (await Promise.all(
    Array.from({ length: 20 }, async () => call('kept_array', 'again')),
  )) as Float64Array[]
  first[0] = 7
  t.true(others.every((other) => other !== first && other[0] === 7))
  t.deepEqual(await call('total', 'again'), 7)
  const [one, two] = (await call('made_by', '(lambda array: [array, array[:]])(np.ones(5000))')) as Float64Array[]
  one![0] = 8
  t.is(two![0], 8)
  // What goes back is a copy.
  const copies = (await Promise.all([call('same', first), call('same', first)])) as Float64Array[]
  t.not(copies[0]!.buffer, copies[1]!.buffer)
  t.deepEqual(copies, [first, first])
})

test.serial('Python has its memory back once JavaScript has let go of it', async (t) => {
  await (async () => {
    const held = (await call('growing', 'bytes')) as Uint8Array
    t.is(held.length, 8)
    t.regex((await call('append', 'bytes')) as string, /cannot be re-sized/)
    held.fill(1)
  })()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (;;) {
    collect()
    await turn()
    if ((await call('append', 'bytes')) === null) {
      break
    }
  }
  t.pass()
})

test.serial('what JavaScript passes is a copy', async (t) => {
  const array = Float64Array.of(1, 2, 3)
  t.is(await call('scribble', array), 99)
  t.is(array[0], 1)
  t.deepEqual(await call('doubled', array), Float64Array.of(2, 4, 6))
  t.deepEqual(
    await call('doubled', new NdArray(new Float64Array(4096).fill(1), [64, 64])),
    new NdArray(new Float64Array(4096).fill(2), [64, 64]),
  )
})

test.serial('what cannot go to Python is refused before it is called, by its place', async (t) => {
  const error = await t.throwsAsync(call('same', { tags: [1, Symbol('no')] }), { instanceOf: ConversionError })
  t.is(error.path, 'args[0].tags[1]')
  const unhashable = await t.throwsAsync(call('same', new Map([[[1], 2]])))
  t.regex(unhashable.message, /A list cannot be a key of a dict/)
})

test.serial('what cannot come from Python is refused by its place', async (t) => {
  const error = (await t.throwsAsync(call('made_by', "{'rows': [1, 1j]}"))) as PythonError
  t.is(error.type, 'amphis.ConversionError')
  t.regex(error.message, /^result\.rows\[1\]: JavaScript cannot have this, an object of the class `complex`/)
  const dtype = await t.throwsAsync(call('made_by', "np.array(['2020'], 'M8[D]')"))
  t.regex(dtype.message, /of dtype `datetime64\[D\]`/)
})

test.serial('an exception goes home as the one that it was', async (t) => {
  const error = (await t.throwsAsync(call('fails', 0))) as PythonError
  t.is(error.type, 'ValueError')
  t.is(await call('seen', error), "ValueError ValueError('on purpose')")
})
