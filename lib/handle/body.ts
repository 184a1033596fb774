// The body of a request that was made by hand: bytes, or what yields them, from whatever holds it.
import { types } from 'node:util'
import { wrongArgument } from '../base/errors.js'
import { kindOf, tagOf } from '../base/shown.js'
import { encodeForm } from './multipart.js'
import { piecesOf, type BlobLike, type HandleBody, type Pieces } from './pieces.js'

/**
 * Finds out what a body is, by what it says of itself: objects of other realms and libraries are none of our classes.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function bodyOf(body: unknown): HandleBody {
  if (body === undefined || body === null) {
    return {}
  }
  if (typeof body === 'string') {
    return { bytes: Buffer.from(body), type: 'text/plain;charset=UTF-8' }
  }
  const bytes = bytesOf(body)
  if (bytes !== undefined) {
    return { bytes }
  }
  if (typeof body === 'object') {
    const tag = tagOf(body)
    if (tag === 'URLSearchParams') {
      const text = (body as { toString(): string }).toString()
      return { bytes: Buffer.from(text), type: 'application/x-www-form-urlencoded;charset=UTF-8' }
    }
    if (tag === 'FormData' && 'entries' in body) {
      return encodeForm(body as { entries(): Iterable<[string, string | BlobLike]> })
    }
    if (isBlob(body)) {
      return { stream: piecesOf(body.stream()), ...(body.type !== '' && { type: body.type }) }
    }
    if (isStream(body)) {
      return { stream: piecesOf(body) }
    }
  }
  throw wrongArgument(
    'AMPHIS_ERR_INVALID_REQUEST',
    'A body is a string, bytes, a Blob, URLSearchParams, FormData, a ReadableStream or an async iterable of bytes, but ' +
      `this one is ${kindOf(body)}.${tagOf(body) === 'Object' ? ' Send JSON as JSON.stringify(body).' : ''}`,
  )
}

/** The bytes of a buffer or of a view of one, in place; those that are shared with other threads as a copy. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value
    const isPlain = value instanceof Uint8Array && !types.isSharedArrayBuffer(buffer)
    return isPlain ? value : unshared(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return types.isAnyArrayBuffer(value) ? unshared(new Uint8Array(value)) : undefined
}

function unshared(bytes: Uint8Array): Uint8Array {
  return types.isSharedArrayBuffer(bytes.buffer) ? bytes.slice() : bytes
}

/** The bytes of a piece of a body, which may be text. */
export function pieceOf(piece: unknown): Uint8Array {
  const bytes = typeof piece === 'string' ? Buffer.from(piece) : bytesOf(piece)
  if (bytes === undefined) {
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_REQUEST',
      `The pieces of a request body must be bytes or strings, but one is ${kindOf(piece)}.`,
    )
  }
  return bytes
}

function isBlob(value: object): value is BlobLike {
  const tag = tagOf(value)
  return (tag === 'Blob' || tag === 'File') && 'stream' in value && typeof value.stream === 'function'
}

function isStream(value: object): value is Pieces {
  return (
    (Symbol.asyncIterator in value && typeof value[Symbol.asyncIterator] === 'function') ||
    ('getReader' in value && typeof value.getReader === 'function')
  )
}
