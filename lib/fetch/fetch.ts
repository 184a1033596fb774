// `fetch()`: a `Request` of the fetch standard, answered with a `Response`.
import { noteFailedRequest } from '../base/failed-request.js'
import type { ExchangeHost } from '../bridge/context.js'
import { send } from '../handle/handle.js'
import { hasBody } from '../http/request-body.js'
import { readBody, type ReadBody } from './body.js'
import { readIncoming } from './incoming-body.js'
import { ClientWatch } from './client-watch.js'
import { assertUnread, readRequest, type FetchedRequest, type FetchOptions } from './request.js'
import { responseTo } from './response.js'

/**
 * Runs a `Request`. Its head is read at once; its body once the app has started.
 *
 * @throws {AmphisError}
 */
export async function fetchFrom(host: ExchangeHost, request: Request, options: FetchOptions): Promise<Response> {
  const read = readRequest(request, options, host.options.rootPath)
  const { method, url, signal } = read
  const { concurrency } = host.context ?? (await host.start())
  if (!concurrency.enter()) {
    throw concurrency.refusal()
  }
  const { node } = read
  const client = node?.outgoing === undefined ? undefined : new ClientWatch(node.incoming, node.outgoing)
  const leave = (): void => {
    client?.stop()
    concurrency.leave()
  }
  let body: ReadBody
  let context: ExchangeHost['context']
  let head
  try {
    const pending = bodyOf(request, read, host.options.maxBodySize)
    // Nothing is waited for where nothing has to be: a turn is worth much to a small request.
    body = pending instanceof Promise ? await pending : pending
    head = read.head(body.length)
    // It may have been closed meanwhile.
    context = host.context ?? (await host.start())
    client?.assertThere()
  } catch (error) {
    leave()
    noteFailedRequest(error, method, url)
    throw error
  }
  return send(
    context,
    { method, url, head, body, signal, source: request, sent: (giveUp) => client?.start(giveUp) },
    (status, headers, answer) => responseTo(method, status, headers, answer),
    leave,
  )
}

/** @throws {AmphisError} */
function bodyOf(request: Request, read: FetchedRequest, maxBodySize: number): ReadBody | Promise<ReadBody> {
  const { node, body, length } = read
  if (node !== undefined) {
    return hasBody(node.incoming, length) ? readIncoming(node.incoming, { ...read, maxBodySize }) : { length }
  }
  assertUnread(request)
  return body === null ? { length: length === '0' ? 0 : undefined } : readBody(body, { ...read, maxBodySize })
}
