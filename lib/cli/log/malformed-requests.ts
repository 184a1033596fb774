// A line for what was no request.
import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PythonServer } from '../../server/server.js'
import { oneLine } from '../text/control-characters.js'
import type { Log } from './log.js'

const STATUSES: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** Node's own note of the response that is being written. */
interface ServedSocket extends Socket {
  _httpMessage?: ServerResponse | null
}

/** Makes a line of what was no request at all. A server with a listener has to answer such itself: as Node does. */
export function logMalformed(server: PythonServer, log: Log): void {
  // The event has the same name on all of them, but each its own overloads.
  const plain = server as unknown as NodeJS.EventEmitter
  plain.on('clientError', (error: NodeJS.ErrnoException, stream: Duplex) => {
    const socket = stream as ServedSocket
    const { code = '' } = error
    const response = socket._httpMessage ?? undefined
    if (socket.writable && response?.headersSent !== true) {
      const status = STATUSES[code] ?? 400
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`)
      // One that was under way has a line of its own. A client that only leaves is worth none.
      if (response === undefined && /^(?:HPE|ERR_HTTP)_/.test(code)) say(log, socket, status, error)
    }
    socket.destroy(error)
  })
}

function say(log: Log, { remoteAddress }: Socket, status: number, { code, message }: NodeJS.ErrnoException): void {
  const who = remoteAddress === undefined ? '' : ` ${remoteAddress}`
  log.say('info', `malformed request ${status}${who} (${oneLine(message)})`, {
    msg: 'malformed request',
    status,
    client: remoteAddress,
    code,
    reason: message,
  })
}
