// Finds the body of a request and pumps it to Python.
import type { IncomingMessage } from 'node:http'
import { askedUrl } from '../base/asked-url.js'
import { AmphisError } from '../base/errors.js'
import type { ResolvedOptions } from '../base/options.js'
import { rawHeader } from '../wire/host-headers.js'
import { parsedBody, type ParsedBody } from './parsed-body.js'

/** Bytes that Python may leave unread before the client's socket is no longer read. */
const HIGH_WATER = 256 * 1024
/**
 * The same while the app reads what comes: Node reads up to 2 MiB of a socket before it looks at anything else, and the
 * threads are to work at the same time.
 */
const HIGH_WATER_READING = 2 * 1024 * 1024
/** How many uploads at once may have so much, so that those of apps that stop reading do not take all memory. */
const READERS = 16

/** How many have. */
let readers = 0
/**
 * Bytes of a piece from which on Python is not woken for it at once. Node reads 64 KiB at a time, and again as long as it gets
 * as much: what comes in large pieces brings more before this turn of its loop is over.
 */
const LARGE = 16 * 1024

/** What the native handler does with pieces of a body. */
export interface BodyTarget {
  chunk(slot: number, bytes: Uint8Array | undefined, moreBody: boolean, isUsers: boolean): void
  hold(slot: number, bytes: Uint8Array): void
  release(): void
}

/** A request's body before it is sent to Python. */
export type IncomingBody =
  /** None. */
  | { kind: 'whole'; bytes: undefined }
  /** What a parser has left of it. */
  | ({ kind: 'whole' } & ParsedBody)
  /** To be read from the request. */
  | { kind: 'stream'; bytes: undefined }

const NO_BODY: IncomingBody = { kind: 'whole', bytes: undefined }
const STREAM: IncomingBody = { kind: 'stream', bytes: undefined }

interface HostRequest extends IncomingMessage {
  rawBody?: unknown
  body?: unknown
  /** Set by Express and Connect: the path that the app is mounted at. */
  baseUrl?: unknown
  /** Of HTTP/2. */
  stream?: { endAfterHeaders: boolean }
}

/** Whether a body follows the head (RFC 9112 6.3). */
export function hasBody(request: HostRequest, length: string | undefined): boolean {
  if (request.httpVersionMajor >= 2) {
    // HTTP/2 frames its bodies by itself, and says with the head whether there is none.
    return request.stream?.endAfterHeaders !== true
  }
  return length === undefined ? rawHeader(request, 'transfer-encoding') !== undefined : length !== '0'
}

/** What a request is told whose body is larger than `maxBodySize`. */
export function bodyTooLarge({ method, url }: IncomingMessage, maxBodySize: number): AmphisError {
  return new AmphisError(
    'AMPHIS_ERR_BODY_TOO_LARGE',
    `The body of ${method} ${url} is larger than maxBodySize (${maxBodySize} bytes). Send less, or raise maxBodySize.`,
  )
}

/**
 * Finds the body of a request that a host framework may have read already: the stream when it is untouched, else what
 * a parser has left of it.
 *
 * @throws {AmphisError} `AMPHIS_ERR_BODY_CONSUMED` when only parsed data is left, `AMPHIS_ERR_BODY_TOO_LARGE` when the
 * head or the parser says that it is larger than `maxBodySize`
 */
export function incomingBody(
  request: HostRequest,
  { maxBodySize, reuseParsedBody }: Pick<ResolvedOptions, 'maxBodySize' | 'reuseParsedBody'>,
): IncomingBody {
  const length = rawHeader(request, 'content-length')
  if (!hasBody(request, length)) {
    return NO_BODY
  }
  if (Number(length ?? 0) > maxBodySize) {
    throw bodyTooLarge(request, maxBodySize)
  }
  if (isUnread(request)) {
    return STREAM
  }
  const parsed = parsedBody(request, reuseParsedBody)
  if (parsed === undefined) {
    throw bodyConsumed(request, reuseParsedBody)
  }
  if (parsed.bytes.length > maxBodySize) {
    // A parser inflates what was compressed.
    throw bodyTooLarge(request, maxBodySize)
  }
  return { kind: 'whole', ...parsed }
}

/** Whether nobody has begun to read a request's body. */
export function isUnread(request: IncomingMessage): boolean {
  return !request.readableDidRead && !request.readableEnded
}

/** What a request is told of whose body only parsed data is left, or nothing. */
export function bodyConsumed(request: HostRequest, isReused: boolean): AmphisError {
  const { method, baseUrl } = request
  const mount = typeof baseUrl === 'string' && baseUrl !== '' ? `'${baseUrl}', ` : ''
  return new AmphisError(
    'AMPHIS_ERR_BODY_CONSUMED',
    `The body of ${method} ${askedUrl(request)} was read before the Python app saw it. ` +
      'Mount the app before parsers of bodies:\n' +
      `  app.use(${mount}python.middleware)\n` +
      '  app.use(express.json())\n' +
      'or let the parser keep the bytes:\n' +
      '  app.use(express.json({ verify: (req, res, bytes) => { req.rawBody = bytes } }))\n' +
      (isReused
        ? 'The option reuseParsedBody is of no use here: it takes JSON, and forms without lists and nested values.'
        : 'The option reuseParsedBody has JSON and simple forms written anew from what the parser has made of them.'),
  )
}

