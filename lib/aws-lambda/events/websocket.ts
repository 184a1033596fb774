// API Gateway, WebSocket API: each message is an invocation, and so a request of its own, which the app gets as a POST to
// the path of its route.
import type {
  APIGatewayProxyWebsocketEventV2WithRequestContext,
  APIGatewayEventWebsocketRequestContextV2,
} from 'aws-lambda'
import { bodyOf, headerOf, encodeParameter, listHeaders, queryOf, requestOf, type EventParameters } from './parts.js'
import type { EventHeaders, EventKind } from './request.js'

/** One of them; the headers and the query are those of the handshake, and come with `$connect` alone. */
export type WebSocketEvent = Partial<
  APIGatewayProxyWebsocketEventV2WithRequestContext<APIGatewayEventWebsocketRequestContextV2>
> & {
  readonly requestContext?: { readonly identity?: { readonly sourceIp?: string } }
  readonly headers?: EventHeaders
  readonly multiValueHeaders?: EventHeaders
  readonly queryStringParameters?: EventParameters
  readonly multiValueQueryStringParameters?: EventParameters
}

export const webSocket: EventKind<WebSocketEvent> = {
  name: 'API Gateway WebSocket API',
  knownBy: 'requestContext.connectionId and requestContext.eventType',
  is(event) {
    const { requestContext } = event as WebSocketEvent
    return typeof requestContext?.connectionId === 'string' && typeof requestContext.eventType === 'string'
  },
  read(event, basePath = '/websocket') {
    const { domainName, identity, routeKey } = event.requestContext!
    const headers = listHeaders(event.multiValueHeaders ?? event.headers)
    if (headerOf(headers, 'host') === undefined) {
      headers.push('host', domainName)
    }
    if (typeof event.body === 'string' && headerOf(headers, 'content-type') === undefined) {
      headers.push('content-type', typeOf(event.body, event.isBase64Encoded))
    }
    return requestOf({
      method: 'POST',
      path: `${basePath}/${encodeParameter(routeKey).replaceAll('%24', '$')}`,
      rootPath: '',
      query: queryOf(event.multiValueQueryStringParameters ?? event.queryStringParameters, encodeParameter),
      headers,
      body: bodyOf(event.body, event.isBase64Encoded),
      client: identity?.sourceIp,
    })
  },
  answer: () => 'rest',
}

/** API Gateway says nothing of it; routes but for `$default` are found in JSON. */
function typeOf(body: string, isBase64: boolean | undefined): string {
  if (isBase64 === true) {
    return 'application/octet-stream'
  }
  return /^\s*[[{]/.test(body) ? 'application/json' : 'text/plain; charset=utf-8'
}
