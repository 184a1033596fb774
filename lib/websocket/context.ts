// What WebSockets need of the handler beyond what requests need.
import type { AmphisError } from '../base/errors.js'
import type { ExchangeContext, ExchangeHost } from '../bridge/context.js'
import type { Handshakes } from './handshake.js'

/** A WebSocket that is open, or being opened, to those who would end it. */
export interface LiveWebSocket {
  /** The handler is closed, as `error` says: the app is told at once, the client gets a little time to answer. */
  goAway(error: AmphisError): void
}

/** What a WebSocket needs of the handler that it belongs to. */
export interface WebSocketContext extends ExchangeContext {
  readonly handshakes: Handshakes
  readonly webSockets: Set<LiveWebSocket>
}

/** The handler as upgrades see it. */
export type UpgradeHost = ExchangeHost<WebSocketContext>
