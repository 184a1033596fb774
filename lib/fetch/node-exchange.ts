// What is behind a `Request` of `@hono/node-server`: the request and the response of `node:http` that it stands for.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HandleRequest } from '../base/types.js'
import { isUnread } from '../http/request-body.js'
import { headersOf } from '../wire/host-headers.js'
import { hopByHop } from '../wire/hop-by-hop.js'
import { headOfSocket, type RequestHead } from '../wire/request-head.js'

/** Under this key adapters hand over Node's own beside a `Request`. */
export const NODE: unique symbol = Symbol.for('amphis.node')

/** What `@hono/node-server` binds; another server binds something else. */
export interface NodeBindings {
  readonly incoming?: IncomingMessage | undefined
  readonly outgoing?: ServerResponse | undefined
}

/** Options with what adapters add. */
export interface NodeOptions {
  readonly [NODE]?: NodeBindings | undefined
}

/** A request of Node's whose body nobody has touched, and its response. */
export interface NodeExchange {
  readonly incoming: IncomingMessage
  /** What is sent with it, where nobody has asked for its headers: whoever has, may have changed them. */
  readonly outgoing: ServerResponse | undefined
}

/**
 * What a `Request` stands for; `undefined` where its body may be another's by now, or where it is no `Request` of
 * `@hono/node-server`: that one makes the parts of a `Request` when they are asked for.
 */
export function exchangeBehind(request: Request, node: NodeBindings | undefined): NodeExchange | undefined {
  const { incoming, outgoing } = node ?? {}
  if (incoming === undefined || !isUnread(incoming) || request.bodyUsed) {
    return undefined
  }
  let isItself = false
  let isHeadUntouched = outgoing !== undefined && incoming.httpVersionMajor < 2
  for (const key of Object.getOwnPropertySymbols(request)) {
    const value = (request as unknown as Record<symbol, unknown>)[key]
    if (value === incoming) {
      isItself = true
    } else if (typeof value === 'object') {
      if (value instanceof Request) {
        // Somebody has asked for more than the head: it is made, and may read.
        return undefined
      }
      isHeadUntouched &&= !(value instanceof Headers)
    }
  }
  return isItself ? { incoming, outgoing: isHeadUntouched ? outgoing : undefined } : undefined
}

/** Client, server and scheme of a connection. */
export function connectionOf(node: NodeBindings | undefined): Pick<HandleRequest, 'client' | 'scheme' | 'server'> {
  const socket = node?.incoming?.socket
  if (socket === undefined) {
    return {}
  }
  const { remoteAddress, remotePort = 0, localAddress, localPort = 0 } = socket
  return {
    client: remoteAddress === undefined ? null : [remoteAddress, remotePort],
    server: localAddress === undefined ? null : [localAddress, localPort],
    scheme: (socket as { encrypted?: boolean }).encrypted === true ? 'https' : 'http',
  }
}

/**
 * The head of a request of Node's, for what answers with a `Response`.
 *
 * @param host for a request that names none
 * @param length that of the body where it is known
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST`
 */
export function headOfExchange(
  incoming: IncomingMessage,
  { prefix, url, host }: { readonly prefix: string; readonly url: string; readonly host: string },
  length: number | string | undefined,
): RequestHead {
  const isHopByHop = hopByHop(incoming.headers.connection ?? null)
  const fields: string[] = incoming.headers.host === undefined ? ['host', host] : []
  const all = headersOf(incoming)
  for (let at = 0; at < all.length; at += 2) {
    const name = all[at]!.toLowerCase()
    if (name !== 'content-length' && !isHopByHop(name)) {
      fields.push(name, all[at + 1]!)
    }
  }
  if (length !== undefined) {
    fields.push('content-length', String(length))
  }
  return headOfSocket(incoming, prefix, url, 'nothing', undefined, fields)
}
