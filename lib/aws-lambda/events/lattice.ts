// VPC Lattice, of both versions; `@types/aws-lambda` does not have it.
import {
  bodyOf,
  cutPath,
  encodeRest,
  lastForwarded,
  listHeaders,
  queryOf,
  requestOf,
  type EventParameters,
} from './parts.js'
import type { EventHeaders, EventKind } from './request.js'

interface LatticeEvent {
  readonly version?: string
  readonly method?: string
  /** Version 2; it may have the query. */
  readonly path?: string
  /** Version 1. */
  readonly raw_path?: string
  readonly headers?: EventHeaders
  readonly queryStringParameters?: EventParameters
  readonly query_string_parameters?: EventParameters
  readonly body?: string | null
  readonly isBase64Encoded?: boolean
  readonly is_base64_encoded?: boolean
  readonly requestContext?: { readonly serviceArn?: string; readonly serviceNetworkArn?: string }
}

export const lattice: EventKind<LatticeEvent> = {
  name: 'VPC Lattice',
  knownBy: 'method with raw_path, or with path and requestContext.serviceArn',
  is(event) {
    const { method, raw_path, path, requestContext } = event as LatticeEvent
    const isSecond =
      typeof path === 'string' &&
      (requestContext?.serviceArn !== undefined || requestContext?.serviceNetworkArn !== undefined)
    return typeof method === 'string' && (typeof raw_path === 'string' || isSecond)
  },
  read(event, basePath = '') {
    const headers = listHeaders(event.headers)
    const [asked = '', query] = encodeRest(event.raw_path ?? event.path ?? '/').split(/\?(.*)/s, 2)
    return requestOf({
      method: event.method ?? 'GET',
      ...cutPath(asked, basePath),
      query:
        query === undefined
          ? queryOf(event.queryStringParameters ?? event.query_string_parameters, encodeRest)
          : `?${query}`,
      headers,
      body: bodyOf(event.body, event.isBase64Encoded ?? event.is_base64_encoded),
      client: lastForwarded(headers),
    })
  },
  answer: () => 'lattice',
}
