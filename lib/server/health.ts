// Answers the health and readiness paths of a server.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AmphisError } from '../base/errors.js'
import { defaultsOf } from '../wire/served-socket.js'

/** The paths of a server that it answers itself, without its app; see `ServerOptions`. */
export interface HealthPaths {
  readonly healthPath?: string | undefined
  readonly readyPath?: string | undefined
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

const HEADERS = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }

/**
 * Puts the answers to the paths in front of a listener.
 *
 * @param isReady whether a request would be taken now
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function answerHealth(paths: HealthPaths, isReady: () => boolean, listener: Listener): Listener {
  checkPaths(paths)
  const { healthPath, readyPath } = paths
  if (healthPath === undefined && readyPath === undefined) {
    return listener
  }
  return (request, response) => {
    const path = pathOf(request)
    if (path === healthPath) {
      answer(response, true, 'ok')
    } else if (path === readyPath) {
      const ready = isReady()
      answer(response, ready, ready ? 'ready' : 'not ready')
    } else {
      listener(request, response)
    }
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

function answer(response: ServerResponse, isWell: boolean, text: string): void {
  // What a client may have sent along is for nobody.
  response.req.resume()
  response.writeHead(isWell ? 200 : 503, { ...defaultsOf(response)?.toRecord(), ...HEADERS })
  response.end(`${text}\n`)
}

function checkPaths(paths: HealthPaths): void {
  for (const name of ['healthPath', 'readyPath'] as const) {
    const path: unknown = paths[name]
    if (path !== undefined && (typeof path !== 'string' || !/^\/[^?#]*$/.test(path))) {
      throw invalid(`Option ${name} must be a path, such as '/healthz', but it is ${JSON.stringify(path)}.`)
    }
  }
  if (paths.healthPath !== undefined && paths.healthPath === paths.readyPath) {
    throw invalid(`healthPath and readyPath must differ, but both are ${JSON.stringify(paths.healthPath)}.`)
  }
}

function invalid(message: string): AmphisError {
  return new AmphisError('AMPHIS_ERR_INVALID_OPTIONS', message)
}
