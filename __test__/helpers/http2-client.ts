import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'
import type { ExecutionContext } from 'ava'

export interface Http2Answer {
  status: number
  headers: IncomingHttpHeaders
  /** The interim responses that came first. */
  informational: IncomingHttpHeaders[]
  trailers: IncomingHttpHeaders
  body: Buffer
  text: string
  json: () => unknown
}

/** A connection of HTTP/2; destroyed when the test ends. */
export async function openSession(
  t: ExecutionContext,
  url: string,
  options: SecureClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = connect(url, options)
  t.teardown(() => session.destroy())
  // The peer's settings come after the connection.
  await once(session, 'remoteSettings')
  // What happens to a connection shows in its streams.
  session.on('error', () => {})
  return session
}

/** One request with its whole response; rejected when the stream is reset, be it without an error. */
export async function request(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return readAnswer(stream)
}

/** The answer to a request that may still be written. */
export async function readAnswer(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const informational: IncomingHttpHeaders[] = []
  let trailers: IncomingHttpHeaders = {}
  stream.on('headers', (headers) => informational.push(headers))
  stream.on('trailers', (headers) => (trailers = headers))
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status'?: number }]
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  if (!stream.closed) await once(stream, 'close')
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Error(`the stream was reset with ${stream.rstCode}`)
  const whole = Buffer.concat(chunks)
  return {
    status: headers[':status'] ?? 0,
    headers,
    informational,
    trailers,
    body: whole,
    text: whole.toString(),
    json: () => JSON.parse(whole.toString()) as unknown,
  }
}

/** With which code a stream that is being read was closed. */
export async function resetCode(stream: ClientHttp2Stream): Promise<number> {
  stream.resume()
  await new Promise<void>((resolve) => {
    stream.on('error', () => {})
    stream.on('close', resolve)
    if (stream.destroyed) resolve()
  })
  return stream.rstCode ?? -1
}
