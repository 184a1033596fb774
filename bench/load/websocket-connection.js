import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { wrong } from './wrong.js'

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 }
const accepting = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

// Every socket reads into this one: what arrives is looked at before anything else is read, and never kept.
const arrivals = Buffer.allocUnsafe(256 * 1024)

/**
 * A client's frame, masked with a key of its own, as RFC 6455 asks for.
 *
 * @param {number} opcode
 * @param {Buffer} payload
 */
function clientFrame(opcode, payload) {
  const { length } = payload
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | length])
      : length < 0x10000
        ? Buffer.from([0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff])
        : Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | 127]), bigEndian64(length)])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i & 3])])
}

function bigEndian64(value) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/**
 * A message with its frame ready to be written.
 *
 * @param {'text' | 'binary'} kind
 * @param {number} bytes
 */
export function randomMessage(kind, bytes) {
  const random = randomBytes(bytes)
  // 64 characters of ASCII, from space on.
  const payload = kind === 'text' ? random.map((byte) => 0x20 + (byte & 0x3f)) : random
  return { opcode: opcodes[kind], payload: Buffer.from(payload), frame: clientFrame(opcodes[kind], payload) }
}

const closeFrame = clientFrame(opcodes.close, Buffer.from([1000 >> 8, 1000 & 0xff]))

/**
 * A WebSocket that expects to receive what it has sent, on a bare socket: far less work than a client that would do for
 * anything else. Replies may come in any number of frames and pieces; pings are answered.
 */
export class EchoConnection {
  /** Replies received. */
  echoes = 0
  #socket
  #key = randomBytes(16).toString('base64')
  #head = ''
  #open = false
  // The message that is on its way.
  #expected
  #compare = false
  #opcode = 0
  #length = 0
  // The frame that is being received.
  #header = Buffer.alloc(10)
  #headerLength = 0
  #frameLeft = -1
  #control = []
  #onEcho
  #settle
  #broken

  /**
   * Connects, shakes hands, and checks every word of the answer that matters.
   *
   * @param {{ port: number, path: string, localAddress?: string }} target
   */
  static open(target) {
    const connection = new EchoConnection()
    return connection.#connect(target).then(() => connection)
  }

  /**
   * Sends a message whose reply calls `onEcho`. Every 64th reply of a connection, the first one included, is compared
   * byte for byte; of each other one the kind and the length.
   */
  send(message, onEcho) {
    this.#expected = message
    this.#compare = (this.echoes & 63) === 0
    this.#opcode = 0
    this.#length = 0
    this.#onEcho = onEcho
    this.#socket.write(message.frame)
  }

