// Which kind an event is of.
import { httpApi } from './http-api.js'
import { lattice } from './lattice.js'
import { loadBalancer } from './load-balancer.js'
import type { EventKind } from './request.js'
import { rest } from './rest.js'
import { webSocket } from './websocket.js'

/** Those of HTTP; the ones that say more of themselves first. */
const KINDS = [httpApi, loadBalancer, webSocket, rest, lattice] as readonly EventKind[]

/** The kind of an event of HTTP or of a WebSocket; `undefined` for any other. */
export function kindOf(event: unknown): EventKind | undefined {
  return typeof event === 'object' && event !== null ? KINDS.find((kind) => kind.is(event)) : undefined
}

/** What was looked for in an event that is of none of them. */
export function tried(): string {
  return KINDS.map(({ name, knownBy }) => `${name} (${knownBy})`).join(', ')
}
