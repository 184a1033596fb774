// From a server of development to the process of the app, over a Unix socket.
import { type IncomingMessage, request as ask, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { AmphisError } from '../base/errors.js'
import { describeBody } from '../http/parsed-body.js'
import { incomingBody, type IncomingBody } from '../http/request-body.js'
import { mergeHeaders } from '../http/response-writer.js'
import { hopByHop } from '../wire/hop-by-hop.js'
import { isGone } from '../wire/http2-response.js'
import { CONTEXT_FIELD } from './context.js'
import type { DevOptions } from './messages.js'

/** A request as it was when it came. */
type Incoming = IncomingMessage & { originalUrl?: string | undefined }

/** What the connection in front says of itself, in the place of what a client may have said. */
function forwarded({ socket }: Incoming): [string, string][] {
  const { remoteAddress } = socket
  return [
    ...(remoteAddress === undefined ? [] : ([['x-forwarded-for', remoteAddress]] satisfies [string, string][])),
    ['x-forwarded-proto', 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http'],
  ]
}

const OWN = new Set(['x-forwarded-for', 'x-forwarded-proto', CONTEXT_FIELD])

function fieldsOf(
  request: Incoming,
  known: string,
  isLeftOut: (name: string) => boolean,
  rawHeaders: readonly string[] = request.rawHeaders,
): [string, string][] {
  const fields: [string, string][] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase()
    const value = rawHeaders[at + 1]!
    if (name === ':authority') fields.push(['host', value])
    else if (!name.startsWith(':') && !OWN.has(name) && !isLeftOut(name)) fields.push([name, value])
  }
  return [...fields, ...forwarded(request), ...(known === '' ? [] : [[CONTEXT_FIELD, known] as [string, string]])]
}

/** How a request is passed on. */
export interface Passing extends Pick<DevOptions, 'reuseParsedBody' | 'fallthrough'> {
  /** What the host knows of it, as text. */
  readonly known: string
}

/**
 * Passes a request on, and its answer back.
 *
 * @param next told what keeps it from being answered; nothing where the app does not have it, and falls through
 */
export function passOn(
  socketPath: string,
  request: Incoming,
  response: ServerResponse,
  { known, reuseParsedBody = false, fallthrough = false }: Passing,
  next: (error?: Error) => void,
): void {
  // The client has left while the app was starting.
  if (isGone(response)) return
  let body: IncomingBody
  try {
    // How large it may be is for the handler to say.
    body = incomingBody(request, { maxBodySize: Infinity, reuseParsedBody })
  } catch (error) {
    next(error as AmphisError)
    return
  }
  const { rawHeaders } = request
  const described = body.bytes === undefined ? rawHeaders : describeBody(request, rawHeaders, body)
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of fieldsOf(request, known, hopByHop(request.headers.connection ?? null), described)) {
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  // Node.js itself frames the bodies of some methods only.
  if (body.kind === 'stream' && request.headers['transfer-encoding'] !== undefined)
    headers['transfer-encoding'] = 'chunked'
  const path = request.originalUrl ?? request.url
  const outgoing = ask({ socketPath, path, method: request.method, headers, setHost: false })
  const hasBody = body.kind === 'stream' || body.bytes !== undefined
  const mayFall = fallthrough && !hasBody && (request.method === 'GET' || request.method === 'HEAD')
  outgoing.once('response', (answer) => {
    if (mayFall && answer.statusCode === 404) {
      // The app may go on with it, and hears that nobody listens.
      answer.once('error', () => {})
      outgoing.destroy()
      next()
      return
    }
    const isLeftOut = hopByHop(answer.headers.connection ?? null)
    const { rawHeaders: fields } = answer
    mergeHeaders(
      response,
      fields.filter((_, at) => !isLeftOut(fields[at - (at % 2)]!.toLowerCase())),
    )
    response.statusCode = answer.statusCode ?? 500
    // Events are awaited by who hears of the response first.
    response.flushHeaders()
    answer.pipe(response)
    answer.once('error', () => response.destroy())
  })
  outgoing.once('error', (error) => {
    if (response.headersSent) response.destroy()
    // A client that has left ends this request too, and nothing has gone wrong.
    else if (!isGone(response)) next(error)
  })
  response.once('close', () => outgoing.destroy())
  if (body.bytes === undefined) request.pipe(outgoing)
  else outgoing.end(body.bytes)
}

/** Passes a handshake on, and all that follows. */
export function passUpgradeOn(
  socketPath: string,
  request: Incoming,
  socket: Duplex,
  head: Buffer,
  known: string,
): void {
  const onward = connect(socketPath)
  const lines = fieldsOf(request, known, () => false).map(([name, value]) => `${name}: ${value}\r\n`)
  onward.write(`${request.method} ${request.originalUrl ?? request.url} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  onward.write(head)
  socket.pipe(onward).pipe(socket)
  // One does not outlive the other.
  for (const [one, other] of [
    [socket, onward],
    [onward, socket],
  ] as const) {
    one.once('error', () => other.destroy())
    one.once('close', () => other.destroy())
  }
}
