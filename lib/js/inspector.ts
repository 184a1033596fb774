// Where debuggers come to: an HTTP server that lists runtimes, and a WebSocket for each, as those of `node --inspect`.
//
// A server is shared by the runtimes that name its host and port, and is there while one of them is. All that belongs to
// debuggers lives here, on Node's own thread: a message goes on to the runtime as it comes, and the other way round.
// Nothing of it keeps the process alive.
//
// Whoever attaches can do all that the runtime can. So the path of the WebSocket has a token that cannot be guessed, pages
// of the web are turned away by their `Origin`, and names that lead here from elsewhere by `Host`.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP, isIPv6, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'

/** What the addon has for debuggers, of which each runtime has a number. */
export interface NativeInspectors {
  inspectorOpened: (runtime: number, host: string, token: string) => void
  inspectorRefused: (runtime: number, why: string) => void
  attachInspector: (runtime: number) => void
  dispatchInspector: (runtime: number, message: string) => void
  detachInspector: (runtime: number) => void
}

interface Target {
  readonly runtime: number
  readonly token: string
  readonly title: string
  readonly url: string
  readonly server: InspectorServer
  debugger?: WebSocket
}

const ORIGINS = /^(?:devtools|vscode-file|vscode-webview):\/\//
const PATH = '/ws/'
const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008
/** As much as a pasted script, or a file that is edited while it runs, may take. */
const MAX_MESSAGE = 64 * 1024 * 1024

const addressOf = (host: string, port: number): string => `${isIPv6(host) ? `[${host}]` : host}:${port}`

/**
 * Why nobody is let in by a request.
 *
 * @returns a status and its reason, or undefined
 */
export function refusalOf({ host, origin }: IncomingMessage['headers']): [number, string] | undefined {
  const name = /^(?:\[(?<v6>[\d:a-f.]+)\]|(?<name>[^:]+))(?::\d+)?$/i.exec(host ?? '')?.groups
  const address = name?.['v6'] ?? name?.['name'] ?? ''
  // A page whose own name leads to this address has that name here, and could read whatever it asks for.
  if (isIP(address) === 0 && address.toLowerCase() !== 'localhost') {
    return [400, 'The Host must be an IP address or localhost']
  }
  return origin === undefined || ORIGINS.test(origin) ? undefined : [403, 'This Origin may not debug']
}

/** One port, and the runtimes that are found by it. */
class InspectorServer {
  readonly #http: Server
  readonly #sockets: WebSocketServer
  readonly #native: NativeInspectors
  readonly #targets = new Map<string, Target>()
  readonly listening: Promise<void>

  constructor(native: NativeInspectors, host: string, port: number) {
    this.#native = native
    this.#sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_MESSAGE })
    this.#http = createServer((request, response) => this.#answer(request, response))
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#http.on('connection', (socket: Socket) => socket.unref())
    // Once it listens nothing of it is worth an end of the process.
    this.#http.on('error', () => undefined)
    this.listening = new Promise((resolve, reject) => {
      this.#http.once('error', reject)
      this.#http.listen({ host, port, exclusive: true }, () => resolve())
    })
    this.#http.unref()
  }

  get address(): string {
    const { address, port } = this.#http.address() as AddressInfo
    return addressOf(address, port)
  }

  add(target: Target): void {
    this.#targets.set(target.token, target)
  }

