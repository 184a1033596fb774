// `fetch()`: a `Request` of the fetch standard, answered with a `Response`.
import { noteFailedRequest } from '../base/failed-request.js'
import type { ExchangeHost } from '../bridge/context.js'
import { send } from '../handle/handle.js'
import { readBody, type ReadBody } from './body.js'
import { readIncoming } from './incoming-body.js'
import { assertUnread, readRequest, type FetchOptions } from './request.js'
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
  const leave = (): void => concurrency.leave()
  let body: ReadBody
  let context: ExchangeHost['context']
  let head
  try {
    const { maxBodySize } = host.options
    if (read.incoming === undefined) {
      assertUnread(request)
    }
    body =
      read.incoming !== undefined
        ? await readIncoming(read.incoming, { ...read, maxBodySize })
        : read.body === null
          ? { length: read.length === '0' ? 0 : undefined }
          : await readBody(read.body, { ...read, maxBodySize })
    head = read.head(body.length)
    // It may have been closed meanwhile.
    context = host.context ?? (await host.start())
  } catch (error) {
    leave()
    noteFailedRequest(error, method, url)
    throw error
  }
  return send(
    context,
    { method, url, head, body, signal, source: request },
    (status, headers, answer) => responseTo(method, status, headers, answer),
    leave,
  )
}
