// What calls between the languages say: the words of both directions.

/** What Python is asked for; `src/calls/incoming.rs` has the other end of this table. */
export const IMPORT = 1
export const CALL = 2
export const GET = 3
export const NEXT = 4
export const RETURN = 5
export const ITERATE = 6
export const AWAIT = 7
export const ITEM = 8

/** Flags of what Python is asked for: the result stays where it is; keywords follow the arguments. */
export const BY_HANDLE = 1
export const KEYWORDS = 2

/** What an answer begins with; `src/calls/reply.rs` has it too. */
export const VALUE = 0
export const RAISED = 1
export const END = 2
export const FAILED = 3

/** Kinds of objects that stay where they are; `src/calls/handles.rs` has them too. */
export const KIND = {
  object: 0,
  function: 1,
  asyncFunction: 2,
  iterable: 3,
  class: 4,
  module: 5,
  promise: 6,
} as const

/** In the names of a module: its value follows. */
export const VALUE_KIND = 8

/** Tags of handles, as in `lib/values`. */
export const JS = 18
export const PY = 19
