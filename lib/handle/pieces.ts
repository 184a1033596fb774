// The body of a request that was made by hand, and what comes in pieces.

/** A body, and the type that it implies. */
export interface HandleBody {
  /** `undefined` where it is streamed, or where there is none. */
  readonly bytes?: Uint8Array | undefined
  readonly stream?: AsyncIterable<unknown> | undefined
  /** As fetch would set it where none is given. */
  readonly type?: string | undefined
}

/** A `Blob` of any realm or library. */
export interface BlobLike {
  readonly type: string
  /** Of a `File`. */
  readonly name?: string
  stream(): Pieces
}

interface Reader {
  read(): Promise<{ done: boolean; value?: unknown }>
  cancel(): Promise<void>
}

/** A stream of any realm or library. */
export type Pieces = AsyncIterable<unknown> | { getReader(): Reader }

/** The pieces of a stream, also of one that is not iterable by itself. */
export function piecesOf(stream: Pieces): AsyncIterable<unknown> {
  return Symbol.asyncIterator in stream ? stream : readAll(stream.getReader())
}

async function* readAll(reader: Reader): AsyncIterable<unknown> {
  let isOver = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) {
        isOver = true
        return
      }
      yield value
    }
  } finally {
    if (!isOver) {
      await reader.cancel()
    }
  }
}
