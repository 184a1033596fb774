import test from 'ava'
import fc from 'fast-check'
import { ConversionError } from '../lib/base/errors.js'
import { Decoder } from '../lib/values/decode.js'
import { NdArray } from '../lib/values/ndarray.js'
import { decode, encode, Handles, partsOf, textOf, thereAndBack } from './helpers/values.js'

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 200 }),
  // Units of their own, and so lone surrogates.
  fc.array(fc.nat(0xffff), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
  fc.array(fc.nat(0xff), { maxLength: 300 }).map((units) => String.fromCharCode(...units)),
)

const key = fc.oneof(
  text,
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '0', '4294967296', 'then', 'toJSON'),
)

const number = fc.oneof(
  fc.double(),
  fc.maxSafeInteger(),
  fc.integer({ min: -200, max: 200 }),
  fc.constantFrom(-0, 2 ** 53, -(2 ** 53), 2 ** 53 - 1, 1 - 2 ** 53, 2 ** 31, 2 ** 31 - 1, NaN, Infinity, -Infinity),
)

const bytes = fc.uint8Array({ maxLength: 100 })
const array = fc.oneof(
  fc.float64Array({ maxLength: 20 }),
  fc.float32Array({ maxLength: 20 }),
  fc.int8Array({ maxLength: 20 }),
  fc.int16Array({ maxLength: 20 }),
  fc.int32Array({ maxLength: 20 }),
  fc.uint8ClampedArray({ maxLength: 20 }),
  fc.uint16Array({ maxLength: 20 }),
  fc.uint32Array({ maxLength: 20 }),
  fc.bigInt64Array({ maxLength: 20 }),
  fc.bigUint64Array({ maxLength: 20 }),
)
const date = fc.date({
  min: new Date(-62_135_596_800_000),
  max: new Date(253_402_300_799_999),
  noInvalidDate: true,
})

/** Whatever goes over as data and returns as the same. */
const { value } = fc.letrec<{ value: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<unknown>(null, undefined, true, false),
    number,
    text,
    fc.bigInt(),
    fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
    bytes,
    array,
    date,
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 8 }),
    fc.dictionary(key, tie('value'), { maxKeys: 8, noNullPrototype: true }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 5 }).map((items) => new Set(items)),
  ),
}))

test('what JavaScript can hold as data is the same after encoding and decoding', (t) => {
  fc.assert(
    fc.property(value, (given) => {
      t.deepEqual(thereAndBack(given), given)
    }),
    { numRuns: 2000 },
  )
})

test('one encoder and one decoder do for any number of payloads, also after failures', (t) => {
  const handles = new Handles()
  const decoder = new Decoder(handles)
  fc.assert(
    fc.property(value, fc.nat(100), (given, offset) => {
      t.throws(() => encode([given, Symbol('no')], handles), { instanceOf: ConversionError })
      const encoded = encode(given, handles)
      // A payload may stand anywhere in a text, and its buffers among others.
      const payload = textOf(encoded)
      decoder.begin('x'.repeat(offset) + payload + 'x'.repeat(offset), offset, [Buffer.of(), ...partsOf(encoded)], 1)
      t.deepEqual(decoder.value('result'), given)
      t.is(decoder.at, offset + payload.length)
    }),
  )
})

test('what is one object stays one, also where objects hold each other', (t) => {
  const containers = fc.array(fc.tuple(fc.constantFrom('array', 'object', 'map', 'set'), fc.array(fc.nat(20))), {
    minLength: 1,
    maxLength: 20,
  })
  fc.assert(
    fc.property(containers, (described) => {
      const objects = described.map(([kind]) => make(kind))
      for (const [index, [, members]] of described.entries()) {
        for (const member of members) {
          put(objects[index]!, objects[member % objects.length])
        }
      }
      t.deepEqual(graphOf(thereAndBack(objects)), graphOf(objects))
    }),
  )
})

type Container = unknown[] | Record<string, unknown> | Map<unknown, unknown> | Set<unknown>

function make(kind: string): Container {
  switch (kind) {
    case 'array':
      return []
    case 'map':
      return new Map()
    case 'set':
      return new Set()
    default:
      return {}
  }
}

function put(target: Container, member: unknown): void {
  if (Array.isArray(target)) {
    target.push(member)
  } else if (target instanceof Map) {
    target.set(member, target)
  } else if (target instanceof Set) {
    target.add(member)
  } else {
    target[`key ${Object.keys(target).length}`] = member
  }
}

/** Each object by its number, with the numbers of what it holds. */
function graphOf(root: unknown): unknown[] {
  const numbers = new Map<unknown, number>()
  const graph: unknown[] = []
  const visit = (object: unknown): number => {
    const known = numbers.get(object)
    if (known !== undefined) {
      return known
    }
    const next = numbers.size
    numbers.set(object, next)
    const held = object instanceof Map ? [...object].flat() : Object.values(object as object)
    const members = object instanceof Set ? [...object] : held
    graph[next] = [Object.prototype.toString.call(object), members.map((member) => visit(member))]
    return next
  }
  visit(root)
  return graph
}

test('arrays of any shape keep it', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { maxLength: 5 }), fc.boolean(), (shape, isBool) => {
      const count = shape.reduce((product, size) => product * size, 1)
      const data = isBool ? new Uint8Array(count) : Float32Array.from({ length: count }, (_, index) => index)
      const given = new NdArray(data, shape, isBool ? 'bool' : undefined)
      t.deepEqual(thereAndBack(given), given)
    }),
  )
})

test('any bytes are a value or a ConversionError', (t) => {
  const byte = fc.oneof(fc.nat(21), fc.nat(255), fc.integer({ min: 0x80, max: 0xff }))
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), (units) => {
      t.true(isValueOrError(String.fromCharCode(...units)))
    }),
    { numRuns: 20_000 },
  )
})

test('a payload that was damaged is a value or a ConversionError', (t) => {
  fc.assert(
    fc.property(value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }), (given, changes) => {
      const units = Buffer.from(textOf(encode(given)), 'latin1')
      for (const [place, unit] of changes) {
        units[place % units.length] = unit
      }
      t.true(isValueOrError(units.toString('latin1')))
    }),
    { numRuns: 3000 },
  )
})

test('a payload that ends too early is a ConversionError', (t) => {
  fc.assert(
    fc.property(value, fc.nat(), (given, at) => {
      const whole = textOf(encode(given))
      t.throws(() => decode(whole.slice(0, at % whole.length)), { instanceOf: ConversionError })
    }),
  )
})

function isValueOrError(payload: string): boolean {
  const decoder = new Decoder(new Handles())
  decoder.begin(payload, 0, [Buffer.alloc(8)], 0)
  try {
    decoder.value('result')
    return decoder.at <= payload.length
  } catch (error) {
    return error instanceof ConversionError
  }
}
