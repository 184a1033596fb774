import { once } from 'node:events'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { type Frame, opcode } from './frames.js'
import { type Http2Answer, readAnswer } from './http2-client.js'

/** The extended CONNECT of RFC 8441 that asks for a WebSocket. */
export const extendedConnect = (target: string, headers: OutgoingHttpHeaders = {}): OutgoingHttpHeaders => ({
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':path': target,
  'sec-websocket-version': '13',
  ...headers,
})

/** A WebSocket in a stream of HTTP/2, whose frames are written and read by hand; it answers nothing by itself. */
export class Http2WebSocket {
  readonly stream: ClientHttp2Stream
  /** What the server has accepted it with. */
  readonly headers: IncomingHttpHeaders
  readonly #chunks: AsyncIterator<Buffer>
  #read: Buffer = Buffer.alloc(0)

  private constructor(stream: ClientHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream
    this.headers = headers
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  static async open(
    session: ClientHttp2Session,
    target: string,
    headers?: OutgoingHttpHeaders,
  ): Promise<Http2WebSocket> {
    const stream = session.request(extendedConnect(target, headers), { endStream: false })
    const [response] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status'?: number }]
    if (response[':status'] !== 200) throw new Error(`refused with ${response[':status']}`)
    return new Http2WebSocket(stream, response)
  }

  /** Asks a server that answers something else than 200, and gives that. */
  static async refused(
    session: ClientHttp2Session,
    target: string,
    headers?: OutgoingHttpHeaders,
  ): Promise<Http2Answer> {
    return readAnswer(session.request(extendedConnect(target, headers), { endStream: false }))
  }

  write(...frames: readonly Uint8Array[]): void {
    this.stream.write(Buffer.concat(frames))
  }

  /** The next frame from the server, which never masks. */
  async next(): Promise<Frame> {
    const [first = 0, second = 0] = await this.#bytes(2)
    const length =
      second === 126
        ? (await this.#bytes(2)).readUInt16BE()
        : second === 127
          ? Number((await this.#bytes(8)).readBigUInt64BE())
          : second
    const payload = await this.#bytes(length)
    return {
      fin: (first & 0x80) !== 0,
      reserved: (first >> 4) & 7,
      opcode: first & 0xf,
      isMasked: second > 127,
      payload,
    }
  }

  /** The next message, which is text unless its frame says bytes. */
  async message(): Promise<string | Buffer> {
    const { opcode: code, payload } = await this.next()
    if (code === opcode.close) throw new Error(`closed (${payload.toString('latin1')})`)
    return code === opcode.text ? payload.toString() : payload
  }

  /** What the server's close frame says, whatever came before it. */
  async closed(): Promise<{ code: number; reason: string }> {
    for (;;) {
      const { opcode: code, payload } = await this.next()
      if (code === opcode.close) return { code: payload.readUInt16BE(), reason: payload.subarray(2).toString() }
    }
  }

  /** Waits for the end of what the server sends; gives how many bytes came before it. */
  async end(): Promise<number> {
    let length = this.#read.length
    for (;;) {
      const next = await this.#chunks.next()
      if (next.done) return length
      length += next.value.length
    }
  }

  async #bytes(count: number): Promise<Buffer> {
    const chunks: Buffer[] = [this.#read]
    let length = this.#read.length
    while (length < count) {
      const next = await this.#chunks.next()
      if (next.done) throw new Error('the stream ended')
      chunks.push(next.value)
      length += next.value.length
    }
    const whole = Buffer.concat(chunks)
    this.#read = whole.subarray(count)
    return whole.subarray(0, count)
  }
}
