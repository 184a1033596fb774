// API Gateway, HTTP API (payload 2.0), and Function URLs, which have the same shape. Paths come as they were asked for,
// with the stage where it is a named one.
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { bodyOf, cutPath, encodeRest, listHeaders, requestOf } from './parts.js'
import type { EventKind } from './request.js'

type HttpApiEvent = Partial<APIGatewayProxyEventV2>

export const httpApi: EventKind<HttpApiEvent> = {
  name: 'API Gateway HTTP API or Function URL',
  knownBy: "version '2.0' and requestContext.http",
  is(event) {
    const { version, requestContext } = event as HttpApiEvent
    return version === '2.0' && typeof requestContext?.http === 'object'
  },
  read(event, basePath) {
    const { cookies, rawQueryString = '', requestContext } = event
    const headers = listHeaders(event.headers)
    if (cookies !== undefined && cookies.length > 0) {
      headers.push('cookie', cookies.join('; '))
    }
    const { http, stage } = requestContext!
    const asked = encodeRest(event.rawPath ?? http.path).replaceAll('?', '%3F')
    return requestOf({
      method: http.method,
      ...cutPath(asked, basePath ?? ((stage ?? '$default') === '$default' ? '' : `/${stage}`)),
      query: rawQueryString === '' ? '' : `?${encodeRest(rawQueryString)}`,
      headers,
      body: bodyOf(event.body, event.isBase64Encoded),
      client: http.sourceIp,
      protocol: http.protocol,
    })
  },
  answer: ({ requestContext }) =>
    requestContext?.domainName === undefined || requestContext.domainName.includes('.lambda-url.')
      ? 'function-url'
      : 'http-api',
}
