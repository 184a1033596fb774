import { Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AmphisError } from '../../base/errors.js'
import { requestObserved } from '../../diagnostics.js'
import type { PythonServer } from '../../server/server.js'
import { closeIdleConnections } from '../serve/idle-connections.js'
import type { FromApp } from './messages.js'

/**
 * The connections that the supervisor has lent to this process. It has each of them open as well until it is told that
 * it is over: one that is destroyed here is not closed for its client, and can go on in another process.
 */
export class LentConnections {
  readonly #server: PythonServer
  readonly #tell: (message: FromApp) => void
  readonly #sockets = new Map<Socket, number>()
  /** Requests that are not answered to the end. */
  readonly #requests = new Set<IncomingMessage>()
  #isReturning = false

  constructor(server: PythonServer, tell: (message: FromApp) => void) {
    this.#server = server
    this.#tell = tell
    // A server of Node's that does not listen itself: this is where it begins to watch over its connections.
    server.emit('listening')
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#requests.add(request)
      response.on('close', () => this.#requests.delete(request))
      response.on('finish', () => {
        if (this.#isReturning) this.#returnIdle()
      })
    })
  }

  /** Serves a connection. */
  take(id: number, socket: Socket): void {
    this.#tell({ type: 'taken', id })
    // As the server itself would have made it: a client may close its side and still wait for the answer.
    socket.allowHalfOpen = (this.#server as unknown as Pick<Socket, 'allowHalfOpen'>).allowHalfOpen
    this.#sockets.set(socket, id)
    socket.on('close', () => {
      if (this.#sockets.delete(socket)) this.#tell({ type: 'closed', id })
    })
    this.#server.emit('connection', socket)
  }

  /**
   * From now on gives connections back, where this loses nothing: those of plain HTTP/1.1, as soon as all of their
   * requests are answered.
   */
  return(): void {
    this.#isReturning = true
    this.#returnIdle()
  }

  /** Ends all of them. */
  cut(): void {
    for (const request of this.#requests) {
      const observed = requestObserved(request)
      // It was not the client who left.
      if (observed !== undefined) observed.error ??= new AmphisError('AMPHIS_ERR_CLOSED', 'The app is started again.')
    }
    for (const socket of this.#sockets.keys()) socket.destroy()
  }

  #returnIdle(): void {
    if (!(this.#server instanceof HttpServer)) return
    const open = [...this.#sockets.keys()].filter((socket) => !socket.destroyed)
    // Only Node knows which are idle: it might have read half of a request.
    closeIdleConnections(this.#server, open, () => {})
    for (const socket of open) {
      if (socket.bytesRead === 0) socket.destroy()
      const id = this.#sockets.get(socket)
      if (socket.destroyed && id !== undefined) {
        this.#sockets.delete(socket)
        this.#tell({ type: 'returned', id })
      }
    }
  }
}
