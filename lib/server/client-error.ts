// What becomes of a connection of HTTP/1.1 that sends what is no request: in the place of what Node does by itself.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const STATUSES: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** How long a client may go on sending once it has been told why it is not heard, in milliseconds. */
const LINGER = 2_000

const SETTLED: unique symbol = Symbol('amphis.settled')
const MALFORMED: unique symbol = Symbol('amphis.malformed')

type Malformed = (socket: Socket, status: number, error: NodeJS.ErrnoException) => void

/** With Node's own notes: the response that is being written, and the request that was parsed last. */
interface ServedSocket extends Socket {
  _httpMessage?: ServerResponse | null
  parser?: { incoming?: IncomingMessage | null } | null
  [SETTLED]?: true
}

/** For events that not all servers declare. */
const plain = (server: Server): NodeJS.EventEmitter => server

/** Calls `listener` for each answer that is given to what was no request at all. */
export function onMalformed(server: Server, listener: Malformed): void {
  plain(server).on(MALFORMED, listener)
}

/** Tells of such an answer. */
export function tellMalformed(server: Server, socket: Socket, status: number, error: Error): void {
  plain(server).emit(MALFORMED, socket, status, error)
}

/**
 * Takes the 'clientError' of a server, unless somebody else listens to it as well. Node answers with a 400 at once, also
 * in the place of an answer that is under way: what comes behind a request that is whole has to wait until its answer
 * has gone out, and behind the last request of a connection (RFC 9112 9.6) it is for nobody.
 */
export function takeClientErrors(server: Server): void {
  plain(server).on('clientError', (error: NodeJS.ErrnoException, stream: Duplex) => {
    if (server.listenerCount('clientError') === 1) {
      settle(server, stream as ServedSocket, error)
    }
  })
}

function settle(server: Server, socket: ServedSocket, error: NodeJS.ErrnoException): void {
  const { code = '' } = error
  const response = socket._httpMessage ?? undefined
  if (!/^(?:HPE|ERR_HTTP)_/.test(code)) {
    // The client has left, or it is TLS that has failed.
    socket.destroy(error)
  } else if (socket[SETTLED] === true) {
    // What comes behind it is dropped. Read it has to be: unread, it would reset the connection.
  } else if (response?.req.complete !== true) {
    answer(server, socket, error)
  } else if (code === 'HPE_INVALID_EOF_STATE') {
    // As Node does with a client that ends its side between two requests.
    socket.end()
  } else if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    // The head behind it has been too slow, and is told so once it is its turn; Node looks only once.
    response.once('finish', () => {
      if (!socket._httpMessage) answer(server, socket, error)
    })
  } else {
    socket[SETTLED] = true
    awaitAnswer(server, socket, response, error)
  }
}

/** The answers to requests that came whole go out first, one after the other. */
function awaitAnswer(
  server: Server,
  socket: ServedSocket,
  response: ServerResponse,
  error: NodeJS.ErrnoException,
): void {
  response.once('finish', () => {
    // By now Node has put the next one in its place, or ended the connection.
    const next = socket._httpMessage
    if (next?.req.complete === true) {
      awaitAnswer(server, socket, next, error)
    } else if (error.code === 'HPE_CLOSED_CONNECTION') {
      socket.end()
    } else {
      answer(server, socket, error)
    }
  })
}

function answer(server: Server, socket: ServedSocket, error: NodeJS.ErrnoException): void {
  socket[SETTLED] = true
  const response = socket._httpMessage ?? undefined
  const { incoming } = socket.parser ?? {}
  // The rest of a request that has its answer is for nobody: a second one would be taken for that of the next.
  const isAnswered = response === undefined && incoming?.complete === false
  if (isAnswered || !socket.writable || response?.headersSent === true) {
    socket.destroy(error)
    return
  }
  const status = STATUSES[error.code ?? ''] ?? 400
  const text = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`
  if (response !== undefined) {
    // Its app is told at once, and it has a line of its own in the log.
    socket.write(text)
    socket.destroy(error)
    return
  }
  socket.end(text)
  // What is unread when a connection is closed resets it, and the client may never see its answer: so it is read.
  const timer = setTimeout(() => socket.destroy(), LINGER).unref()
  socket.once('close', () => clearTimeout(timer))
  socket.once('end', () => socket.destroy())
  tellMalformed(server, socket, status, error)
}
