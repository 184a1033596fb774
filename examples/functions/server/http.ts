/** What both listeners have in common: bodies with a limit, answers as JSON, problems as answers. */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { ProblemError } from './problem.js'

export async function readBody(req: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > limit) throw new ProblemError(413, 'too-large', `the body has more than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProblemError(400, 'invalid', `the body is not JSON: ${(error as Error).message}`)
  }
}

export function sendJson(res: ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`)
}

export const bearerOf = (req: IncomingMessage): string =>
  /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1] ?? ''

/** Aborted when the client has gone before it had its answer. */
export function clientSignal(res: ServerResponse): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => controller.abort())
  return controller.signal
}

export type Handler = (req: IncomingMessage, res: ServerResponse, url: URL) => Promise<void>

export function listener(handle: Handler, report: (error: unknown) => void): RequestListener {
  return (req, res) => {
    handle(req, res, new URL(req.url ?? '/', 'http://localhost')).catch((error: unknown) => {
      const problem =
        error instanceof ProblemError
          ? error
          : new ProblemError(500, 'internal', 'the service failed; its log says how')
      if (!(error instanceof ProblemError) && !res.destroyed) report(error)
      if (res.headersSent || res.destroyed) {
        res.destroy()
        return
      }
      // A body that was not read to its end would be taken for the next request.
      if (!req.complete) res.setHeader('connection', 'close')
      sendJson(res, problem.status, { error: { code: problem.code, message: problem.message, ...problem.details } })
    })
  }
}

export function listen(server: Server, where: { port: number; host: string } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, resolve)
  })
}

export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}
