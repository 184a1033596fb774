import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { WebSocketClient } from './websocket-client.js'

/** Asks for a WebSocket on a stream of HTTP/2 (RFC 8441), as browsers do. */
export function ask(
  t: ExecutionContext,
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): ClientHttp2Stream {
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13', ...headers },
    { endStream: false },
  )
  stream.on('error', () => {})
  t.teardown(() => stream.close(8))
  return stream
}

export interface Http2WebSocket {
  client: WebSocketClient
  stream: ClientHttp2Stream
  headers: IncomingHttpHeaders
}

interface Unconnected extends WebSocket {
  _isServer: boolean
  setSocket(stream: Duplex, head: Buffer, options: object): void
}

/** An open WebSocket on a stream. `ws` frames it: it knows nothing of HTTP/2, but any stream will do. */
export async function open(
  t: ExecutionContext,
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): Promise<Http2WebSocket> {
  const stream = ask(t, session, path, headers)
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status'?: number }]
  if (answer[':status'] !== 200) throw new Error(`the WebSocket was refused with ${answer[':status']}`)
  const Constructor = WebSocket as unknown as new (address: null, protocols: undefined, options: object) => Unconnected
  const socket = new Constructor(null, undefined, { autoPong: true, closeTimeout: 30_000 })
  socket._isServer = false
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, allowSynchronousEvents: true })
  return { client: WebSocketClient.around(socket), stream, headers: answer }
}
