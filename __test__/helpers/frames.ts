import type { ExecutionContext } from 'ava'
import { RawConnection, type RawResponse } from './raw-connection.js'

/** The frames of RFC 6455, byte by byte: for tests in which a client must be able to do wrong. */
export const opcode = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

export interface Frame {
  fin: boolean
  /** The three reserved bits as a number. */
  reserved: number
  opcode: number
  isMasked: boolean
  payload: Buffer
}

export interface FrameOptions {
  fin?: boolean
  reserved?: number
  isMasked?: boolean
  /** How many bytes tell the length; by default as few as will do. */
  lengthBytes?: 0 | 2 | 8
  /** A length other than the payload's. */
  length?: number
}

/** A frame as a client sends it. Text is taken as UTF-8. */
export function frame(code: number, content: string | Uint8Array = '', options: FrameOptions = {}): Buffer {
  const payload = Buffer.from(content as string)
  const { fin = true, reserved = 0, isMasked = true, length = payload.length } = options
  const { lengthBytes = length < 126 ? 0 : length < 2 ** 16 ? 2 : 8 } = options
  const head = Buffer.alloc(2 + lengthBytes)
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | code
  head[1] = (isMasked ? 0x80 : 0) | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) head.writeUInt16BE(length, 2)
  if (lengthBytes === 8) head.writeBigUInt64BE(BigInt(length), 2)
  if (!isMasked) return Buffer.concat([head, payload])
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d])
  for (let index = 0; index < payload.length; index++) payload[index]! ^= mask[index & 3]!
  return Buffer.concat([head, mask, payload])
}

/** A close frame; without a code its payload is empty. */
export function closeFrame(code?: number, reason: string | Uint8Array = ''): Buffer {
  if (code === undefined) return frame(opcode.close)
  return frame(opcode.close, Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)]))
}

/** The request that asks for a WebSocket; `lines` are headers besides the usual ones. */
export function handshake(target: string, lines: readonly string[] = []): string {
  return [
    `GET ${target} HTTP/1.1`,
    'Host: test',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...lines,
    '\r\n',
  ].join('\r\n')
}

/** What a server must answer to the key of `handshake`. It is the example of RFC 6455. */
export const expectedAccept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** A WebSocket whose frames are written and read by hand; it answers nothing by itself. */
export class RawWebSocket {
  readonly connection: RawConnection
  readonly response: RawResponse

  private constructor(connection: RawConnection, response: RawResponse) {
    this.connection = connection
    this.response = response
  }

  static async open(
    t: ExecutionContext,
    port: number | string,
    target: string,
    lines: readonly string[] = [],
    behind: readonly Buffer[] = [],
  ): Promise<RawWebSocket> {
    const connection = await RawConnection.open(t, port)
    connection.write(handshake(target, lines) + Buffer.concat(behind).toString('latin1'))
    const response = await connection.response()
    t.is(response.status, 101, response.head + response.body)
    return new RawWebSocket(connection, response)
  }

  write(...frames: readonly Uint8Array[]): void {
    this.connection.write(Buffer.concat(frames).toString('latin1'))
  }

  /** The next frame from the server. */
  async next(): Promise<Frame> {
    const [first = 0, second = 0] = await this.#bytes(2)
    const short = second & 0x7f
    const length =
      short === 126
        ? (await this.#bytes(2)).readUInt16BE()
        : short === 127
          ? Number((await this.#bytes(8)).readBigUInt64BE())
          : short
    const isMasked = (second & 0x80) !== 0
    // A server must not mask; a test that meets it fails, so nothing is unmasked here.
    if (isMasked) await this.#bytes(4)
    const payload = await this.#bytes(length)
    return { fin: (first & 0x80) !== 0, reserved: (first >> 4) & 7, opcode: first & 0xf, isMasked, payload }
  }

  /** The next message, in however many frames; control frames in between are passed over. */
  async message(): Promise<string | Buffer> {
    const parts: Frame[] = []
    for (;;) {
      const part = await this.next()
      if (part.opcode === opcode.close) throw new Error(`closed (${part.payload.toString('latin1')})`)
      if (part.opcode >= 0x8) continue
      parts.push(part)
      if (!part.fin) continue
      const whole = Buffer.concat(parts.map(({ payload }) => payload))
      return parts[0]?.opcode === opcode.text ? whole.toString() : whole
    }
  }

  /** What the server's close frame says, whatever came before it; code 1005 when it says nothing. */
  async closed(): Promise<{ code: number; reason: string }> {
    for (;;) {
      const { opcode: code, payload } = await this.next()
      if (code !== opcode.close) continue
      return payload.length === 0
        ? { code: 1005, reason: '' }
        : { code: payload.readUInt16BE(), reason: payload.subarray(2).toString() }
    }
  }

  async #bytes(count: number): Promise<Buffer> {
    return Buffer.from(await this.connection.bytes(count), 'latin1')
  }
}
