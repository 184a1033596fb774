// Where responses of HTTP/2 differ: gone, reset, the headers that they may have.
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'

/** RFC 9113 7, the code of a reset. */
const INTERNAL_ERROR = 2

/** RFC 9113 8.2.2: fields of a connection, which HTTP/2 has none of. Node refuses them, or warns. */
const CONNECTION_FIELDS = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** Fields of which Node sends no second one over HTTP/2, those of requests as well. */
const SINGLE_FIELDS = new Set([
  'access-control-allow-credentials',
  'access-control-max-age',
  'access-control-request-method',
  'age',
  'authorization',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'dnt',
  'etag',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'range',
  'referer',
  'retry-after',
  'tk',
  'upgrade-insecure-requests',
  'user-agent',
  'x-content-type-options',
])
/** Those of them that may list several values. */
const LISTS = new Set(['content-encoding', 'content-language'])

/** Whether a request or response of HTTP/2 has no second header of this name, which is in lower case. */
export function isSingleField(name: string): boolean {
  return SINGLE_FIELDS.has(name)
}

const BLANKS = /^[\t ]+|[\t ]+$/g

/** Whether a response of `node:http`'s shape is one of `node:http2`. */
export function isHttp2(response: ServerResponse | Http2ServerResponse): response is Http2ServerResponse {
  return 'stream' in response
}

/** Whether nothing can reach the client any more. */
export function isGone(response: ServerResponse | Http2ServerResponse): boolean {
  // Node's responses of HTTP/2 do not say that they are destroyed.
  if (isHttp2(response)) return response.stream.destroyed || response.stream.closed
  return response.destroyed || isEnding(response.req.socket)
}

/**
 * Whether a connection sends nothing new: when its client has ended its side, Node ends the other one, some time before
 * the connection is closed. What others make in the place of a socket may not say.
 */
function isEnding({ writable }: { readonly writable?: boolean }): boolean {
  return writable === false
}

/**
 * Ends a response so that no client takes what it has for the whole: the connection is destroyed, or the stream of
 * HTTP/2 reset. Node's own `destroy()` would reset a stream without an error, which is a clean end to many clients.
 *
 * A stream is reset in a turn of its own: in the events of its session, Node may be busy closing another one, and a
 * reset then makes it write empty frames for ever.
 */
export function abortResponse(response: ServerResponse | Http2ServerResponse): void {
  if (isHttp2(response)) {
    setImmediate(() => response.stream.close(INTERNAL_ERROR))
  } else if (response.req.httpVersion === '1.0') {
    reset(response)
  } else {
    response.destroy()
  }
}

/** In HTTP/1.0 a body may end with its connection: to end that in good order would be a clean end. */
function reset(response: ServerResponse): void {
  const socket: (Socket & { encrypted?: boolean }) | null = response.socket
  // TLS tells a client that its end is missing. A Unix socket has no address, and knows of no reset.
  if (socket?.encrypted !== true && typeof socket?.remoteAddress === 'string' && 'resetAndDestroy' in socket) {
    socket.resetAndDestroy()
  }
  response.destroy()
}

/**
 * An app's headers, a flat list, as HTTP/2 allows them: without those of a connection, without blanks around values, and
 * single where Node insists. An app that runs over HTTP/1.1 need not know.
 */
export function http2Fields(headers: readonly string[]): string[] {
  const fields: string[] = []
  const singles = new Map<string, number>()
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase()
    const value = headers[at + 1]!.replace(BLANKS, '')
    const earlier = singles.get(name)
    if (earlier !== undefined) {
      // Of a list the other half; else clients of HTTP/1.1 take the first.
      fields[earlier] += LISTS.has(name) ? `, ${value}` : ''
    } else if (!CONNECTION_FIELDS.has(name)) {
      fields.push(name, value)
      if (SINGLE_FIELDS.has(name)) {
        singles.set(name, fields.length - 1)
      }
    }
  }
  return fields
}

/** The same by name, as Node takes what goes out without a response of its own: trailers, accepted handshakes. */
export function http2Record(headers: readonly string[]): Record<string, string[]> {
  // Names are the app's: `constructor` is one as good as any.
  const record = Object.create(null) as Record<string, string[]>
  const fields = http2Fields(headers)
  for (let at = 0; at < fields.length; at += 2) {
    const values = (record[fields[at]!] ??= [])
    values.push(fields[at + 1]!)
  }
  return record
}
