// Counts requests for `--limit-max-requests`.
import { channel } from 'node:diagnostics_channel'

/** What the handler tells at the beginning of each. */
const STARTS = ['amphis:request:start', 'amphis:websocket:start'].map((name) => channel(name))

/** Resolves when the app of this process has had so many requests and WebSockets. */
export function requestLimit(limit: number): Promise<void> {
  return new Promise((resolve) => {
    let left = limit
    const count = (): void => {
      left -= 1
      if (left > 0) return
      for (const start of STARTS) start.unsubscribe(count)
      resolve()
    }
    for (const start of STARTS) start.subscribe(count)
  })
}
