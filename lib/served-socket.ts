import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** What the `server` header says. */
export const SERVER_NAME = 'amphis'

/** What a server that amphis made does with the requests of its connections. */
export interface Serving {
  /** Says `server: amphis` where the app names no server. */
  readonly serverHeader: boolean
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

/** Leaves the date out of a response where its server wants that; true where the server also wants to be named. */
export function introduces(response: ServerResponse): boolean {
  const serving = servingOf(response.req.socket)
  if (serving?.dateHeader === false) {
    response.sendDate = false
  }
  return serving?.serverHeader === true
}
