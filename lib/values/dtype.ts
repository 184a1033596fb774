// What the elements of arrays can be, and which arrays of JavaScript hold them.

/** An array of numbers in one piece of memory; `Float16Array` too, where Node.js has it. */
export type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint8ClampedArray
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array

/** What the elements of an array are, in numpy's words. */
export type Dtype =
  | 'uint8'
  | 'int8'
  | 'uint8_clamped'
  | 'uint16'
  | 'int16'
  | 'uint32'
  | 'int32'
  | 'uint64'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bool'

type Construct = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray

/** One kind of elements. Its place in the table is its byte on the tape. */
export interface ElementType {
  readonly byte: number
  readonly name: Dtype
  readonly size: number
  /** Undefined where this Node.js has no such array. */
  readonly array: Construct | undefined
}

const float16 = (globalThis as { Float16Array?: Construct }).Float16Array

const table: [Dtype, number, Construct | undefined][] = [
  ['uint8', 1, Uint8Array],
  ['int8', 1, Int8Array],
  ['uint8_clamped', 1, Uint8ClampedArray],
  ['uint16', 2, Uint16Array],
  ['int16', 2, Int16Array],
  ['uint32', 4, Uint32Array],
  ['int32', 4, Int32Array],
  ['uint64', 8, BigUint64Array],
  ['int64', 8, BigInt64Array],
  ['float32', 4, Float32Array],
  ['float64', 8, Float64Array],
  ['float16', 2, float16],
  // JavaScript has no array of booleans: each is a byte, 0 or 1.
  ['bool', 1, Uint8Array],
]

export const elementTypes: readonly ElementType[] = table.map(([name, size, array], byte) => ({
  byte,
  name,
  size,
  array,
}))

/** Instead of a type of elements, for memory beside a tape: a string of bytes. */
export const BYTES_BESIDE = 13

const byName = new Map<string, ElementType>(elementTypes.map((type) => [type.name, type]))

export function elementTypeNamed(name: string): ElementType | undefined {
  return byName.get(name)
}

const byArray = new Map<string, ElementType>()
for (const type of elementTypes.slice(0, -1)) {
  byArray.set(type.name === 'uint8_clamped' ? 'Uint8ClampedArray' : arrayName(type.name), type)
}

function arrayName(name: Dtype): string {
  if (name.endsWith('int64')) {
    return name === 'int64' ? 'BigInt64Array' : 'BigUint64Array'
  }
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}Array`
}

// Knows typed arrays of every realm, and what a class that extends one calls itself does not matter.
const nameOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined

/** What a typed array holds; undefined for everything else. */
export function elementTypeOf(value: unknown): ElementType | undefined {
  const name = nameOf.call(value)
  return name === undefined ? undefined : byArray.get(name)
}
