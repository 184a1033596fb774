// Memory that a call gives to Python: JavaScript has it no more, and nothing is copied.
import { types } from 'node:util'
import { AmphisError } from '../base/errors.js'

/**
 * @returns why the memory cannot be given, naming the first that JavaScript itself does not have any more
 */
export function refusalOf(transfer: readonly ArrayBuffer[]): AmphisError | undefined {
  const index = transfer.findIndex(isDetached)
  return index === -1
    ? undefined
    : new AmphisError(
        'AMPHIS_ERR_INVALID_OPTIONS',
        `Option transfer[${index}] has no memory: it was given away already. Make a new one for each call.`,
      )
}

/**
 * Takes memory from JavaScript. What it cannot give away stays: Node's own pool of small Buffers and WebAssembly's, which
 * others see, and what may still change its size.
 *
 * @param views arrays over memory, each of which is replaced where its own was given away
 * @returns what holds the memory that was given away
 */
export function giveAway(transfer: readonly ArrayBuffer[], views: Uint8Array[] = []): ArrayBuffer[] {
  // Of memory that is gone, an array does not know its place any more.
  const places = views.map(({ buffer, byteOffset, length }) => ({ buffer, byteOffset, length }))
  const given = new Map<ArrayBufferLike, ArrayBuffer>()
  for (const buffer of new Set(transfer)) {
    const moved = moveOut(buffer)
    if (moved !== undefined) {
      given.set(buffer, moved)
    }
  }
  for (const [index, { buffer, byteOffset, length }] of places.entries()) {
    const moved = given.get(buffer)
    if (moved !== undefined) {
      views[index] = new Uint8Array(moved, byteOffset, length)
    }
  }
  return [...given.values()]
}

function moveOut(buffer: ArrayBuffer): ArrayBuffer | undefined {
  if ((buffer as { resizable?: boolean }).resizable === true) {
    return undefined
  }
  try {
    return structuredClone(buffer, { transfer: [buffer] })
  } catch (error) {
    if ((error as Error).name === 'DataCloneError') {
      return undefined
    }
    throw error
  }
}

/** @returns what is wrong with an option */
export function problemOfTransfer(transfer: unknown): string | undefined {
  if (!Array.isArray(transfer)) {
    return 'Option transfer must be a list of ArrayBuffers.'
  }
  const wrong = transfer.findIndex((buffer) => !types.isArrayBuffer(buffer))
  return wrong === -1
    ? undefined
    : `Option transfer[${wrong}] must be an ArrayBuffer: that of a typed array is its \`buffer\`. Shared memory stays shared, and is copied.`
}

// `ArrayBuffer.prototype.detached` is there from Node.js 22 on.
function isDetached(buffer: ArrayBuffer): boolean {
  if (buffer.byteLength > 0) {
    return false
  }
  try {
    return new Uint8Array(buffer).length > 0
  } catch {
    return true
  }
}
