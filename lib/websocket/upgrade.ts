// `python.upgrade`, and what becomes of upgrades to something else.
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AmphisError, wrongArgument } from '../base/errors.js'
import { asError, contextFor } from '../base/request-context.js'
import { kindOf } from '../base/shown.js'
import { observeWebSocket, tellWebSocketError, webSocketObserved } from '../diagnostics.js'
import { logAnswered } from '../wire/error-answer.js'
import { namesTwoHosts } from '../wire/host-header.js'
import { mountPath, type MountPath } from '../wire/mount-path.js'
import { forwardedOf } from '../wire/proxy-headers.js'
import { headOfSocket, withContext, type RequestHead } from '../wire/request-head.js'
import { servingOf } from '../wire/served-socket.js'
import type { UpgradeHost, WebSocketContext } from './context.js'
import { answerError, WebSocketExchange } from './exchange.js'
import { responseOn, type Accepter, type Handshake } from './handshake.js'
import type { AttachOptions, UpgradeListener } from './servers.js'

/** `(req, socket, head) => void` for the 'upgrade' event of `node:http`. Takes every WebSocket. */
export function createUpgradeListener(host: UpgradeHost): UpgradeListener {
  return (request, socket, head) => {
    checkArguments(request, socket, head)
    hearErrors(socket)
    if (isWebSocket(request)) {
      upgrade(host, request, socket, head, mountPath(request, host.options.rootPath), host.options.context)
    } else {
      leaveUpgrade(request, socket, head)
    }
  }
}

/** Refuses a call by mistake, which would be noticed only when somebody opens a WebSocket, or later. */
function checkArguments(request: unknown, socket: unknown, head: unknown): void {
  const use = "python.upgrade is a listener: server.on('upgrade', python.upgrade)"
  if (request === undefined) {
    throw wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', `${use}, without parentheses.`)
  }
  const isCalledByServer =
    typeof request === 'object' &&
    request !== null &&
    'headers' in request &&
    typeof (socket as Duplex | undefined | null)?.on === 'function' &&
    ArrayBuffer.isView(head)
  if (!isCalledByServer) {
    const got = [request, socket, head].map(kindOf).join(', ')
    throw wrongArgument(
      'AMPHIS_ERR_INVALID_OPTIONS',
      `${use}, or is called with what such a listener gets, python.upgrade(request, socket, head); but these are ${got}. ` +
        'For the WebSockets of a server write python.attach(server).',
    )
  }
}

/** After an upgrade Node listens no more, and an error that nobody hears would end the process. */
export function hearErrors(socket: Duplex): void {
  if (!socket.listeners('error').includes(ignore)) {
    socket.on('error', ignore)
  }
}

function ignore(): void {}

/** Node's own note of the response that is being written. */
interface BusySocket extends Duplex {
  _httpMessage?: unknown
}

/**
 * Whether an upgrade was pipelined behind a request that is not yet answered. Nothing can be said on the connection
 * then, neither 101 nor anything else, and no client has a reason to do so: it is ended.
 */
function endIfBusy(socket: BusySocket): boolean {
  const isBusy = socket._httpMessage !== undefined && socket._httpMessage !== null
  if (isBusy) {
    socket.destroy()
  }
  return isBusy
}

/** Runs a WebSocket's handshake of HTTP/1.1. */
export function upgrade(
  host: UpgradeHost,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  mount: MountPath,
  ask: AttachOptions['context'],
): void {
  if (endIfBusy(socket)) {
    return
  }
  observeWebSocket(host.options, request, socket)
  const said = headOf(host, request, mount)
  whenStarted(
    host,
    request,
    ask,
    (context, known) => {
      if (!socket.destroyed) {
        context.handshakes.upgrade(request, socket, head, acceptOn(host, context, said, known))
      }
    },
    (error) => {
      if (!socket.destroyed) {
        answerError(responseOn(request, socket as Socket), error)
      }
    },
  )
}

/** Runs a WebSocket's handshake of HTTP/2. */
export function connect(
  host: UpgradeHost,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  mount: MountPath,
  ask: AttachOptions['context'],
): void {
  // Of the same shapes, as far as they are looked at.
  const like = request as unknown as IncomingMessage
  const answer = response as unknown as ServerResponse
  observeWebSocket(host.options, like, response.stream)
  webSocketObserved(like)?.answeredBy(answer)
  const said = headOf(host, like, mount)
  whenStarted(
    host,
    like,
    ask,
    (context, known) => context.handshakes.connect(request, response, acceptOn(host, context, said, known)),
    (error) => answerError(answer, error),
  )
}

