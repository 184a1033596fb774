// The body of a request of `node:http` that nobody has read: without a copy, and without the streams of the fetch standard,
// which cost more than the rest of a request.
import type { IncomingMessage } from 'node:http'
import type { BodyPump } from '../handle/request.js'
import { readAtOnce, RequestBodyPump } from '../http/request-body.js'
import { tooLarge, type Bounds, type ReadBody } from './body.js'

/** Takes what is there of it at once; the rest is pumped while the app runs. */
export async function readIncoming(request: IncomingMessage, bounds: Bounds): Promise<ReadBody> {
  const { length, maxBodySize } = bounds
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
