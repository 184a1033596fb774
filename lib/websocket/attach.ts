// `python.attach`: the handlers of one server, by path.
import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import { wrongArgument, type AmphisError } from '../base/errors.js'
import { unknownOption } from '../base/nearest.js'
import { checkContextFunction } from '../base/request-context.js'
import { kindOf } from '../base/shown.js'
import type { MountPath } from '../wire/mount-path.js'
import type { UpgradeHost } from './context.js'
import type { AttachOptions, UpgradableServer } from './servers.js'
import { connect, hearErrors, isWebSocket, leaveUpgrade, refuseUpgrade, upgrade } from './upgrade.js'

interface Route {
  readonly path: string
  readonly host: UpgradeHost
  readonly context: AttachOptions['context']
}

const PATH = /^(?:\/[^/?#\s]+)*\/?$/

const OPTIONS = ['path', 'context']

// One for a server, also where this package is there as ES modules and as CommonJS.
const shared = globalThis as Record<symbol, WeakMap<UpgradableServer, Router> | undefined>
const ROUTERS = (shared[Symbol.for('amphis.routers')] ??= new WeakMap<UpgradableServer, Router>())

/**
 * Takes the WebSockets of a server below a path. What is below no handler's path is left to other listeners, and
 * refused only where there are none.
 *
 * @returns what takes the handler off again
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function attach(host: UpgradeHost, server: UpgradableServer, options: AttachOptions = {}): () => void {
  if (!isServer(server)) {
    throw invalid(`attach needs a server of node:http, node:https or node:http2: ${insteadOf(server)}`)
  }
  const path = pathOf(options)
  const { context = host.options.context } = options
  let router = ROUTERS.get(server)
  if (router === undefined) {
    router = new Router(server)
    ROUTERS.set(server, router)
  }
  return router.add({ path, host, context })
}

/** Whether this is a server of Node's that can have WebSockets, also of another realm. One of TCP has no time limit. */
function isServer(value: unknown): value is UpgradableServer {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['on', 'off', 'address', 'listenerCount', 'setTimeout'].every(
      (name) => typeof (value as Record<string, unknown>)[name] === 'function',
    )
  )
}

/** What to write in the place of something that is no server. */
function insteadOf(value: unknown): string {
  const use = "python.attach(server, { path: '/api' })"
  const has = (name: string): boolean =>
    (typeof value === 'object' || typeof value === 'function') && value !== null && name in value
  if (has('getHttpServer')) {
    return `python.attach(app.getHttpServer(), { path: '/api' }), not the application itself.`
  }
  if (has('addresses') && has('server')) {
    return `python.attach(fastify.server, { path: '/api' }), not the instance of Fastify itself.`
  }
  if (has('listen') && has('use')) {
    return `not the app, but what it gives for listening: const server = app.listen(3000), then ${use}.`
  }
  return `${use}, but this is ${kindOf(value)}.`
}

function pathOf(options: unknown): string {
  if (typeof options !== 'object' || options === null || isList(options) || isServer(options)) {
    const given: unknown = isList(options) ? options[0] : options
    throw invalid(
      `The second argument of attach is an object of options, but it is ${kindOf(options)}. ` +
        `Write attach(server, { path: '${typeof given === 'string' ? given : '/api'}' }).`,
    )
  }
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw invalid(unknownOption(name, OPTIONS, ' of attach'))
    }
  }
  const { path = '', context } = options as AttachOptions
  checkContextFunction(' of attach', context)
  if (typeof path !== 'string' || !PATH.test(path)) {
    throw invalid(
      `Option path must be a path such as '/api', without query and empty parts, but it is '${String(path)}'.`,
    )
  }
  return path.endsWith('/') ? path.slice(0, -1) : path
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value)
}

function invalid(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}

/** The handlers that are attached to one server. */
class Router {
  readonly #server: UpgradableServer
  /** Longest path first. */
  #routes: Route[] = []

  constructor(server: UpgradableServer) {
    this.#server = server
  }

  add(route: Route): () => void {
    if (this.#routes.length === 0) {
      this.#listen()
    }
    this.#routes = [...this.#routes, route].toSorted((a, b) => b.path.length - a.path.length)
    return () => {
      this.#routes = this.#routes.filter((other) => other !== route)
      if (this.#routes.length === 0) {
        this.#server.off('upgrade', this.#onUpgrade)
        this.#server.off('connect', this.#onConnect)
      }
    }
  }

  #listen(): void {
    this.#server.on('upgrade', this.#onUpgrade)
    if ('updateSettings' in this.#server) {
      // Only servers of HTTP/2 have settings: there a WebSocket comes as an extended CONNECT (RFC 8441).
      this.#server.on('connect', this.#onConnect)
    }
  }

  #find(target: string): { route: Route; mount: MountPath } | undefined {
    // A target may be a whole URL (RFC 9112 3.2.2).
    const url = target.replace(/^[^/?]*:\/\/[^/?]*/, '')
    const query = url.indexOf('?')
    const path = query === -1 ? url : url.slice(0, query)
    const route = this.#routes.find(
      ({ path: prefix }) => prefix === '' || path === prefix || path.startsWith(`${prefix}/`),
    )
    if (route === undefined) {
      return undefined
    }
    // With rootPath the host leaves the URL whole: the path only chooses whose WebSocket it is.
    const prefix = route.host.options.rootPath === '' ? route.path : ''
    const rest = url.slice(prefix.length)
    return { route, mount: { prefix, url: rest.startsWith('/') ? rest : `/${rest}` } }
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Also of a WebSocket that is left to others: perhaps nobody takes it.
    hearErrors(socket)
    if (!isWebSocket(request)) {
      leaveUpgrade(request, socket, head)
      return
    }
    const found = this.#find(request.url ?? '/')
    if (found !== undefined) {
      upgrade(found.route.host, request, socket, head, found.mount, found.route.context)
    } else if (this.#server.listenerCount('upgrade') === 1) {
      refuseUpgrade(request, socket, 404)
    }
  }

  readonly #onConnect = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    const isOurs = request.httpVersionMajor === 2 && request.headers[':protocol'] === 'websocket'
    const found = isOurs ? this.#find(request.url) : undefined
    if (found !== undefined) {
      connect(found.route.host, request, response, found.mount, found.route.context)
    } else if (this.#server.listenerCount('connect') === 1) {
      if (request.httpVersionMajor === 2) {
        // As Node does where nobody listens.
        response.writeHead(isOurs ? 404 : 405)
        response.end()
      } else {
        request.socket.destroy()
      }
    }
  }
}