  /** Sends one message, compares the whole reply. */
  echo(message) {
    return this.#settled(10_000, 'no echo', (resolve) => {
      this.send(message, resolve)
      this.#compare = true
    })
  }

  /** Has whatever goes wrong from now on told to `onError`. */
  watch(onError) {
    this.#settle = onError
  }

  /** Closes as the protocol asks for: a close frame each way, then the server closes the connection. */
  async close() {
    const closed = new Promise((resolve) => this.#socket.once('close', resolve))
    this.#settle = undefined
    this.#socket.write(closeFrame)
    const timer = setTimeout(() => this.#socket.destroy(), 1000)
    await closed
    clearTimeout(timer)
  }

  destroy() {
    this.#settle = undefined
    this.#socket?.destroy()
  }

  #connect({ port, path, localAddress }) {
    return this.#settled(10_000, 'no handshake', (resolve) => {
      this.#socket = connect({
        host: '127.0.0.1',
        port,
        localAddress,
        noDelay: true,
        // Without streams, events and a new Buffer for each piece.
        onread: {
          buffer: arrivals,
          callback: (size) => {
            try {
              this.#received(size, resolve)
            } catch (error) {
              this.#fail(error)
            }
            return true
          },
        },
      })
      this.#socket.on('error', (error) => this.#fail(error))
      this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')))
      this.#socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${this.#key}\r\n\r\n`,
      )
    })
  }

  #settled(withinMs, problem, begin) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${problem} within ${withinMs} ms`)), withinMs)
      const end = (action) => (value) => {
        clearTimeout(timer)
        this.#settle = undefined
        action(value)
      }
      this.#settle = end(reject)
      if (this.#broken === undefined) {
        begin(end(resolve))
      } else {
        this.#settle(this.#broken)
      }
    })
  }

  #fail(error) {
    const settle = this.#settle
    this.#broken ??= error
    this.destroy()
    settle?.(error)
  }

  #received(size, onOpen) {
    let at = 0
    if (!this.#open) {
      at = this.#readHandshake(size)
      if (!this.#open) {
        return
      }
      onOpen()
    }
    while (at < size) {
      at = this.#frameLeft < 0 ? this.#readHeader(at, size) : this.#readPayload(at, size)
      if (this.#frameLeft === 0) {
        this.#endFrame()
      }
    }
  }

  #readHandshake(size) {
    const before = this.#head.length
    this.#head += arrivals.latin1Slice(0, size)
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) {
      return size
    }
    const [status, ...lines] = this.#head.slice(0, end).split('\r\n')
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const accept = createHash('sha1')
      .update(this.#key + accepting)
      .digest('base64')
    if (!status.startsWith('HTTP/1.1 101 ') || headers.get('sec-websocket-accept') !== accept) {
      throw wrong(`shook hands with ${JSON.stringify(this.#head.slice(0, 300))}`)
    }
    if (headers.has('sec-websocket-extensions')) {
      throw wrong('uses an extension that was not offered')
    }
    this.#open = true
    return end + 4 - before
  }

  /** Takes what there is of a frame's header; sets `#frameLeft` when it is complete. */
  #readHeader(from, size) {
    const header = this.#header
    let at = from
    for (let wanted = 2; at < size;) {
      header[this.#headerLength++] = arrivals[at++]
      if (this.#headerLength >= 2) {
        wanted = header[1] < 126 ? 2 : header[1] === 126 ? 4 : 10
      }
      if (this.#headerLength === wanted) {
        const length =
          wanted === 2 ? header[1] : wanted === 4 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2))
        this.#beginFrame(length)
        break
      }
    }
    return at
  }

  #beginFrame(length) {
    const opcode = this.#header[0] & 0x0f
    if ((this.#header[0] & 0x70) !== 0 || (this.#header[1] & 0x80) !== 0) {
      throw wrong('sent a frame with reserved bits or a mask')
    }
    if (opcode < opcodes.close) {
      if (this.#expected === undefined || (opcode === opcodes.continuation) !== this.#opcode > 0) {
        throw wrong('sent a message that nobody asked for')
      }
      this.#opcode ||= opcode
    }
    this.#headerLength = 0
    this.#frameLeft = length
  }

  #readPayload(at, size) {
    const end = Math.min(size, at + this.#frameLeft)
    if ((this.#header[0] & 0x0f) >= opcodes.close) {
      this.#control.push(Buffer.from(arrivals.subarray(at, end)))
    } else {
      const { payload } = this.#expected
      const from = this.#length
      this.#length += end - at
      if (this.#length > payload.length) {
        throw wrong(`echoed more than the ${payload.length} bytes that it was sent`)
      }
      if (this.#compare && arrivals.compare(payload, from, this.#length, at, end) !== 0) {
        throw wrong(`echoed other bytes than it was sent, within those from ${from} to ${this.#length}`)
      }
    }
    this.#frameLeft -= end - at
    return end
  }

  #endFrame() {
    this.#frameLeft = -1
    const opcode = this.#header[0] & 0x0f
    if (opcode >= opcodes.close) {
      const payload = Buffer.concat(this.#control)
      this.#control = []
      if (opcode === opcodes.ping) {
        this.#socket.write(clientFrame(opcodes.pong, payload))
      } else if (opcode === opcodes.close) {
        this.#fail(new Error(`the server closed with ${payload.length < 2 ? 'no code' : payload.readUInt16BE(0)}`))
      }
    } else if ((this.#header[0] & 0x80) !== 0) {
      const { payload, opcode: expected } = this.#expected
      if (this.#opcode !== expected || this.#length !== payload.length) {
        throw wrong(
          `echoed ${this.#length} bytes of kind ${this.#opcode} instead of ${payload.length} of kind ${expected}`,
        )
      }
      this.#expected = undefined
      this.echoes++
      this.#onEcho()
    }
  }
}
