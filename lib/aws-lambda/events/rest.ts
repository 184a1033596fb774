// API Gateway, REST API, and HTTP API with payloads of version 1.0. Path and query come decoded; the stage is not in the path.
import type { APIGatewayProxyEvent } from 'aws-lambda'
import { bodyOf, cutPath, encodeParameter, encodePath, listHeaders, queryOf, requestOf } from './parts.js'
import type { EventKind } from './request.js'

type RestEvent = Partial<APIGatewayProxyEvent>

export const rest: EventKind<RestEvent> = {
  name: 'API Gateway REST API',
  knownBy: 'httpMethod, path and requestContext',
  is: (event) =>
    'httpMethod' in event && 'path' in event && 'requestContext' in event && typeof event.requestContext === 'object',
  read(event, basePath) {
    const { httpMethod = 'GET', multiValueHeaders, multiValueQueryStringParameters, requestContext } = event
    const headers = listHeaders(isEmpty(multiValueHeaders) ? event.headers : multiValueHeaders)
    const asked = encodePath(event.path ?? '/')
    const { path, rootPath } =
      basePath === undefined
        ? { path: asked, rootPath: stageOf(asked, requestContext?.path) }
        : cutPath(asked, basePath)
    return requestOf({
      method: httpMethod,
      path,
      rootPath,
      query: queryOf(
        isEmpty(multiValueQueryStringParameters) ? event.queryStringParameters : multiValueQueryStringParameters,
        encodeParameter,
      ),
      headers,
      body: bodyOf(event.body, event.isBase64Encoded),
      client: requestContext?.identity?.sourceIp,
      protocol: requestContext?.protocol,
    })
  },
  answer: () => 'rest',
}

function isEmpty(values: object | null | undefined): boolean {
  return values === null || values === undefined || Object.keys(values).length === 0
}

/** What the client has asked for in front of the path: the stage, where no domain of one's own hides it. */
function stageOf(path: string, whole: string | undefined): string {
  const encoded = encodePath(whole ?? path)
  return encoded.endsWith(path) ? encoded.slice(0, encoded.length - path.length).replace(/\/$/, '') : ''
}
