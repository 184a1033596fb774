// The answer to an event, in the shape that its source expects; for one that is not streamed.
import { isUtf8 } from 'node:buffer'
import { STATUS_CODES } from 'node:http'
import { hopByHop } from '../wire/hop-by-hop.js'
import type { AnswerKind } from './events/request.js'

/** Status and headers, names and values in turn, of a response. */
export interface Head {
  readonly status: number
  readonly headers: readonly string[]
}

/** An answer as AWS takes it. */
export interface Answer {
  statusCode: number
  statusDescription?: string
  headers?: Record<string, string>
  multiValueHeaders?: Record<string, string[]>
  cookies?: string[]
  body?: string
  isBase64Encoded?: boolean
}

/** Most bytes that Lambda takes of an answer, as JSON; a load balancer takes less. */
const MOST = 6_291_556
const MOST_OF: Partial<Record<AnswerKind, number>> = { 'load-balancer': 1_048_576, 'load-balancer-multi': 1_048_576 }

/** How many bytes an answer to this kind may have, as JSON. */
export function mostBytes(kind: AnswerKind): number {
  return MOST_OF[kind] ?? MOST
}

/** The longest that one byte of a body can get in JSON: `\u0000`. */
const LONGEST = 6

/** An answer with a body; `undefined` where it would be larger than its kind may be. */
export function answerOf(kind: AnswerKind, head: Head, body: Buffer): Answer | undefined {
  const answer = headOf(kind, head)
  const isText = body.length === 0 || (isTextual(head.headers) && isUtf8(body))
  answer.body = body.toString(isText ? 'utf8' : 'base64')
  answer.isBase64Encoded = !isText
  const most = mostBytes(kind)
  if (body.length * LONGEST + HEADS > most && Buffer.byteLength(JSON.stringify(answer)) > most) {
    return undefined
  }
  return answer
}

/** What heads have at most, as far as servers take them. */
const HEADS = 128 * 1024

/** All but the body: for a stream, it goes before it. */
export function headOf(kind: AnswerKind, { status, headers }: Head): Answer {
  const answer: Answer = { statusCode: status }
  switch (kind) {
    case 'http-api':
    case 'function-url': {
      const cookies: string[] = []
      answer.headers = joined(headers, cookies)
      if (cookies.length > 0) {
        answer.cookies = cookies
      }
      break
    }
    case 'rest':
      answer.multiValueHeaders = byName(headers)
      break
    case 'load-balancer-multi':
      answer.statusDescription = described(status)
      answer.multiValueHeaders = byName(headers)
      break
    default: {
      const cookies: string[] = []
      answer.statusDescription = described(status)
      answer.headers = joined(headers, cookies)
      cookies.forEach((cookie, at) => {
        answer.headers![cased('set-cookie', at)] = cookie
      })
    }
  }
  return answer
}

function described(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd()
}

function eachOf(headers: readonly string[], take: (name: string, value: string) => void): void {
  let options = ''
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]!.length === 10 && headers[at]!.toLowerCase() === 'connection') {
      options += `,${headers[at + 1]!}`
    }
  }
  const isHopByHop = hopByHop(options)
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase()
    if (!isHopByHop(name)) {
      take(name, headers[at + 1]!)
    }
  }
}

/** Several of a name are one (RFC 9110 5.3), but for cookies. */
function joined(headers: readonly string[], cookies: string[]): Record<string, string> {
  const all: Record<string, string> = {}
  eachOf(headers, (name, value) => {
    if (name === 'set-cookie') {
      cookies.push(value)
    } else {
      const earlier = all[name]
      all[name] = earlier === undefined ? value : `${earlier}, ${value}`
    }
  })
  return all
}

function byName(headers: readonly string[]): Record<string, string[]> {
  const all: Record<string, string[]> = {}
  eachOf(headers, (name, value) => (all[name] ??= []).push(value))
  return all
}

/** A name in letters of its own for each number: whoever takes one value of a name can still be given several cookies. */
function cased(name: string, number: number): string {
  let rest = number
  return name.replaceAll(/[a-z]/g, (letter) => {
    const isUpper = rest % 2 === 1
    rest = Math.floor(rest / 2)
    return isUpper ? letter.toUpperCase() : letter
  })
}

// What is text by its type; of other types nobody knows, and text is what base64 spoils least.
const TEXT =
  /^(?:text\/[^;]+|application\/(?:[\w.+-]*\+)?(?:json|xml|javascript|yaml|x-ndjson|jsonl|graphql|x-www-form-urlencoded)|image\/svg\+xml)\s*(?:;|$)/i
const OTHER_CHARSET = /;\s*charset\s*=\s*"?(?!utf-?8|us-ascii)[^;]/i

/** Whether the body goes as text, by its type and coding. */
function isTextual(headers: readonly string[]): boolean {
  let isText = false
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!
    const value = headers[at + 1]!
    if (name.length === 12 && name.toLowerCase() === 'content-type') {
      isText = TEXT.test(value) && !OTHER_CHARSET.test(value)
    } else if (name.length === 16 && name.toLowerCase() === 'content-encoding' && value.toLowerCase() !== 'identity') {
      return false
    }
  }
  return isText
}
