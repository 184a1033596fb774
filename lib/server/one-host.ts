// Refuses requests that name more than one host, before anybody goes by one of them.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:net'
import { namesTwoHosts } from '../wire/host-header.js'
import { defaultsOf } from '../wire/served-socket.js'
import { tellMalformed } from './client-error.js'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** Puts the refusal in front of a listener. */
export function requireOneHost(server: Server, listener: Listener): Listener {
  return (request, response) => {
    if (!namesTwoHosts(request)) {
      listener(request, response)
      return
    }
    request.resume()
    // HTTP/2 has no such header.
    const close = request.httpVersionMajor < 2 ? { connection: 'close' } : {}
    const own = { 'content-type': 'text/plain; charset=utf-8', ...close }
    response.writeHead(400, { ...defaultsOf(response)?.toRecord(), ...own })
    response.end('Bad Request')
    tellMalformed(server, request.socket, 400, new Error('more than one Host'))
  }
}
