/** The listener that containers have: next, response, error. Nothing else of the service is to be reached by it. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { MAX_EVENT, type Events } from './events.js'
import { bearerOf, clientSignal, listen, listener, parseJson, readBody, sendJson, type Handler } from './http.js'
import { ProblemError } from './problem.js'
import type { Bearer, Tokens } from './tokens.js'
import type { FunctionRecord } from './types.js'

/** Milliseconds that `next` waits: below what idle connections are given on the way. */
const POLL = 20_000

export interface RuntimeContext {
  tokens: Tokens
  events: Events
  find: (functionId: string) => Promise<FunctionRecord | undefined>
  /** An instance has asked for its first event: it is ready. */
  seen: (bearer: Bearer) => void
  report: (error: unknown) => void
}

/** @param only the function that a socket is for: a token of another one does not work there */
export function runtimeHandler({ tokens, events, find, seen }: RuntimeContext, only?: string): Handler {
  return async (req, res, url) => {
    const bearer = tokens.bearer(bearerOf(req))
    if (!bearer) throw new ProblemError(401, 'token', 'the token is none of this service')
    if (only !== undefined && bearer.functionId !== only)
      throw new ProblemError(403, 'token', 'the token is of another function')
    const record = await find(bearer.functionId)
    if (!record) throw new ProblemError(403, 'token', 'the function of the token is no more')

    if (req.method === 'GET' && url.pathname === '/yafaas/events/next') {
      seen(bearer)
      const gone = clientSignal(res)
      const event = await events.next(record, bearer, AbortSignal.any([gone, AbortSignal.timeout(POLL)]))
      if (!event) {
        if (!res.destroyed) res.writeHead(204).end()
        return
      }
      res.writeHead(200, {
        'content-type': 'application/json',
        'events-request-id': event.requestId,
        'events-deadline-ms': String(Date.now() + event.timeout),
        'events-timeout-ms': String(event.timeout),
        'events-attempt': String(event.attempt),
        'events-receipt': event.receipt,
      })
      res.end(event.payload)
      return
    }

    const [, id, kind] = /^\/yafaas\/events\/([^/]+)\/(response|error)$/.exec(url.pathname) ?? []
    if (req.method !== 'POST' || !id || !kind)
      throw new ProblemError(404, 'not-found', `there is no ${req.method} ${url.pathname} here`)
    const receipt = events.receipt(bearer, decodeURIComponent(id), req.headers['events-receipt'] as string | undefined)
    let body: string
    try {
      body = (await readBody(req, MAX_EVENT)).toString()
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      const told = {
        errorType: 'Function.ResponseTooLarge',
        errorMessage: `the answer has more than ${MAX_EVENT} bytes`,
        stackTrace: [],
      }
      await events.respondError(receipt, JSON.stringify(told))
      throw error
    }
    parseJson(body)
    await (kind === 'response' ? events.respond(receipt, body) : events.fail(receipt, body))
    sendJson(res, 202, { status: 'OK' })
  }
}

/**
 * A Unix socket for one function, in a folder that is mounted into its containers: their only way out. Each server of a
 * machine has one there.
 */
export async function socketListener(context: RuntimeContext, functionId: string, folder: string): Promise<Server> {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  for (const name of await readdir(folder))
    if (!(await isListenedOn(join(folder, name)))) await rm(join(folder, name), { force: true })
  const path = join(folder, `${process.pid}-${randomBytes(3).toString('hex')}.sock`)
  const server = createServer(listener(runtimeHandler(context, functionId), context.report))
  await listen(server, { path })
  // Containers are users of their own.
  await chmod(path, 0o666)
  return server
}

/** What a server that was killed has left behind nobody listens on. */
function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.on('connect', () => socket.destroy())
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(true))
  })
}

/** A port of loopback, for functions that run as processes. */
export async function portListener(context: RuntimeContext): Promise<Server> {
  const server = createServer(listener(runtimeHandler(context), context.report))
  await listen(server, { port: 0, host: '127.0.0.1' })
  return server
}
