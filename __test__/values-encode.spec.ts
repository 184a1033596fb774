import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import { AmphisError, ConversionError } from '../lib/base/errors.js'
import { Decoder } from '../lib/values/decode.js'
import { Encoder } from '../lib/values/encode.js'
import { NdArray } from '../lib/values/ndarray.js'
import { Unfit } from '../lib/values/place.js'
import { MAX_TAPE } from '../lib/values/tags.js'
import { TapeWriter } from '../lib/values/tape.js'
import { decode, encode, type Failure, Handles, partsOf, textOf, thereAndBack } from './helpers/values.js'

/** What is said of a value that cannot be passed. */
function refusal(t: ExecutionContext, value: unknown): ConversionError {
  const error = t.throws(() => encode(value), { instanceOf: ConversionError })
  t.is(error.code, 'AMPHIS_ERR_CONVERSION')
  t.true(error.message.startsWith(`${error.path}: `), error.message)
  t.true(error.message.length < 800, error.message)
  return error
}

test('an error names the place, what is there, and what to do', (t) => {
  const symbol = Symbol('mine')
  for (const [value, path] of [
    [symbol, 'args'],
    [[0, { user: { tags: [1, symbol] } }], 'args[1].user.tags[1]'],
    [{ rows: [0, { 'key with space': symbol }] }, 'args.rows[1]["key with space"]'],
    [{ 'a"b': symbol, '': 1 }, 'args["a\\"b"]'],
    [{ '': symbol }, 'args[""]'],
    [new Map([['k', symbol]]), 'args.get("k")'],
    [new Map([[[symbol], 1]]), 'args (key {…})[0]'],
    [new Set([[symbol]]), 'args (member {…})[0]'],
  ] as const) {
    const error = refusal(t, value)
    t.is(error.path, path)
    t.regex(error.message, /Symbol\(mine\), a symbol\. Pass a string instead/)
  }
  t.is(refusal(t, { ['k'.repeat(1000)]: symbol }).path, `args["${'k'.repeat(80)}…"]`)
})

test('a path of many steps shows its beginning and its end', (t) => {
  let value: unknown = Symbol('deep')
  for (let level = 0; level < 900; level++) {
    value = [value]
  }
  t.is(refusal(t, value).path, `args${'[0]'.repeat(20)}…${'[0]'.repeat(20)}`)
})

test('a thousand levels are passed and no more', (t) => {
  const nested = (levels: number): unknown[] => {
    let value: unknown[] = []
    for (let level = 1; level < levels; level++) {
      value = level % 2 === 0 ? [value] : [{ value }]
    }
    return value
  }
  t.notThrows(() => thereAndBack(nested(667)))
  t.regex(refusal(t, nested(668)).message, /more than 1,000 levels/)
  t.regex(refusal(t, nested(100_000)).message, /more than 1,000 levels/)
  const payload = (levels: number) => '\x0c\x01'.repeat(levels - 1) + '\x0c\x00'
  t.notThrows(() => decode(payload(1000)))
  t.throws(() => decode(payload(1001)), { instanceOf: ConversionError, message: /1,000 levels/ })
  t.throws(() => decode(payload(1_000_000)), { instanceOf: ConversionError, message: /1,000 levels/ })
})

test('dates that Python has nothing for are refused', (t) => {
  t.regex(refusal(t, [new Date(NaN)]).message, /^args\[0\]: This Date is invalid/)
  t.regex(refusal(t, new Date(253_402_300_800_000)).message, /years 1 to 9999 only, not \+010000-01-01T/)
  t.regex(refusal(t, new Date(-62_135_596_800_001)).message, /years 1 to 9999/)
})

test('a hole is undefined, and a long array with holes is refused before it takes its time', (t) => {
  // eslint-disable-next-line no-sparse-arrays
  t.deepEqual(thereAndBack([1, , 3]), [1, undefined, 3])
  const sparse: unknown[] = []
  sparse[2 ** 32 - 2] = 1
  t.regex(refusal(t, { sparse }).message, /^args\.sparse\[0\]: This is a hole of an array that is 4294967295 long/)
})

