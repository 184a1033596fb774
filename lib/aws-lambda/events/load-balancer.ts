// Application Load Balancer. Queries come as they were asked for; headers and queries have all their values only where the
// target group says so, and the answer has to have the same.
import type { ALBEvent } from 'aws-lambda'
import { bodyOf, cutPath, encodeRest, lastForwarded, listHeaders, queryOf, requestOf } from './parts.js'
import type { EventKind } from './request.js'

type LoadBalancerEvent = Partial<ALBEvent>

export const loadBalancer: EventKind<LoadBalancerEvent> = {
  name: 'Application Load Balancer',
  knownBy: 'requestContext.elb',
  is(event) {
    const { requestContext } = event as { requestContext?: object | null }
    return typeof requestContext === 'object' && requestContext !== null && 'elb' in requestContext
  },
  read(event, basePath = '') {
    const headers = listHeaders(event.multiValueHeaders ?? event.headers)
    return requestOf({
      method: event.httpMethod ?? 'GET',
      ...cutPath(encodeRest(event.path ?? '/').replaceAll('?', '%3F'), basePath),
      query: queryOf(event.multiValueQueryStringParameters ?? event.queryStringParameters, encodePart),
      headers,
      body: bodyOf(event.body, event.isBase64Encoded),
      client: lastForwarded(headers),
    })
  },
  answer: ({ multiValueHeaders }) => (multiValueHeaders === undefined ? 'load-balancer' : 'load-balancer-multi'),
}

/** What would end a name or a value is encoded, if it ever comes decoded. */
function encodePart(text: string): string {
  return encodeRest(text).replaceAll('&', '%26')
}
