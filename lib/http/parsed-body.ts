// Bodies that a host's parser has read: the bytes that it has left, or what they can be made from, and their head.
import { types } from 'node:util'
import { rawHeader, type HeadedRequest } from '../wire/host-headers.js'

/** A request whose body somebody has read, with what parsers leave of it. */
export interface ParsedRequest extends HeadedRequest {
  rawBody?: unknown
  body?: unknown
}

/** What is left of a body. */
export interface ParsedBody {
  readonly bytes: Uint8Array
  /** It was made from text, and so is UTF-8, whatever the charset of the request was. */
  readonly isText: boolean
}

const JSON_TYPE = /^(?:application\/json|text\/json|[^/]+\/[^;]+\+json)$/i
const FORM_TYPE = /^application\/x-www-form-urlencoded$/i
const CHARSET = /(;\s*charset=)("[^"]*"|[^;\s]*)/i
const UTF_8 = /^"?utf-?8"?$/i

/**
 * What a parser has left of a body: bytes or text, and what it has made of JSON and forms where that is asked for.
 * `undefined` where the body cannot be told from it.
 */
export function parsedBody(request: ParsedRequest, reuse: boolean): ParsedBody | undefined {
  const { rawBody, body } = request
  const left = bytesOf(rawBody) ?? (isParsedText(request) ? undefined : bytesOf(body))
  if (left !== undefined || !reuse) {
    return left
  }
  const text = serialized(request, body)
  return text === undefined ? undefined : { bytes: Buffer.from(text), isText: true }
}

function bytesOf(value: unknown): ParsedBody | undefined {
  if (typeof value === 'string') {
    return { bytes: Buffer.from(value), isText: true }
  }
  return types.isUint8Array(value) ? { bytes: value, isText: false } : undefined
}

/** Whether a text in `body` is what JSON says (`"a"`), not how it says it: as long as the body only in quotes. */
function isParsedText(request: ParsedRequest): boolean {
  const { body } = request
  const length = plainLength(request)
  return (
    typeof body === 'string' &&
    JSON_TYPE.test(typeOf(request)) &&
    Buffer.byteLength(body) !== length &&
    Buffer.byteLength(JSON.stringify(body)) === length
  )
}

function serialized(request: ParsedRequest, body: unknown): string | undefined {
  const type = typeOf(request)
  if (JSON_TYPE.test(type)) {
    try {
      return JSON.stringify(body)
    } catch {
      // Circles, and what JSON has no word for.
      return undefined
    }
  }
  return FORM_TYPE.test(type) ? formOf(request, body) : undefined
}

/**
 * A form as text. Nested values are refused: there are several ways to write them, and an app that does not know the
 * brackets would see other names. So are lists, unless they can only come from a name that was repeated: those of
 * `node:querystring`, and those that make a text as long as what came.
 */
function formOf(request: ParsedRequest, body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) {
    return undefined
  }
  const form = new URLSearchParams()
  let hasList = false
  for (const [name, value] of Object.entries(body)) {
    hasList ||= Array.isArray(value)
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof one !== 'string') {
        return undefined
      }
      form.append(name, one)
    }
  }
  const text = form.toString()
  const isSure = !hasList || Object.getPrototypeOf(body) === null || text.length === plainLength(request)
  return isSure ? text : undefined
}

/** The type of a body, without its parameters. */
function typeOf(request: ParsedRequest): string {
  return (rawHeader(request, 'content-type') ?? '').split(';')[0]!.trim()
}

/** How long a body was that came as it is; `undefined` where nobody knows. */
function plainLength(request: ParsedRequest): number | undefined {
  const length = rawHeader(request, 'content-length')
  return length === undefined || isEncoded(rawHeader(request, 'content-encoding')) ? undefined : Number(length)
}

function isEncoded(encoding: string | undefined): encoding is string {
  return encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity'
}

/** What says how the bytes of a body went over the wire. */
const OF_WIRE = new Set(['content-encoding', 'content-length', 'transfer-encoding'])

/**
 * The headers of a request, names and values in turn, for what a parser has left of its body: where those are not the
 * bytes that came, their length is counted anew, and how they were encoded is not said any more.
 */
export function describeBody(
  request: ParsedRequest,
  headers: readonly string[],
  { bytes, isText }: ParsedBody,
): readonly string[] {
  const isKept = isAsItCame(request, bytes, isText)
  if (isKept && !isText) {
    return headers
  }
  const described: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase()
    const value = headers[at + 1]!
    if (isText && name === 'content-type') {
      described.push(headers[at]!, inUtf8(value))
    } else if (isKept || !OF_WIRE.has(name)) {
      described.push(headers[at]!, value)
    }
  }
  if (!isKept) {
    described.push('content-length', String(bytes.length))
  }
  return described
}

const GZIP = /^(?:x-)?gzip$/i

function isAsItCame(request: ParsedRequest, bytes: Uint8Array, isText: boolean): boolean {
  const length = rawHeader(request, 'content-length')
  const encoding = rawHeader(request, 'content-encoding')
  const isLong = length === undefined ? !isText : Number(length) === bytes.length
  if (!isEncoded(encoding)) {
    return isLong
  }
  // Somebody may have collected the bytes without inflating them.
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  return !isText && (GZIP.test(encoding) ? isLong && isGzip : length !== undefined && isLong)
}

function inUtf8(type: string): string {
  return type.replace(CHARSET, (all, parameter: string, charset: string) =>
    UTF_8.test(charset) ? all : `${parameter}utf-8`,
  )
}