test('a tape of more than 512 MiB is refused before there is memory for it', (t) => {
  const tape = new TapeWriter()
  tape.at = MAX_TAPE - 100
  const error = t.throws(() => tape.text('x'.repeat(100)), { instanceOf: Unfit })
  t.regex(error.message, /larger than 512 MiB/)
})

test('what is more than its properties stays where it is', async (t) => {
  class User {
    name = 'instance'
  }
  const handles = new Handles()
  const kept = [
    () => 1,
    async () => {},
    User,
    new User(),
    Promise.resolve(),
    new WeakMap(),
    /a/,
    new URL('http://localhost/'),
    (function* generate() {
      yield 1
    })(),
    [1][Symbol.iterator](),
    { name: 'rows', [Symbol.iterator]: () => [1][Symbol.iterator]() },
    { async *[Symbol.asyncIterator]() {} },
    Object.create({ inherited: 1 }) as object,
    new Proxy(new Map(), {}),
  ]
  t.deepEqual(
    (thereAndBack(kept, handles) as unknown[]).map((value, index) => value === kept[index]),
    kept.map(() => true),
  )
  t.is(handles.given.length, kept.length)
  await (kept[4] as Promise<void>)
})

test('what was written as data is data, in whatever realm and whatever stands before it', (t) => {
  const foreign = runInNewContext(
    '({ object: { a: [1] }, map: new Map([[1, 2]]), set: new Set([3]), date: new Date(4), bytes: Uint8Array.of(5), ' +
      'floats: Float64Array.of(6), nothing: Object.create(null) })',
  ) as object
  t.deepEqual(thereAndBack(foreign), {
    object: { a: [1] },
    map: new Map([[1, 2]]),
    set: new Set([3]),
    date: new Date(4),
    bytes: Uint8Array.of(5),
    floats: Float64Array.of(6),
    nothing: {},
  })
  t.deepEqual(thereAndBack(new Proxy({ a: 1 }, {})), { a: 1 })
  t.deepEqual(thereAndBack(new Proxy([1], {})), [1])
  t.deepEqual(thereAndBack([Object(1), Object('a'), Object(false), Object(2n)]), [1, 'a', false, 2n])
  t.deepEqual(thereAndBack(new (class extends Map<number, number> {})([[1, 2]])), new Map([[1, 2]]))
})

test('properties are read once, and neither toJSON nor what is hidden is', (t) => {
  let read = 0
  const value = {
    get counted() {
      return ++read
    },
    toJSON: undefined,
    [Symbol('hidden')]: 1,
  }
  Object.defineProperty(value, 'unlisted', { value: 1, enumerable: false })
  t.deepEqual(thereAndBack(value), { counted: 1, toJSON: undefined })
  t.is(read, 1)
})

test('an error that a getter throws is that error, and the encoder goes on', (t) => {
  const thrown = new Error('mine')
  const value = {
    get broken() {
      throw thrown
    },
  }
  t.is(
    t.throws(() => encode(value)),
    thrown,
  )
})

test('keys that Object.prototype has are data, and never reach it', (t) => {
  const hostile = JSON.parse('{ "__proto__": { "polluted": 1 }, "constructor": { "prototype": 2 } }') as object
  const returned = thereAndBack({ hostile, again: hostile, other: JSON.parse('{ "__proto__": 3 }') as object }) as {
    hostile: Record<string, unknown>
    other: object
  }
  t.is(Object.getPrototypeOf(returned.hostile), Object.prototype)
  t.deepEqual(Object.keys(returned.hostile), ['__proto__', 'constructor'])
  t.is(Object.getPrototypeOf(returned.other), Object.prototype)
  t.is(({} as { polluted?: number }).polluted, undefined)
})

test('a setter that somebody has put on Object.prototype is never called', (t) => {
  let called = 0
  const shared = Object.prototype as object
  Object.defineProperty(shared, 'trapped', {
    configurable: true,
    set() {
      called++
    },
  })
  try {
    const returned = decode(textOf(encode(JSON.parse('[{ "trapped": 1 }, { "trapped": 2 }]')))) as object[]
    t.deepEqual(
      returned.map((object) => Object.getOwnPropertyDescriptor(object, 'trapped')?.value as unknown),
      [1, 2],
    )
  } finally {
    Reflect.deleteProperty(shared, 'trapped')
  }
  t.is(called, 0)
})

