// `NdArray`: an array of more than one dimension, as Python's buffers and numpy have them.

import type { Dtype, TypedArray } from './dtype.js'

/** Numbers in several dimensions, in C order: the last index moves fastest. */
export class NdArray<Data extends TypedArray = TypedArray> {
  /** All elements, in C order. */
  readonly data: Data
  /** How many there are along each dimension. */
  readonly shape: readonly number[]
  /** How far two neighbours along each dimension are apart in `data`, in elements. */
  readonly strides: readonly number[]
  /** What they are, in numpy's words. */
  readonly dtype: Dtype

  constructor(data: Data, shape: readonly number[], dtype: Dtype = 'uint8') {
    this.data = data
    this.shape = shape
    this.strides = []
    this.dtype = dtype
  }
}
