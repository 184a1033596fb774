import { once } from 'node:events'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { finished } from 'node:stream/promises'
import type { PythonServer } from '../../server/server.js'
import { closeIdleConnections, sendingOf } from './idle-connections.js'

/** Every connection of a server, of HTTP/2 and WebSockets too, which Node's own bookkeeping leaves out. */
export class Connections {
  readonly #server: PythonServer
  readonly #sockets = new Set<Socket>()
  /** What responses of HTTP/1.1 are written to: with TLS the other end of the encryption. */
  readonly #writers = new Set<Socket>()
  readonly #sessions = new Set<Http2Session>()
  #onEmpty: () => void = () => {}

  constructor(server: PythonServer) {
    this.#server = server
    const isSecure = 'setSecureContext' in server
    server.on('connection', (socket: Socket) => this.#add(this.#sockets, socket))
    server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => this.#add(this.#writers, socket))
    server.on('session', (session: Http2Session) => {
      this.#sessions.add(session)
      session.on('close', () => this.#sessions.delete(session))
    })
  }

  /** Resolves when none is left. */
  async empty(): Promise<void> {
    while (this.#sockets.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve))
  }

  /**
   * Ends those that have nothing under way, once all is sent that is to be; sessions of HTTP/2 take nothing new and end
   * with their last stream.
   */
  closeIdle(): void {
    closeIdleConnections(this.#server, this.#writers, (socket) => socket.end())
    this.closeSessions()
  }

  /** Has sessions of HTTP/2 take nothing new and end with their last stream. */
  closeSessions(): void {
    for (const session of this.#sessions) session.close()
  }

  /** Resolves when those that {@link closeIdle} has told to end have sent everything. */
  async sent(): Promise<void> {
    const sockets = sendingOf(this.#writers).map((socket) => finished(socket, { readable: false }))
    await Promise.allSettled([...sockets, ...[...this.#sessions].map((session) => once(session, 'close'))])
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #add(sockets: Set<Socket>, socket: Socket): void {
    // An upgrade that nobody takes begins its connection once more.
    if (sockets.has(socket)) return
    sockets.add(socket)
    socket.on('close', () => {
      sockets.delete(socket)
      if (this.#sockets.size === 0) this.#onEmpty()
    })
  }
}