test('bytes of every kind are bytes', (t) => {
  const three = Uint8Array.of(1, 2, 3)
  const shared = new Uint8Array(new SharedArrayBuffer(3))
  shared.set(three)
  for (const given of [three, Buffer.from(three), three.buffer, new DataView(three.buffer), shared, shared.buffer]) {
    t.deepEqual(thereAndBack(given), three)
  }
  t.deepEqual(thereAndBack(Uint8Array.of(0, 1, 2, 3).subarray(1)), three)
  const large = Uint8Array.from({ length: 100_000 }, (_, index) => index)
  t.deepEqual(thereAndBack(large), large)
})

test('large arrays travel beside the tape, small ones within, and what is transferred always beside', (t) => {
  const large = Float64Array.from({ length: 2048 }, (_, index) => index)
  const bytes = new Uint8Array(large.buffer)
  const encoded = encode([large, large, large.subarray(1), bytes, bytes.subarray(1)])
  t.deepEqual(encoded.buffers, [large, bytes])
  t.true(encoded.length > 2047 * 8 + 16_383)
  t.deepEqual(thereAndBack([bytes, Buffer.from(bytes), large.buffer]), [bytes, bytes, bytes])
  const returned = thereAndBack([large, large, new NdArray(large, [2, 1024])]) as unknown[]
  t.deepEqual(returned, [large, large, new NdArray(large, [2, 1024])])
  t.is(returned[0], returned[1])

  const small = Uint8Array.of(1, 2)
  const transferred = encode([small, small.buffer], new Handles(), [small.buffer])
  t.is(transferred.buffers.length, 2)
  t.deepEqual(decode(textOf(transferred), partsOf(transferred)), [small, small])
})

test('a decoded array looks at the memory that it was given', (t) => {
  const encoded = encode(new Float64Array(4096))
  const [memory] = partsOf(encoded)
  const array = decode(textOf(encoded), [memory!]) as Float64Array
  t.is(array.buffer, memory!.buffer)
  t.is(array.length, 4096)
})

test('what memory cannot be looked at in place is copied', (t) => {
  const encoded = encode(Float64Array.from({ length: 4096 }, (_, index) => index))
  const [memory] = partsOf(encoded)
  const shifted = new Uint8Array(memory!.length + 1)
  shifted.set(memory!, 1)
  const array = decode(textOf(encoded), [Buffer.from(shifted.buffer, 1)]) as Float64Array
  t.not(array.buffer, shifted.buffer)
  t.is(array[4095], 4095)
})

test('half floats are passed where Node.js has them, else the error says which does', (t) => {
  // A typed array of two half floats, 1 and 2.
  const payload = '\x0b\x0b\x04\x00\x3c\x00\x40'
  const Float16 = (globalThis as { Float16Array?: new (values: number[]) => unknown }).Float16Array
  if (Float16) {
    t.deepEqual(decode(payload), new Float16([1, 2]))
    t.is(textOf(encode(new Float16([1, 2]))), payload)
  } else {
    t.throws(() => decode(payload), { instanceOf: ConversionError, message: /Node\.js 24 has.*astype\("float32"\)/ })
  }
})

test('an error goes over as its handle with name, message, stack, code, cause and properties that are data', (t) => {
  const handles = new Handles()
  const cause = new TypeError('why')
  const error = Object.assign(new RangeError('no', { cause }), {
    code: 'E_NO',
    status: 400,
    details: [{ at: 'x' }],
    request: new WeakMap(),
    retry: () => {},
    nested: { deep: new Map() },
  })
  const failure = thereAndBack([error], handles) as [Failure]
  t.is(failure[0].original, error)
  const { cause: why, ...fields } = failure[0].fields
  t.deepEqual(fields, {
    name: 'RangeError',
    message: 'no',
    stack: error.stack,
    code: 'E_NO',
    props: { status: 400, details: [{ at: 'x' }] },
  })
  t.is((why as Failure).original, cause)
})

test('errors of other realms and DOMExceptions are errors', (t) => {
  for (const [error, name] of [
    [runInNewContext('new TypeError("other")') as Error, 'TypeError'],
    [new DOMException('gone', 'AbortError'), 'AbortError'],
  ] as const) {
    t.is((thereAndBack(error) as Failure).fields['name'], name)
  }
})