  /** Whether nobody is left. */
  remove(target: Target): boolean {
    this.#targets.delete(target.token)
    if (target.debugger !== undefined) say(target.debugger, GOING_AWAY, 'The runtime has ended')
    if (this.#targets.size > 0) return false
    this.#http.close()
    return true
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const refusal = refusalOf(request.headers)
    const [path = ''] = (request.url ?? '').split('?')
    if (refusal !== undefined) return answer(response, ...refusal)
    if (request.method !== 'GET') return answer(response, 405, 'Only GET is allowed')
    if (path === '/json/version') {
      const browser = `node.js/${process.version}`
      return answerJson(response, { Browser: browser, 'Protocol-Version': '1.3', 'V8-Version': process.versions.v8 })
    }
    if (path !== '/json' && path !== '/json/list') return answer(response, 404, 'Not found')
    const host = request.headers.host ?? this.address
    answerJson(
      response,
      [...this.#targets.values()].map(({ token, title, url }) => ({
        description: 'amphis.js',
        devtoolsFrontendUrl: `devtools://devtools/bundled/js_app.html?ws=${host}${PATH}${token}&experiments=true&v8only=true`,
        faviconUrl: '',
        id: token,
        title,
        type: 'node',
        url,
        webSocketDebuggerUrl: `ws://${host}${PATH}${token}`,
      })),
    )
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    const path = request.url ?? ''
    const target = path.startsWith(PATH) ? this.#targets.get(path.slice(PATH.length)) : undefined
    const refusal = refusalOf(request.headers) ?? (target === undefined ? [404, 'There is no such runtime'] : undefined)
    if (refusal !== undefined || target === undefined) {
      const [status, why] = refusal ?? [404, '']
      const fields = `Connection: close\r\nContent-Type: text/plain\r\nContent-Length: ${why.length}`
      socket.end(`HTTP/1.1 ${status} Refused\r\n${fields}\r\n\r\n${why}`)
      return
    }
    this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#attach(target, opened))
  }

  #attach(target: Target, socket: WebSocket): void {
    // What is wrong with it closes it.
    socket.on('error', () => undefined)
    if (target.debugger !== undefined || !this.#targets.has(target.token)) {
      say(socket, POLICY_VIOLATION, 'Another debugger is attached to this runtime')
      return
    }
    const { runtime } = target
    target.debugger = socket
    this.#native.attachInspector(runtime)
    socket.on('message', (data) => this.#native.dispatchInspector(runtime, (data as Buffer).toString()))
    socket.on('close', () => {
      delete target.debugger
      this.#native.detachInspector(runtime)
    })
  }
}

/** Closes a session, whose other side has a second to agree. */
function say(socket: WebSocket, code: number, why: string): void {
  socket.close(code, why)
  setTimeout(() => socket.terminate(), 1000).unref()
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' }).end(text)
}

function answerJson(response: ServerResponse, value: unknown): void {
  const type = 'application/json; charset=utf-8'
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }).end(JSON.stringify(value))
}

/** The servers and runtimes of this environment. */
export class Inspectors {
  readonly #native: NativeInspectors
  readonly #targets = new Map<number, Target>()
  /** Those of a port that was named; the others are one runtime's. */
  readonly #servers = new Map<string, InspectorServer>()

  constructor(native: NativeInspectors) {
    this.#native = native
  }

  /** What the addon tells of a runtime. */
  tell(runtime: number, [event = '', ...texts]: readonly string[]): void {
    if (event === 'open') void this.#open(runtime, texts)
    else if (event === 'message') this.#targets.get(runtime)?.debugger?.send(texts[0] ?? '')
    else this.#close(runtime)
  }

  async #open(runtime: number, [host = '', port = '', title = '', url = '']: readonly string[]): Promise<void> {
    const name = addressOf(host, Number(port))
    const known = this.#servers.get(name)
    const server = known ?? new InspectorServer(this.#native, host, Number(port))
    if (Number(port) !== 0) this.#servers.set(name, server)
    const target: Target = { runtime, token: randomUUID(), title, url, server }
    this.#targets.set(runtime, target)
    server.add(target)
    try {
      await server.listening
      this.#native.inspectorOpened(runtime, server.address, target.token)
    } catch (error) {
      this.#close(runtime)
      this.#native.inspectorRefused(runtime, (error as Error).message)
    }
  }

  #close(runtime: number): void {
    const target = this.#targets.get(runtime)
    if (target === undefined || !this.#targets.delete(runtime)) return
    if (!target.server.remove(target)) return
    for (const [name, server] of this.#servers) if (server === target.server) this.#servers.delete(name)
  }
}
