// The body of a `Request`: whole where all of it is there, else piece by piece.
import { AmphisError } from '../base/errors.js'
import { pieceOf } from '../handle/body.js'
import { piecesOf, type Pieces } from '../handle/pieces.js'
import type { BodyPump } from '../handle/request.js'

/** Bytes beyond which no more is gathered. */
const GATHERED = 256 * 1024

/** A body, and its length where that is known. */
export interface ReadBody {
  readonly bytes?: Uint8Array | undefined
  readonly stream?: AsyncIterable<unknown> | undefined
  readonly pump?: BodyPump | undefined
  readonly length: number | string | undefined
}

/** What a body is held to. */
export interface Bounds {
  /** For words. */
  readonly method: string
  readonly url: string
  /** What `content-length` says. */
  readonly length: string | undefined
  readonly maxBodySize: number
}

type Step = IteratorResult<unknown, unknown>

/**
 * Takes what is there of a body at once. Where that is all of it (a string, JSON, a small form) its length is counted; a
 * body that comes later is passed on as it comes, and held to the length that its request has given.
 *
 * @throws {AmphisError} `AMPHIS_ERR_BODY_TOO_LARGE`, `AMPHIS_ERR_INVALID_REQUEST`
 */
export async function readBody(body: Pieces, bounds: Bounds): Promise<ReadBody> {
  const { length, maxBodySize } = bounds
  if (Number(length ?? 0) > maxBodySize) {
    throw tooLarge(bounds)
  }
  const pieces = piecesOf(body)[Symbol.asyncIterator]()
  const first: Uint8Array[] = []
  let size = 0
  let next = pieces.next() as Promise<Step>
  const turn = new Promise<undefined>((resolve) => {
    setImmediate(resolve, undefined)
  })
  while (size < GATHERED) {
    const step = await Promise.race([next, turn])
    if (step === undefined) {
      break
    }
    if (step.done === true) {
      return { bytes: Buffer.concat(first), length: size }
    }
    const piece = pieceOf(step.value)
    first.push(piece)
    size += piece.length
    if (size > maxBodySize) {
      pieces.return?.().catch(() => {})
      throw tooLarge(bounds)
    }
    next = pieces.next() as Promise<Step>
  }
  // Whoever goes on with it hears of its failure.
  next.catch(() => {})
  const declared = length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined
  return { stream: rest(first, next, pieces, declared, bounds), length: declared }
}

async function* rest(
  first: readonly Uint8Array[],
  pending: Promise<Step>,
  pieces: AsyncIterator<unknown>,
  declared: number | undefined,
  bounds: Bounds,
): AsyncIterable<Uint8Array> {
  let size = 0
  let isOver = false
  const count = (piece: Uint8Array): Uint8Array => {
    size += piece.length
    if (size > bounds.maxBodySize) {
      throw tooLarge(bounds)
    }
    if (declared !== undefined && size > declared) {
      throw wrongLength(bounds, `is longer than its content-length of ${declared}`)
    }
    return piece
  }
  try {
    for (const piece of first) {
      yield count(piece)
    }
    for (let step = await pending; step.done !== true; step = (await pieces.next()) as Step) {
      yield count(pieceOf(step.value))
    }
    isOver = true
  } finally {
    if (!isOver) {
      // It may wait for a piece that never comes.
      pieces.return?.().catch(() => {})
    }
  }
  if (declared !== undefined && size < declared) {
    throw wrongLength(bounds, `has ${size} bytes and not the ${declared} of its content-length`)
  }
}

/** What a request is told whose body is too large. */
export function tooLarge({ method, url, maxBodySize }: Bounds): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_BODY_TOO_LARGE',
    `The body of ${method} ${url} is larger than maxBodySize (${maxBodySize} bytes). Send less, or raise maxBodySize.`,
  )
}

function wrongLength({ method, url }: Bounds, what: string): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_INVALID_REQUEST',
    `The body of ${method} ${url} ${what}. Leave content-length out where the body is not the one that came with it.`,
  )
}
