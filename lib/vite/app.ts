// A Python app in Vite's servers: of development, where it is a process of its own, and of preview.
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { relative, resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { type AmphisError, PythonError, wrongArgument } from '../base/errors.js'
import { unknownOption } from '../base/nearest.js'
import { asError, contextFor } from '../base/request-context.js'
import { DevApp } from '../dev/dev-app.js'
import type { DevOptions } from '../dev/messages.js'
import { passOn, passUpgradeOn } from '../dev/proxy.js'
import { PythonHandler } from '../python-handler.js'
import type { UpgradableServer } from '../websocket/servers.js'
import { hearErrors } from '../websocket/upgrade.js'
import { answerTo } from '../wire/error-answer.js'

type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => unknown

/** What this needs of a server of Vite's, whose own types a user may have in another version. */
export interface PreviewServer {
  readonly middlewares: { use(path: string, middleware: never): unknown }
  /** None where Vite is a middleware itself. */
  readonly httpServer: object | null
}

/** The server of development. */
export interface ViteServer extends PreviewServer {
  readonly ws: { send(payload: never): void }
  readonly config: {
    readonly logger: { info(text: string, options?: object): void; warn(text: string): void; error(text: string): void }
  }
}

/** An app that is served. */
export interface MountedApp {
  close(): Promise<void>
}

const OPTIONS = ['app', 'path', 'modules']
const LEFT_OUT = new Set(['logger', 'signal'])

/** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS` */
export function checkOptions(options: object): void {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw wrong(unknownOption(name, OPTIONS, ' of amphis/vite'))
  }
  const { path, app } = options as { path?: unknown; app?: unknown }
  if (path !== undefined && (typeof path !== 'string' || !/^(?:\/[^*:?#/]+)+\/?$/.test(path))) {
    throw wrong(`path of amphis/vite must be a path such as '/api', but it is ${JSON.stringify(path)}.`)
  }
  if (app === undefined) return
  const stranger = Object.keys(Object(app)).find((name) => LEFT_OUT.has(name))
  if (typeof app === 'object' && stranger !== undefined) {
    throw wrong(`${stranger} is no option of amphis/vite: the app has a process of its own in development.`)
  }
  // Nothing starts by this; what is wrong with the options is said now.
  void new PythonHandler(app as DevOptions)
}

/** The app, for either server. */
export function appOf(app: string | DevOptions, path: string, root: string) {
  const given = typeof app === 'string' ? { app } : app
  const options = { ...given, appDir: resolve(root, given.appDir ?? '') }
  const prefix = path.replace(/\/+$/, '')
  return {
    develop: (server: ViteServer) => develop(server, options, prefix),
    preview: (server: PreviewServer) => preview(server, options, prefix),
  }
}

function develop(server: ViteServer, options: DevOptions & { appDir: string }, prefix: string): MountedApp {
  const { logger } = server.config
  const send = (payload: object): void => server.ws.send(payload as never)
  const show = (error: Error): void => send({ type: 'error', err: overlay(error, options.appDir) })
  const app = new DevApp({
    options,
    prefix,
    onReloaded(changed) {
      logger.info(
        `amphis: ${changed.map((file) => relative(options.appDir, file)).join(', ')} changed, app restarted`,
        {
          timestamp: true,
        },
      )
      send({ type: 'full-reload', path: '*' })
    },
    onError(error) {
      const traceback = error instanceof PythonError ? `\n\n${error.traceback}` : ''
      logger.error(`amphis: ${error.message}${traceback}`)
      show(error)
    },
    onRaised: show,
    onWarning: (message) => logger.warn(`amphis: ${message}`),
  })
  const serve = async (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
    try {
      const known = await contextFor(options.context, request)
      passOn(await app.socket(), request, response, { ...options, known }, next)
    } catch (error) {
      next(asError(error))
    }
  }
  const middleware: Middleware = (request, response, next) => void serve(request, response, next)
  server.middlewares.use(prefix, middleware as never)
  const isBelow = new RegExp(String.raw`^${prefix.replaceAll(/[.+^$|\\{}()[\]-]/g, String.raw`\$&`)}(?:[/?]|$)`)
  const passHandshake = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const refuse = (status: number): unknown =>
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    let known: string
    try {
      known = await contextFor(options.context, request)
    } catch (error) {
      refuse(answerTo(asError(error) as AmphisError).status)
      return
    }
    await app.socket().then(
      (path) => passUpgradeOn(path, request, socket, head, known),
      () => refuse(503),
    )
  }
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (!isBelow.test(request.url ?? '')) return
    hearErrors(socket)
    void passHandshake(request, socket, head)
  }
  const http = server.httpServer as UpgradableServer | null
  http?.on('upgrade', onUpgrade)
  return {
    async close() {
      http?.off('upgrade', onUpgrade)
      await app.close()
    },
  }
}

function preview(server: PreviewServer, options: DevOptions, prefix: string): MountedApp {
  const python = new PythonHandler(options)
  const middleware: Middleware = (request, response, next) => {
    ;(request as { baseUrl?: string }).baseUrl = prefix
    python.middleware(request, response, next)
  }
  server.middlewares.use(prefix, middleware as never)
  const http = server.httpServer as UpgradableServer | null
  if (http !== null) {
    python.attach(http, { path: prefix })
    http.once('close', () => void python.close().catch(() => {}))
  }
  return python
}

/** As Vite shows it over the page. */
function overlay(error: Error, appDir: string): object {
  const { message } = error
  if (!(error instanceof PythonError)) return { message, stack: '', plugin: 'amphis' }
  const traceback = error.traceback.trim()
  const at = [...traceback.matchAll(/File "([^"]+)", line (\d+)/g)].findLast(([, file = '']) => file.startsWith(appDir))
  const place = at && { id: at[1], loc: { file: at[1], line: Number(at[2]), column: 0 } }
  return { message, stack: traceback, plugin: 'amphis', ...place }
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
