// What users say of the servers whose WebSockets they hand over. Apart from the rest, whose types lead to those of ws.
import type { IncomingMessage, Server } from 'node:http'
import type { Http2SecureServer, Http2Server } from 'node:http2'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'

/** A server of Node's whose WebSockets can be taken. */
export type UpgradableServer = Server | HttpsServer | Http2Server | Http2SecureServer

export interface AttachOptions {
  /**
   * The prefix under which the app is mounted, such as '/api': its WebSockets are those below it, and the prefix is
   * their `root_path`; that of a handler with the option `rootPath` is what the option says. Empty for all.
   * @default ''
   */
  path?: string | undefined
}

/** A server's 'upgrade' listener. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void
