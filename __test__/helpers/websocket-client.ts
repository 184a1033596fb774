import { EventEmitter, once } from 'node:events'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { ExecutionContext } from 'ava'
import { type ClientOptions, WebSocket } from 'ws'
import type { PythonHandler } from '../../index.js'
import { type Answer, readAnswer } from './client.js'
import { type RunningServer, serve } from './server.js'

export interface ClientSettings extends ClientOptions {
  subprotocols?: string[]
}

export interface Closed {
  code: number
  reason: string
}

/** A WebSocket as most clients have one: messages in order, and how it closed. */
export class WebSocketClient {
  readonly socket: WebSocket
  /** The head of the server's 101. */
  response: IncomingMessage | undefined
  readonly #messages: (string | Buffer)[] = []
  readonly #changes = new EventEmitter().setMaxListeners(0)
  #closed: Closed | undefined

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('upgrade', (response) => (this.response = response))
    socket.on('message', (data, isBinary) => {
      this.#messages.push(isBinary ? (data as Buffer) : (data as Buffer).toString())
      this.#changes.emit('change')
    })
    socket.on('close', (code, reason) => {
      this.#closed = { code, reason: reason.toString() }
      this.#changes.emit('change')
    })
  }

  /** Connects; terminated when the test ends. */
  static async open(t: ExecutionContext, url: string, settings: ClientSettings = {}): Promise<WebSocketClient> {
    const client = new WebSocketClient(connect(t, url, settings))
    await once(client.socket, 'open')
    // A connection that breaks is told by how it closed.
    client.socket.on('error', () => {})
    return client
  }

  /** One that is open already, by whatever handshake. */
  static around(socket: WebSocket): WebSocketClient {
    const client = new WebSocketClient(socket)
    socket.on('error', () => {})
    return client
  }

  /** Connects to a server that answers something else than 101, and gives that. */
  static async refused(t: ExecutionContext, url: string, settings: ClientSettings = {}): Promise<Answer> {
    const socket = connect(t, url, settings)
    return new Promise((resolve, reject) => {
      socket.on('unexpected-response', (_request: ClientRequest, response: IncomingMessage) => {
        readAnswer(response).then(resolve, reject)
      })
      socket.on('open', () => reject(new Error('the WebSocket was accepted')))
      socket.on('error', reject)
    })
  }

  send(data: string | Uint8Array): void {
    this.socket.send(data)
  }

  close(code?: number, reason?: string): void {
    this.socket.close(code, reason)
  }

  /** The next message. */
  async next(): Promise<string | Buffer> {
    while (this.#messages.length === 0) {
      if (this.#closed) throw new Error(`closed (${this.#closed.code} ${this.#closed.reason}) before a message`)
      await once(this.#changes, 'change')
    }
    return this.#messages.shift()!
  }

  /** The next messages, as many as asked for. */
  async take(count: number): Promise<(string | Buffer)[]> {
    const taken: (string | Buffer)[] = []
    while (taken.length < count) taken.push(await this.next())
    return taken
  }

  async json(): Promise<unknown> {
    return JSON.parse((await this.next()) as string) as unknown
  }

  /** How it closed, now or later. */
  async closed(): Promise<Closed> {
    while (!this.#closed) await once(this.#changes, 'change')
    return this.#closed
  }
}

function connect(t: ExecutionContext, url: string, { subprotocols = [], ...options }: ClientSettings): WebSocket {
  const socket = new WebSocket(url, subprotocols, { perMessageDeflate: false, ...options })
  t.teardown(() => {
    socket.on('error', () => {})
    socket.terminate()
  })
  return socket
}

export interface WebSocketServed extends RunningServer {
  /** The same place as `url`, for WebSockets. */
  ws: string
}

/** Serves an app's HTTP and its WebSockets on a free port until the test ends. */
export async function serveWebSockets(
  t: ExecutionContext,
  handler: PythonHandler,
  options?: { path?: string },
): Promise<WebSocketServed> {
  const running = await serve(t, handler.listener)
  handler.attach(running.server, options)
  return { ...running, ws: running.url.replace('http', 'ws') }
}
