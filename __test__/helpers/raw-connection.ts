import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'

export interface RawResponse {
  status: number
  /** The head as it came, without the empty line. */
  head: string
  headers: [string, string][]
  /** The body without its framing, as latin-1. */
  body: string
}

/** A TCP connection for tests in which the bytes matter. Text is latin-1 both ways: a character is a byte. */
export class RawConnection {
  readonly socket: Socket
  #received = ''
  #end: 'end' | 'reset' | undefined
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
      this.#wake()
    })
    socket.on('end', () => this.#ended('end'))
    socket.on('error', () => this.#ended('reset'))
    socket.on('close', () => this.#ended('end'))
  }

  /** Connects to a port of 127.0.0.1 or to a Unix socket; destroyed when the test ends. */
  static async open(t: ExecutionContext, target: number | string): Promise<RawConnection> {
    const address: NetConnectOpts =
      typeof target === 'string' ? { path: target } : { port: target, host: '127.0.0.1', allowHalfOpen: true }
    const socket = connect(address)
    t.teardown(() => socket.destroy())
    const connection = new RawConnection(socket)
    await once(socket, 'connect')
    return connection
  }

  write(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Leaves without a word: the peer sees a reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Leaves politely: the peer sees the end of the stream. */
  leave(): void {
    this.socket.destroy()
  }

  /** Everything up to and including a text. */
  async until(text: string): Promise<string> {
    for (;;) {
      const index = this.#received.indexOf(text)
      if (index !== -1) return this.#take(index + text.length)
      await this.#more(`"${text}"`)
    }
  }

  async bytes(count: number): Promise<string> {
    while (this.#received.length < count) await this.#more(`${count} bytes`)
    return this.#take(count)
  }

  /** Everything until the peer ends the connection, and how it did. */
  async rest(): Promise<{ text: string; end: 'end' | 'reset' }> {
    while (!this.#end) await new Promise<void>((resolve) => (this.#wake = resolve))
    return { text: this.#take(this.#received.length), end: this.#end }
  }

  /** The next response, whole; `head` for one to a HEAD request. */
  async response(kind: 'whole' | 'head' = 'whole'): Promise<RawResponse> {
    const head = (await this.until('\r\n\r\n')).slice(0, -4)
    const [first = '', ...lines] = head.split('\r\n')
    const status = Number(first.split(' ')[1])
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
    const bodyless = kind === 'head' || status === 204 || status === 304 || status < 200
    return { status, head, headers, body: bodyless ? '' : await this.#body(new Map(headers)) }
  }

  async #body(headers: Map<string, string>): Promise<string> {
    const length = headers.get('content-length')
    if (length !== undefined) return this.bytes(Number(length))
    if (headers.get('transfer-encoding') !== 'chunked') return (await this.rest()).text
    let body = ''
    for (;;) {
      const size = Number.parseInt(await this.until('\r\n'), 16)
      body += (await this.bytes(size + 2)).slice(0, size)
      if (size === 0) return body
    }
  }

  #take(count: number): string {
    const taken = this.#received.slice(0, count)
    this.#received = this.#received.slice(count)
    return taken
  }

  async #more(wanted: string): Promise<void> {
    if (this.#end) throw new Error(`the connection ended (${this.#end}) before ${wanted}; left: ${this.#received}`)
    await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  #ended(how: 'end' | 'reset'): void {
    this.#end ??= how
    this.#wake()
  }
}
