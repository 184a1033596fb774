// A line for what was no request.
import type { Socket } from 'node:net'
import { onMalformed } from '../../server/client-error.js'
import type { PythonServer } from '../../server/server.js'
import { oneLine } from '../text/control-characters.js'
import type { Log } from './log.js'

/** Makes a line of what was no request at all. */
export function logMalformed(server: PythonServer, log: Log): void {
  onMalformed(server, (socket, status, error) => say(log, socket, status, error))
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
