// What users say of the servers whose WebSockets they hand over. Apart from the rest, whose types lead to those of ws.
import type { IncomingMessage, Server } from 'node:http'
import type { Http2SecureServer, Http2Server } from 'node:http2'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { ContextFunction } from '../base/request-context.js'

/** A server of Node's whose WebSockets can be taken. */
export type UpgradableServer = Server | HttpsServer | Http2Server | Http2SecureServer

export interface AttachOptions<Context extends object = object> {
  /**
   * The prefix under which the app is mounted, such as '/api': its WebSockets are those below it, and the prefix is
   * their `root_path`; that of a handler with the option `rootPath` is what the option says. Empty for all.
   * @default ''
   */
  path?: string | undefined
  /**
   * What the host knows of a WebSocket, asked with its upgrade request. What it throws refuses the handshake, with the
   * `status` of the error or a 500.
   * @default the option `context` of the handler
   */
  context?: ContextFunction<IncomingMessage, Context> | undefined
}

/** A server's 'upgrade' listener. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void
