// Has parsers of a host pass a body by: for a while, the request does not say that it has one.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

const HIDDEN: unique symbol = Symbol('amphis.hiddenBody')

/** By these parsers find a body, and tell whether it is theirs. */
const TELLING = ['content-type', 'content-length', 'transfer-encoding'] as const

interface HidingRequest extends IncomingMessage {
  [HIDDEN]?: IncomingHttpHeaders
}

/** Hides the body of a request from whoever asks its headers. */
export function hideBody(request: HidingRequest): void {
  const hidden: IncomingHttpHeaders = {}
  for (const name of TELLING) {
    const value = request.headers[name]
    if (value !== undefined) {
      hidden[name] = value
      delete request.headers[name]
    }
  }
  request[HIDDEN] = hidden
}

/** Shows it again. */
export function showBody(request: HidingRequest): void {
  Object.assign(request.headers, request[HIDDEN])
  delete request[HIDDEN]
}
