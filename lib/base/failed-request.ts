// Which request an error belongs to, for whoever prints it.
const REQUESTS = new WeakMap<object, string>()

// Whatever a terminal would take for an order; Node's parser lets them through in no target, `handle()` may.
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001F\u007F-\u009F]/g

/**
 * Notes of an error which request or WebSocket it has failed.
 *
 * @param method `WS` for a WebSocket
 * @param url the whole of it, as the client has asked; what follows the path may be secret and is left out
 */
export function noteFailedRequest(error: unknown, method: string | undefined, url: string | undefined): void {
  if (typeof error === 'object' && error !== null) {
    const path = (url ?? '/').split('?', 1)[0] ?? ''
    REQUESTS.set(error, `${method ?? 'GET'} ${path}`.replaceAll(CONTROLS, '?'))
  }
}

/** `GET /path`, where it is known. */
export function failedRequest(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? REQUESTS.get(error) : undefined
}
