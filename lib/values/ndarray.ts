// `NdArray`: an array of any number of dimensions, as Python's buffers and numpy have them.

import { AmphisError } from '../base/errors.js'
import { elementTypeNamed, elementTypeOf, type Dtype, type TypedArray } from './dtype.js'

// The same in every copy of this file.
const ND_ARRAY: unique symbol = Symbol.for('amphis.NdArray')

/**
 * Numbers in several dimensions, in C order: the last index moves fastest. numpy arrays arrive as one unless they have
 * just one dimension, which is a typed array; Python gets a `memoryview` of this shape, which `numpy.asarray` takes
 * without a copy.
 *
 * @example
 * const image = new NdArray(new Float32Array(3 * 480 * 640), [3, 480, 640])
 * const pixel = image.data[0 * image.strides[0] + y * image.strides[1] + x * image.strides[2]]
 */
export class NdArray<Data extends TypedArray = TypedArray> {
  /** All elements, in C order. */
  readonly data: Data
  /** How many there are along each dimension. */
  readonly shape: readonly number[]
  /** How far two neighbours along each dimension are apart in `data`, in elements. */
  readonly strides: readonly number[]
  /** What the elements are, in numpy's words. */
  readonly dtype: Dtype

  /**
   * @param data all elements, in C order; they are not copied
   * @param shape how many there are along each dimension; their product is the length of `data`
   * @param dtype what the elements are; by default what `data` holds. `bool` is the one that has no array of its own: its
   *   `data` is a `Uint8Array`
   * @throws AmphisError `AMPHIS_ERR_CONVERSION` when these do not belong together
   */
  constructor(data: Data, shape: readonly number[], dtype?: Dtype) {
    const held = elementTypeOf(data)
    if (!held) {
      throw refused('its data is no typed array')
    }
    const type = dtype === undefined ? held : elementTypeNamed(dtype)
    if (!type || (type !== held && !(type.name === 'bool' && held.name === 'uint8'))) {
      throw refused(`its data is ${held.name}, which cannot be taken for ${String(dtype)}`)
    }
    const sizes = [...shape]
    if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw refused(`its shape [${sizes.map(String).join(', ')}] has something else than whole numbers`)
    }
    const count = sizes.reduce((product, size) => product * size, 1)
    if (count !== data.length) {
      throw refused(`the shape [${sizes.join(', ')}] has ${count} elements, its data ${data.length}`)
    }
    this.data = data
    this.shape = Object.freeze(sizes)
    this.strides = Object.freeze(stridesOf(sizes))
    this.dtype = type.name
  }

  static {
    Object.defineProperty(this.prototype, ND_ARRAY, { value: true })
  }
}

function stridesOf(shape: readonly number[]): number[] {
  const strides: number[] = []
  let stride = 1
  for (const size of shape.toReversed()) {
    strides.unshift(stride)
    stride *= size
  }
  return strides
}

function refused(why: string): AmphisError {
  return new AmphisError('AMPHIS_ERR_CONVERSION', `This is no NdArray: ${why}.`)
}

/** Also for those of another copy of this package. */
export function isNdArray(value: object): value is NdArray {
  return ND_ARRAY in value
}
