// The body of a `Request` behind which there is one of `node:http` that nobody has read: without a copy, and without the
// streams of the fetch standard, which cost more than the rest of a request.
import type { IncomingMessage } from 'node:http'
import type { BodyPump } from '../handle/request.js'
import { isUnread, readAtOnce, RequestBodyPump } from '../http/request-body.js'
import { tooLarge, type Bounds, type ReadBody } from './body.js'

/** Under this key adapters hand over the request of Node's beside its `Request`. */
export const INCOMING: unique symbol = Symbol.for('amphis.incoming')

/**
 * The request of Node's that a `Request` of `@hono/node-server` stands for; `undefined` where its body may be another's
 * by now, or where it is no such `Request`.
 */
export function incomingOf(request: Request, incoming: IncomingMessage | undefined): IncomingMessage | undefined {
  if (incoming === undefined || request.bodyUsed || !isUnread(incoming)) {
    return undefined
  }
  let isItself = false
  for (const key of Object.getOwnPropertySymbols(request)) {
    const value = (request as unknown as Record<symbol, unknown>)[key]
    if (value instanceof Request) {
      // Somebody has asked for more than the head: it is made, and may read.
      return undefined
    }
    isItself ||= value === incoming
  }
  return isItself ? incoming : undefined
}

/** Takes what is there of it at once; the rest is pumped while the app runs. */
export async function readIncoming(request: IncomingMessage, bounds: Bounds): Promise<ReadBody> {
  const { length, maxBodySize } = bounds
  const { 'transfer-encoding': chunks } = request.headers
  if (chunks === undefined && (length === undefined || length === '0')) {
    return { length }
  }
  if (Number(length ?? 0) > maxBodySize) {
    throw tooLarge(bounds)
  }
  if (!request.complete && request.readableLength === 0) {
    // In the tick in which Node parses the head its body has not been seen yet.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  const { bytes, isWhole } = readAtOnce(request)
  if ((bytes?.length ?? 0) > maxBodySize) {
    request.resume()
    throw tooLarge(bounds)
  }
  if (isWhole) {
    return { bytes: bytes ?? Buffer.alloc(0), length: bytes?.length ?? 0 }
  }
  const pump: BodyPump = {
    first: bytes,
    start: (target, slot, fail) => {
      const running = new RequestBodyPump(request, target, slot, bytes, maxBodySize, () => fail(tooLarge(bounds)))
      running.start()
      return running
    },
  }
  return { pump, length }
}