/** The bytes that the head promises (RFC 9112 6.2); `NaN` where the end is known only when it comes. */
function promisedLength(request: IncomingMessage): number {
  return rawHeader(request, 'transfer-encoding') === undefined
    ? Number(rawHeader(request, 'content-length') ?? NaN)
    : NaN
}

/**
 * Takes what has come in of an unread body without waiting: the body of a small request is in the same packet as its
 * head, and then rides in the same record.
 *
 * Node runs what was put off to the next tick between the last byte and the end of the message, so that it is the
 * length that tells.
 */
export function readAtOnce(request: IncomingMessage): { bytes: Uint8Array | undefined; isWhole: boolean } {
  const chunk = request.read() as Buffer | string | null
  const bytes = chunk === null ? undefined : toBytes(request, chunk)
  if (bytes !== undefined && bytes.length === promisedLength(request)) {
    // For `end` and `close`, which others may wait for.
    request.resume()
    return { bytes, isWhole: true }
  }
  return { bytes, isWhole: request.complete && request.readableLength === 0 }
}

/** Middleware may have called `setEncoding`: then the stream gives strings. */
function toBytes({ readableEncoding }: IncomingMessage, chunk: Buffer | string): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, readableEncoding ?? 'utf8') : chunk
}

/**
 * Pumps a request's body to Python, no faster than it is read there.
 *
 * Python reads large pieces where Node has them, so each is kept here until it is acknowledged.
 */
export class RequestBodyPump {
  readonly #request: IncomingMessage
  readonly #target: BodyTarget
  readonly #slot: number
  readonly #maxBodySize: number
  readonly #onTooLarge: () => void
  readonly #promised: number
  #pins: Uint8Array[] = []
  #unread = 0
  #highWater = HIGH_WATER
  #size = 0
  /** Python has not been woken for the last piece. */
  #isHolding = false

  /**
   * @param sent what is on its way to Python already
   * @param onTooLarge told once the body is larger than `maxBodySize`; nothing of the excess is passed on
   */
  constructor(
    request: IncomingMessage,
    target: BodyTarget,
    slot: number,
    sent: Uint8Array | undefined,
    maxBodySize: number,
    onTooLarge: () => void,
  ) {
    this.#request = request
    this.#target = target
    this.#slot = slot
    this.#maxBodySize = maxBodySize
    this.#onTooLarge = onTooLarge
    this.#promised = promisedLength(request)
    if (sent !== undefined) {
      this.#size = sent.length
      this.#pins.push(sent)
      this.#unread = sent.length
    }
  }

  start(): void {
    this.#request.on('data', this.#onData)
    this.#request.on('end', this.#onEnd)
    if (this.#unread >= this.#highWater) {
      this.#request.pause()
    } else {
      // Middleware may have paused it.
      this.#request.resume()
    }
  }

  /** Python has read so much. */
  acknowledge(bytes: number, parts: number): void {
    this.#pins.splice(0, parts)
    this.#unread -= bytes
    if (this.#highWater === HIGH_WATER && this.#size - this.#unread >= HIGH_WATER && readers < READERS) {
      readers += 1
      this.#highWater = HIGH_WATER_READING
    }
    if (this.#unread <= this.#highWater / 2 && this.#request.isPaused()) {
      this.#request.resume()
    }
  }

  /** The app has returned: what still comes is for nobody, but the connection can be used again. */
  stop(): void {
    this.#pins = []
    this.#giveBack()
    this.#request.off('data', this.#onData)
    this.#request.off('end', this.#onEnd)
    this.#request.resume()
  }

  readonly #onData = (piece: Buffer | string): void => {
    const chunk = toBytes(this.#request, piece)
    this.#size += chunk.length
    if (this.#size > this.#maxBodySize) {
      this.stop()
      this.#onTooLarge()
      return
    }
    this.#pins.push(chunk)
    this.#unread += chunk.length
    if (this.#size === this.#promised) {
      this.#target.chunk(this.#slot, chunk, false, false)
    } else if (chunk.length < LARGE) {
      this.#target.chunk(this.#slot, chunk, true, false)
    } else {
      this.#target.hold(this.#slot, chunk)
      if (!this.#isHolding) {
        this.#isHolding = true
        setImmediate(this.#release)
      }
    }
    if (this.#unread >= this.#highWater) {
      this.#request.pause()
    }
  }

  readonly #release = (): void => {
    this.#isHolding = false
    this.#target.release()
  }

  /** Another upload may have what this one had. */
  #giveBack(): void {
    if (this.#highWater > HIGH_WATER) {
      readers -= 1
      this.#highWater = HIGH_WATER
    }
  }

  readonly #onEnd = (): void => {
    this.#giveBack()
    if (this.#size !== this.#promised) {
      this.#target.chunk(this.#slot, undefined, false, false)
    }
  }
}
