// What the host knows of a request, on its way to the process of the app: in a field that the server in front writes, over
// whatever a client may have sent, and that the app does not see.
import type { IncomingMessage } from 'node:http'

export const CONTEXT_FIELD = 'x-amphis-context'

/** Room for it beside what a client may send. */
export const MOST_OF_HEAD = 128 * 1024

const known = new WeakMap<IncomingMessage, object>()

/** Takes it out of a request, before anybody else looks at that. */
export function takeContext(request: IncomingMessage): void {
  const text = request.headers[CONTEXT_FIELD]
  if (typeof text === 'string') {
    known.set(request, JSON.parse(text) as object)
    delete request.headers[CONTEXT_FIELD]
  }
}

/** What was taken, for the option `context` of the handler. */
export function contextOf(request: IncomingMessage): object | undefined {
  return known.get(request)
}
