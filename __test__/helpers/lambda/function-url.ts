// A Function URL in front of a Runtime API: requests of HTTP become events, answers responses, streams stay streams.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Answer } from '../../../lib/aws-lambda/response.js'
import { text, type RuntimeApi } from './runtime-api.js'

const INTEGRATION = 'application/vnd.awslambda.http-integration-response'
const NULS = Buffer.alloc(8)

/** A server that invokes the function with what it is asked. */
export async function serveFunctionUrl(
  api: RuntimeApi,
  timeout?: number,
): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    answer(api, request, response, timeout).catch((error: unknown) => response.destroy(error as Error))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(api: RuntimeApi, request: IncomingMessage, response: ServerResponse, timeout?: number) {
  const { isError, contentType, body } = await api.invoke(await eventOf(request), timeout)
  if (contentType === INTEGRATION) {
    await passOn(body, response)
    return
  }
  const said = await text(body)
  const given = isError ? undefined : (JSON.parse(said) as Answer)
  if (typeof given?.statusCode !== 'number') {
    response.writeHead(502, { 'content-type': 'application/json' }).end(isError ? said : 'Internal Server Error')
    return
  }
  writeHead(response, given)
  response.end(Buffer.from(given.body ?? '', given.isBase64Encoded === true ? 'base64' : 'utf8'))
}

function writeHead(
  response: ServerResponse,
  { statusCode, headers = {}, multiValueHeaders = {}, cookies = [] }: Answer,
) {
  for (const [name, value] of Object.entries({ ...headers, ...multiValueHeaders })) response.setHeader(name, value)
  if (cookies.length > 0) response.setHeader('set-cookie', cookies)
  response.writeHead(statusCode)
}

/** The head up to eight NULs, then the body as it comes; an error that comes after it ends the client's connection. */
async function passOn(body: IncomingMessage, response: ServerResponse): Promise<void> {
  let before: Buffer | undefined = Buffer.alloc(0)
  for await (const piece of body as AsyncIterable<Buffer>) {
    let rest = piece
    if (before !== undefined) {
      before = Buffer.concat([before, piece])
      const at = before.indexOf(NULS)
      if (at === -1) continue
      writeHead(response, JSON.parse(before.subarray(0, at).toString()) as Answer)
      response.flushHeaders()
      rest = before.subarray(at + NULS.length)
      before = undefined
    }
    // Of a client that has left the function does not hear: Lambda goes on reading.
    if (rest.length > 0 && !response.write(rest) && !response.destroyed) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          response.off('drain', wake).off('close', wake)
          resolve()
        }
        response.on('drain', wake).on('close', wake)
      })
    }
  }
  if (body.trailers['lambda-runtime-function-error-type'] === undefined) {
    response.end()
  } else {
    response.destroy()
  }
}

/** The event of a request, as Function URLs have it. */
async function eventOf(request: IncomingMessage): Promise<object> {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
  const headers: Record<string, string> = { 'x-forwarded-proto': 'https', 'x-forwarded-port': '443' }
  for (const [name, value] of Object.entries(request.headers)) {
    if (name !== 'cookie') headers[name] = String(value)
  }
  const pieces: Buffer[] = []
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece)
  const body = Buffer.concat(pieces)
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers,
    ...(request.headers.cookie !== undefined && { cookies: request.headers.cookie.split('; ') }),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'function',
      domainName: 'function.lambda-url.eu-central-1.on.aws',
      domainPrefix: 'function',
      http: {
        method: request.method,
        path: pathname,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: '192.0.2.1',
        userAgent: request.headers['user-agent'] ?? '',
      },
      requestId: 'request',
      routeKey: '$default',
      stage: '$default',
      timeEpoch: Date.now(),
    },
    ...(body.length > 0 && { body: body.toString('base64') }),
    isBase64Encoded: body.length > 0,
  }
}
