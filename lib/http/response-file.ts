// Streams the file of a `pathsend`.
import { close, createReadStream } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { AmphisError } from '../base/errors.js'
import type { OpenFile } from '../bridge/exchange.js'
import { unwatchConnection, watchConnection } from '../wire/connection-close.js'
import { isGone, isHttp2 } from '../wire/http2-response.js'

/** Bytes that are read of a file at a time. Each piece is a way through libuv's threads: four times Node's own is twice as fast. */
const CHUNK = 256 * 1024

/** Counts the bytes of bodies that are given to a connection. */
export interface BodyCounter {
  bodyBytes: number
}

/** Closes a file that nobody wants. */
export function closeFile({ descriptor }: OpenFile): void {
  // There is nothing to be done where that fails.
  close(descriptor, () => {})
}

/**
 * Writes an open file, as far as its `size`, to a response, as fast as its client takes them, and closes the file,
 * also where the client leaves. `done` is told of a file that can't be read that far; not of a client that has left.
 */
export function sendFile(
  response: ServerResponse,
  file: OpenFile,
  counter: BodyCounter | undefined,
  done: (error?: AmphisError) => void,
): void {
  if (isGone(response)) {
    closeFile(file)
    return
  }
  const { descriptor, size, path } = file
  const stream = createReadStream('', { fd: descriptor, start: 0, end: size - 1, highWaterMark: CHUNK })
  const stop = (): void => {
    stream.destroy()
  }
  let sent = 0
  response.on('close', stop)
  if (!isHttp2(response) && response.socket === null) {
    // A pipelined response has no socket before its turn, and is not told when the connection goes.
    watchConnection(response.req.socket, stop)
    stream.on('close', () => unwatchConnection(response.req.socket, stop))
  }
  // One listener for good: `compression` takes listeners over and can't give one back.
  response.on('drain', () => stream.resume())
  stream.on('data', (chunk) => {
    sent += chunk.length
    if (counter !== undefined) {
      counter.bodyBytes += chunk.length
    }
    if (!response.write(chunk)) {
      stream.pause()
    }
  })
  stream.on('end', () => {
    response.off('close', stop)
    done(sent < size ? incomplete(path, `it has ended after ${sent} of ${size} bytes`) : undefined)
  })
  stream.on('error', (error) => {
    response.off('close', stop)
    done(incomplete(path, error.message, error))
  })
}

function incomplete(path: string, why: string, cause?: Error): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_INCOMPLETE_RESPONSE',
    `The file ${path} could not be sent whole: ${why}. Replace files by renaming a new one over them, not by writing into them.`,
    cause && { cause },
  )
}