test('an error that is its own cause, or that breaks when looked at, is told as far as it can be', (t) => {
  const own = new Error('own')
  own.cause = own
  const failure = thereAndBack(own) as Failure
  t.deepEqual((failure.fields['cause'] as Failure).fields, { name: 'Error', message: 'own' })

  const broken = new Error('broken')
  for (const name of ['stack', 'code', 'cause', 'data']) {
    Object.defineProperty(broken, name, {
      enumerable: true,
      get() {
        throw new Error('not this')
      },
    })
  }
  const cyclic: unknown[] = []
  cyclic.push(cyclic)
  Object.assign(broken, { cyclic, invalid: new Date(NaN), symbol: Symbol('s') })
  t.deepEqual((thereAndBack(broken) as Failure).fields, {
    name: 'Error',
    message: 'broken',
    props: { data: undefined },
  })
})

test('an NdArray says what its elements are and how they lie', (t) => {
  const array = new NdArray(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])
  t.deepEqual([array.dtype, array.shape, array.strides], ['float32', [2, 3], [3, 1]])
  t.deepEqual(new NdArray(new BigInt64Array(0), [0, 2]).strides, [2, 1])
  t.is(new NdArray(Uint8Array.of(1), [1, 1], 'bool').dtype, 'bool')
  for (const [data, shape, dtype] of [
    [Float32Array.of(1), [2]],
    [Float32Array.of(1), [-1]],
    [Float32Array.of(1), [0.5, 2]],
    [Float32Array.of(1), [1], 'float64'],
    [Float32Array.of(1), [1], 'bool'],
    [[1], [1]],
  ] as const) {
    const error = t.throws(() => new NdArray(data as unknown as Float32Array, shape, dtype), {
      instanceOf: AmphisError,
      code: 'AMPHIS_ERR_CONVERSION',
    })
    t.regex(error.message, /^This is no NdArray: /)
  }
})

test('an NdArray whose memory was transferred is refused', (t) => {
  const data = new Float64Array(4)
  const array = new NdArray(data, [2, 2])
  structuredClone(data.buffer, { transfer: [data.buffer] })
  t.regex(refusal(t, [array]).message, /^args\[0\]: This NdArray has other data than it was made of/)
})

test('a handle may have any name, and numbers and strings of calls stand beside values', (t) => {
  const name = 'grün '.repeat(30) + '€'
  const handles = new Handles()
  handles.handleOf = () => ({ tag: 19, kind: 3, id: 2 ** 40, name })
  const payload = textOf(encode(() => {}, handles))
  t.like(decode(payload), { tag: 19, kind: 3, id: 2 ** 40, name })
})

test('neither encoder nor decoder keeps what it was given', async (t) => {
  const handles = new Handles()
  const encoder = new Encoder(handles)
  const decoder = new Decoder(handles)
  const held = (() => {
    const given = [{ a: 1 }, new Float64Array(4096), { b: 2 }]
    encoder.begin()
    encoder.value(given, 'args')
    const encoded = encoder.end()
    decoder.begin(textOf(encoded), 0, partsOf(encoded), 0)
    const returned = decoder.value('result') as object[]
    decoder.end()
    const failing = [{ c: 3 }, Symbol('no')]
    encoder.begin()
    t.throws(() => encoder.value(failing, 'args'))
    return [given, given[0]!, given[1]!, returned, returned[1]!, failing].map((object) => new WeakRef(object))
  })()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  while (held.some((object) => object.deref() !== undefined)) {
    await turn()
    collect()
  }
  t.true(decoder.at > 0)
})

test('a string that was cut from a large payload keeps its units', (t) => {
  const long = Array.from({ length: 5000 }, (_, index) => `item number ${index} with some text, é`)
  t.deepEqual(thereAndBack(long), long)
  t.deepEqual(thereAndBack(['x'.repeat(10_000), '€'.repeat(10_000), 'é'.repeat(100_000)]), [
    'x'.repeat(10_000),
    '€'.repeat(10_000),
    'é'.repeat(100_000),
  ])
})
