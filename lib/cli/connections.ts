import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { PythonServer } from '../server.js'

/** Every connection of a server, of HTTP/2 and WebSockets too, which Node's own bookkeeping leaves out. */
export class Connections {
  readonly #server: PythonServer
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<Http2Session>()

  constructor(server: PythonServer) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('session', (session: Http2Session) => {
      this.#sessions.add(session)
      session.on('close', () => this.#sessions.delete(session))
    })
  }

  /** Ends those that have nothing under way; sessions of HTTP/2 take nothing new and end with their last stream. */
  closeIdle(): void {
    if ('closeIdleConnections' in this.#server) this.#server.closeIdleConnections()
    this.closeSessions()
  }

  /** Has sessions of HTTP/2 take nothing new and end with their last stream. */
  closeSessions(): void {
    for (const session of this.#sessions) session.close()
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
