import { createServer, type RequestListener, type Server } from 'node:http'
import {
  createSecureServer as createHttp2SecureServer,
  createServer as createHttp2Server,
  type Http2SecureServer,
  type Http2Server,
  type SecureServerOptions,
  type ServerOptions as Http2ServerOptions,
} from 'node:http2'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { ExecutionContext } from 'ava'
import { createCertificate } from './certificate.js'
import { listen, type Listening, listenOnSocket } from './listen.js'

export type RunningServer = Listening<Server>

/** Serves on a free port of 127.0.0.1 until the test ends. */
export async function serve(t: ExecutionContext, listener: RequestListener): Promise<RunningServer> {
  return listen(t, createServer(listener))
}

export interface Certified {
  /** The server's, which is its own authority. */
  certificate: string
}

/** The same over TLS, with a certificate made for it. */
export async function serveSecurely(
  t: ExecutionContext,
  listener: RequestListener,
  options: ServerOptions = {},
): Promise<RunningServer & Certified> {
  const { certificate, key } = createCertificate()
  const running = await listen(t, createSecureServer({ cert: certificate, key, ...options }, listener))
  return { ...running, certificate }
}

/** HTTP/2 over TLS, and HTTP/1.1 on the same port. */
export async function serveHttp2(
  t: ExecutionContext,
  listener: RequestListener,
  options: SecureServerOptions = {},
): Promise<Listening<Http2SecureServer> & Certified> {
  const { certificate, key } = createCertificate()
  const server = createHttp2SecureServer({ cert: certificate, key, allowHTTP1: true, ...options }, listener as never)
  return { ...(await listen(t, server)), certificate }
}

/** HTTP/2 alone, without TLS. */
export async function serveH2c(
  t: ExecutionContext,
  listener: RequestListener,
  options: Http2ServerOptions = {},
): Promise<Listening<Http2Server>> {
  return listen(t, createHttp2Server(options, listener as never))
}

/** HTTP/1.1 on a Unix socket. */
export async function serveOnSocket(t: ExecutionContext, listener: RequestListener): Promise<{ path: string }> {
  return listenOnSocket(t, createServer(listener))
}
