// What a trusted proxy says of its client.
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { ResolvedOptions } from '../base/options.js'
import type { TrustedPeers } from '../base/trusted-peers.js'
import { servingOf } from './served-socket.js'

/** What a proxy says of its client, in place of what the socket says. */
export interface Forwarded {
  scheme?: string
  client?: readonly [host: string, port: number]
}

/** What is asked of a request, of HTTP as well as of a WebSocket's handshake. */
export interface ForwardedRequest {
  readonly socket: Socket
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
}

/** What Express adds to it. */
interface ExpressRequest {
  readonly app?: { enabled?(setting: string): boolean } | undefined
  readonly ip?: unknown
  readonly protocol?: unknown
}

const PROTO = 'x-forwarded-proto'

/** A WebSocket's scheme is made from these by whoever makes its scope. */
const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['http', 'http'],
  ['https', 'https'],
  ['ws', 'http'],
  ['wss', 'https'],
])

/** `undefined` when the headers of this peer are not to be believed, or say nothing. */
export function forwardedOf(
  { proxyHeaders, forwardedAllowIps }: Pick<ResolvedOptions, 'proxyHeaders' | 'forwardedAllowIps'>,
  request: ForwardedRequest & ExpressRequest,
): Forwarded | undefined {
  if (proxyHeaders === false) {
    return undefined
  }
  if (request.app?.enabled?.('trust proxy') === true) {
    return wordOfExpress(request)
  }
  const { socket, headers, rawHeaders } = request
  const { [PROTO]: proto, 'x-forwarded-for': chain } = headers
  // Most requests have neither, and asking for those costs least.
  if (proto === undefined && chain === undefined) {
    return undefined
  }
  const isOn = proxyHeaders ?? servingOf(socket) !== undefined
  if (!isOn || !forwardedAllowIps.has(socket.remoteAddress)) {
    return undefined
  }
  const scheme = typeof proto === 'string' ? SCHEMES.get(lastOf(proto, rawHeaders)) : undefined
  const client = typeof chain === 'string' ? clientOf(chain, forwardedAllowIps) : undefined
  return { ...(scheme !== undefined && { scheme }), ...(client !== undefined && { client }) }
}

/** What Express has found by its own `trust proxy`, so that both see one client; ours is not asked then. */
function wordOfExpress({ ip, protocol, socket }: ForwardedRequest & ExpressRequest): Forwarded {
  const scheme = SCHEMES.get(String(protocol))
  const isForwarded = typeof ip === 'string' && ip !== '' && ip !== socket.remoteAddress
  return { ...(scheme !== undefined && { scheme }), ...(isForwarded && { client: [ip, 0] as const }) }
}

/** Of several headers the last is the nearest proxy's; Node has joined them, unless the host has put another there. */
function lastOf(joined: string, rawHeaders: readonly string[]): string {
  if (joined.includes(',')) {
    const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === PROTO)
    if (values.length > 0 && values.join(', ') === joined) {
      return values.at(-1)!.trim()
    }
  }
  return joined.trim()
}

/**
 * Each proxy appends the address it was called from, so the chain is read from its end: the first hop that is no
 * trusted proxy is the client, and all before it is only what that client claims.
 */
function clientOf(chain: string, trusted: TrustedPeers): readonly [host: string, port: number] | undefined {
  const hops = chain.split(',')
  let at = hops.length - 1
  let address = addressOf(hops[at]!)
  if (trusted.trustsAnybody) {
    address = addressOf(hops[0]!)
  } else {
    while (at > 0 && trusted.has(address[0])) {
      at -= 1
      address = addressOf(hops[at]!)
    }
  }
  return address[0] === '' ? undefined : address
}

const BRACKETED = /^\[([^\]]*)\](?::(.*))?$/

/**
 * Host and port of a hop; the port is 0 where none was written. What has another form is left as it is, so that it
 * is never taken for an address that is trusted.
 */
function addressOf(hop: string): readonly [host: string, port: number] {
  const text = hop.trim()
  if (text.startsWith('[')) {
    const [, bracketed = text, port] = BRACKETED.exec(text) ?? []
    return [bracketed, portOf(port) ?? 0]
  }
  const colon = text.indexOf(':')
  if (colon === -1 || colon !== text.lastIndexOf(':')) {
    return [text, 0]
  }
  const port = portOf(text.slice(colon + 1))
  return port === undefined ? [text, 0] : [text.slice(0, colon), port]
}

function portOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= 0xff_ff ? Number(text) : undefined
}