function whenStarted(
  host: UpgradeHost,
  request: IncomingMessage,
  ask: AttachOptions['context'],
  begin: (context: WebSocketContext, known: string) => void,
  fail: (error: AmphisError) => void,
): void {
  const { context, options } = host
  const refuse = (thrown: unknown): void => {
    const error = asError(thrown) as AmphisError
    fail(error)
    tellWebSocketError(options, request, error)
    logAnswered(options.logger, error)
  }
  let known: string | Promise<string>
  try {
    known = contextFor(ask, request)
  } catch (error) {
    refuse(error)
    return
  }
  if (context !== undefined && typeof known === 'string') {
    begin(context, known)
    return
  }
  ready(host, known)
    .then(({ started, text }) => begin(started, text), refuse)
    .catch((error: unknown) => options.logger.error(error))
}

/** What the host knows, and then the app: who is refused starts nothing. */
async function ready(
  host: UpgradeHost,
  known: string | Promise<string>,
): Promise<{ started: WebSocketContext; text: string }> {
  const text = typeof known === 'string' ? known : await known
  return { started: await host.start(), text }
}

/** Reads the head at once, for the host may change the request while Python starts; what is wrong with it waits. */
function headOf({ options }: UpgradeHost, request: IncomingMessage, { prefix, url }: MountPath): RequestHead | Error {
  try {
    return headOfSocket(request, prefix, url, options.pathsend ? 'files' : 'socket', forwardedOf(options, request))
  } catch (error) {
    return error as Error
  }
}

function acceptOn(host: UpgradeHost, context: WebSocketContext, head: RequestHead | Error, known: string): Accepter {
  return (handshake: Handshake) => {
    try {
      const { request } = handshake
      if (servingOf(request.socket) !== undefined && namesTwoHosts(request)) {
        throw new AmphisError('AMPHIS_ERR_INVALID_REQUEST', `The handshake of ${request.url} names more than one host.`)
      }
      if (head instanceof Error) {
        throw head
      }
      const exchange = new WebSocketExchange(context, handshake)
      exchange.begin(withContext(head, known))
      return exchange
    } catch (error) {
      answerError(handshake.refuse(), error as AmphisError)
      tellWebSocketError(host.options, handshake.request, error)
      logAnswered(host.options.logger, error as AmphisError)
      return undefined
    }
  }
}

export function isWebSocket({ headers, httpVersion }: IncomingMessage): boolean {
  // RFC 9110 7.8: HTTP/1.0 has no upgrades.
  return httpVersion !== '1.0' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** `node:http` sets it. */
interface ServerSocket extends Duplex {
  server?: Server
}

/**
 * An upgrade to something else. Where nobody else listens it is ignored, as RFC 9110 7.8 allows: the request is
 * answered as any other (`curl --http2` sends such).
 */
export function leaveUpgrade(request: IncomingMessage, socket: ServerSocket, head: Buffer): void {
  // Of the connection itself: from Node.js 26 on there is another stream before it while a body is still to come.
  const connection = request.socket as ServerSocket & Socket
  const { server } = connection
  if (server === undefined) {
    refuseUpgrade(request, socket, 400)
  } else if (server.listenerCount('upgrade') === 1 && !endIfBusy(connection)) {
    if (!request.complete || request.readableLength > 0) {
      // Such a Node goes on parsing the body, and would take nothing back: the connection ends with the answer.
      server.emit('request', request, responseOn(request, connection))
      return
    }
    // Node has put its parser aside, and with it the body: it gets the request once more, without the wish.
    socket.unshift(Buffer.concat([Buffer.from(withoutUpgrade(request), 'latin1'), head]))
    server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
  }
}

/** The head of a request as it came, but for its `upgrade` headers. */
function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() !== 'upgrade') {
      lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`)
    }
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Ends an upgrade that nobody takes. */
export function refuseUpgrade(request: IncomingMessage, socket: Duplex, status: number): void {
  if (endIfBusy(socket)) {
    return
  }
  const response = responseOn(request, socket as Socket)
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
  response.end(STATUS_CODES[status])
}
