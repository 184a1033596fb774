// Marks the connections of our own servers, whose responses get `server` and `date` and whose proxies are believed.
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { DefaultHeaders } from './default-headers.js'

/** What a server that amphis made does with the requests of its connections. */
export interface Serving {
  /** Headers of every response, `server` among them. */
  readonly headers: DefaultHeaders
  /** Lets Node give the date where the app gives none. */
  readonly dateHeader: boolean
}

const SERVING: unique symbol = Symbol('amphis.serving')

interface ServedSocket extends Duplex {
  [SERVING]?: Serving
}

/** Tells that a connection belongs to a server of ours. */
export function serveSocket(socket: ServedSocket, serving: Serving): void {
  socket[SERVING] = serving
}

/** What its server does with a connection's requests; `undefined` for one of the host's own servers. */
export function servingOf(socket: ServedSocket): Serving | undefined {
  return socket[SERVING]
}

/**
 * The headers that the server of a response adds to it; none where the server is the host's. Leaves the date out where
 * the server wants that.
 */
export function defaultsOf(response: ServerResponse): DefaultHeaders | undefined {
  const serving = servingOf(response.req.socket)
  if (serving?.dateHeader === false) {
    response.sendDate = false
  }
  return serving?.headers
}
