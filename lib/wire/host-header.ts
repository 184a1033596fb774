// Whether a request says once, and with one voice, which host it is for.
import type { IncomingMessage } from 'node:http'

const DEFAULT_PORT = /:(?:80|443)$/

/**
 * Whether a request names more than one host: by two `Host` lines (RFC 9112 3.2), be they equal, or over HTTP/2 by one
 * that is not its `:authority` (RFC 9113 8.3.1). A proxy in front may have gone by the other one.
 */
export function namesTwoHosts({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  let host: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    if (name.length === 4 ? name.toLowerCase() === 'host' : name === ':authority') {
      const value = rawHeaders[at + 1]!
      // Of HTTP/1.1 a second line is one too many, whatever it says.
      if (host !== undefined && (rawHeaders[0]!.charCodeAt(0) !== COLON || normal(host) !== normal(value))) {
        return true
      }
      host = value
    }
  }
  return false
}

const COLON = 0x3a

/** Hosts are compared without regard to case, and to a port that goes without saying. */
function normal(host: string): string {
  return host.toLowerCase().replace(DEFAULT_PORT, '')
}
