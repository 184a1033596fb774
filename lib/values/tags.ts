// The tags of the tape, of which `src/values/mod.rs` tells, and its limits.

export const NULL = 0
export const UNDEFINED = 1
export const FALSE = 2
export const TRUE = 3
export const INT = 4
export const FLOAT = 5
export const BIGINT = 6
export const LATIN1 = 7
export const UTF16 = 8
export const BYTES = 9
export const BUFFER = 10
export const TYPED = 11
export const ARRAY = 12
export const OBJECT = 13
export const MAP = 14
export const SET = 15
export const DATE = 16
export const REF = 17
/** An object of JavaScript, by its handle. */
export const JS = 18
/** An object of Python, by its handle. */
export const PY = 19
export const ERROR = 20
export const NDARRAY = 21

/** How many containers may be within each other. */
export const MAX_DEPTH = 1000
/** Bytes of a tape, buffers not counted: what fits into one string of V8, with room for what stands before it. */
export const MAX_TAPE = 512 * 1024 * 1024 - 64 * 1024
/** Arrays of more bytes travel beside the tape. */
export const LARGE = 16 * 1024
