// The app's answer to a message of a WebSocket API goes to the client by API Gateway's management API.
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { AmphisError } from '../base/errors.js'
import type { Deadline } from './context.js'
import type { WebSocketEvent } from './events/websocket.js'
import type { ResolvedLambdaOptions } from './options.js'
import { answerOf, headOf, type Answer, type Head } from './response.js'
import { signatureHeaders } from './signature.js'

/** Most bytes of a message. */
const MOST = 128 * 1024

/**
 * What API Gateway is told. A handshake is taken or refused by its status; what the app says to a message is sent to the
 * client, whatever its status is.
 *
 * @param body `undefined` for one that is too large for anything
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST` for a message that is too large; what kept it from being sent
 */
export async function answerMessage(
  options: ResolvedLambdaOptions,
  event: WebSocketEvent,
  head: Head,
  body: Buffer | undefined,
  deadline: Deadline,
): Promise<Answer> {
  const { connectionId, domainName, eventType, stage } = event.requestContext!
  if (eventType !== 'MESSAGE') {
    return answerOf('rest', head, body ?? Buffer.alloc(0)) ?? headOf('rest', head)
  }
  if (body?.length === 0) {
    return { statusCode: head.status }
  }
  if (body === undefined || body.length > MOST) {
    throw new AmphisError(
      'AMPHIS_ERR_BODY_TOO_LARGE',
      'An answer to a message of a WebSocket API can have 128 KB at most: send several, by the client of the AWS SDK.',
    )
  }
  const endpoint = options.managementEndpoint ?? `https://${domainName}/${stage}`
  const status = await post(
    new URL(`${endpoint}/%40connections/${encodeURIComponent(connectionId)}`),
    body,
    deadline.signal,
  )
  if (status === 410) {
    options.logger.debug('The client of a WebSocket has left before it was answered.')
    return { statusCode: 410 }
  }
  if (status >= 300) {
    throw new Error(
      `The answer to a message was not sent: the management API of the WebSocket API said ${status}. ` +
        "Let the function's role have execute-api:ManageConnections; with a domain of your own, set managementEndpoint.",
    )
  }
  return { statusCode: 200 }
}

function post(url: URL, body: Buffer, signal: AbortSignal): Promise<number> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION } = process.env
  const headers = signatureHeaders(
    {
      host: url.host,
      path: url.pathname,
      body,
      region: AWS_REGION ?? 'us-east-1',
      service: 'execute-api',
      date: new Date(),
    },
    {
      accessKeyId: AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: AWS_SECRET_ACCESS_KEY ?? '',
      sessionToken: AWS_SESSION_TOKEN,
    },
  )
  const request = url.protocol === 'http:' ? requestHttp : requestHttps
  return new Promise((resolve, reject) => {
    const call = request(url, { method: 'POST', headers: { ...headers, 'content-length': body.length }, signal })
    call.on('error', reject)
    call.on('response', (response) => {
      response.on('error', reject)
      response.on('end', () => resolve(response.statusCode ?? 0))
      response.resume()
    })
    call.end(body)
  })
}
