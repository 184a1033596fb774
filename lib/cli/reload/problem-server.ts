import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { wantsPage } from '../../debug/page.js'
import { makeServer, type PythonServer } from '../../server/server.js'
import type { OptionValues } from '../options/table.js'
import { refuseUntrusted, tlsOptions } from '../serve/certificate.js'
import { type Problem, problemAnswer, problemText, WAIT_HEADER } from './problem.js'

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

/** Answers in the place of an app that does not run: a page for browsers, a text for everybody else. */
export class ProblemServer {
  readonly #server: PythonServer
  readonly #sockets = new Set<Socket>()
  readonly #waiting = new Set<Response>()
  readonly #sessions = new Set<ServerHttp2Session>()
  #problem: Problem | undefined

  /**
   * One that speaks what the app's server speaks.
   *
   * @throws {ServeError | UsageError} when a file of TLS cannot be used
   */
  static async create(options: OptionValues): Promise<ProblemServer> {
    const server = makeServer(options.http2, await tlsOptions(options))
    if (options['ssl-cert-reqs'] === '1') server.on('secureConnection', refuseUntrusted)
    return new ProblemServer(server)
  }

  private constructor(server: PythonServer) {
    this.#server = server
    server.emit('listening')
    server.on('request', (request: Request, response: Response) => {
      // What is not read would cut off the answer.
      request.resume().once('end', () => this.#answer(request, response))
    })
    server.on('connect', (request: Request, response: Response | Duplex) => {
      // A WebSocket of HTTP/2; in HTTP/1.1 it is a request to a proxy.
      if ('stream' in response) this.#answer(request, response)
      else (response as Duplex).destroy()
    })
    server.on('upgrade', (_: Request, socket: Duplex) => refuseUpgrade(socket, this.#text()))
    server.on('session', (session: ServerHttp2Session) => {
      this.#sessions.add(session)
      session.on('close', () => this.#sessions.delete(session))
    })
  }

  /** Answers the requests of a connection, which is then closed: the next may be for the app again. */
  readonly take = (socket: Socket): void => {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    this.#server.emit('connection', socket)
    socket.resume()
  }

  /** From now on this is the answer; pages that show another look again. */
  show(problem: Problem): void {
    this.#problem = problem
    this.settle()
  }

  /** Something has changed: pages look again, connections end. */
  settle(): void {
    for (const response of this.#waiting) response.writeHead(204, { 'cache-control': 'no-store' }).end()
    for (const session of this.#sessions) session.close()
  }

  /** Pages that wait try again and again. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #text(): string {
    return this.#problem === undefined ? '' : problemText(this.#problem)
  }

  #answer(request: Request, response: Response): void {
    const problem = this.#problem
    if (request.httpVersionMajor < 2) response.setHeader('connection', 'close')
    if (problem !== undefined && request.headers[WAIT_HEADER] === problem.id) {
      this.#waiting.add(response)
      response.on('close', () => this.#waiting.delete(response))
      return
    }
    if (problem === undefined) {
      response.writeHead(503).end()
      return
    }
    const { status, headers, body } = problemAnswer(problem, wantsPage(request))
    response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) }).end(body)
  }
}

function refuseUpgrade(socket: Duplex, text: string): void {
  // Its client may be gone: Node has taken its own listener off.
  socket.on('error', () => {})
  socket.end(
    'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n' +
      `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}
