// What Lambda's Node.js has that no other has: streams of responses, and the API that tells of the environment's end.
import { request } from 'node:http'
import type { Writable } from 'node:stream'
import { AmphisError } from '../base/errors.js'

/** A stream as Lambda gives it: what a `Writable` is, but none. */
export type ResponseStream = Pick<Writable, 'write' | 'end' | 'on' | 'once' | 'off'> & {
  setContentType?(type: string): void
}

interface AwsLambda {
  streamifyResponse<Handler>(handler: Handler): Handler
  readonly HttpResponseStream: { from(stream: ResponseStream, prelude: object): ResponseStream }
}

/**
 * The global that Lambda's runtime sets.
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function awsLambda(): AwsLambda {
  const { awslambda } = globalThis as { awslambda?: Partial<AwsLambda> }
  if (typeof awslambda?.streamifyResponse !== 'function' || typeof awslambda.HttpResponseStream?.from !== 'function') {
    throw new AmphisError(
      'AMPHIS_ERR_INVALID_OPTIONS',
      'lambda.stream works in the Node.js runtime of AWS Lambda alone, which sets the global awslambda, ' +
        'and here there is none. In an image of your own, start it by the package aws-lambda-ric.',
    )
  }
  return awslambda as AwsLambda
}

const EXTENSION = '/2020-01-01/extension'

/**
 * Registers an internal extension: only where there is one, Lambda sends SIGTERM at the end of an environment. It has to be
 * done before the first invocation.
 *
 * @param api host and port of the Runtime API
 * @throws what kept it from being registered
 */
export async function registerExtension(api: string): Promise<void> {
  const registered = await ask(api, 'POST', `${EXTENSION}/register`, {
    'lambda-extension-name': 'amphis',
    'content-type': 'application/json',
  })
  const id = registered.headers['lambda-extension-identifier']
  if (registered.status !== 200 || typeof id !== 'string') {
    throw new Error(`The extension was not registered: ${registered.status} ${registered.text}`)
  }
  // Lambda waits until each extension has asked for its next event. It has chosen none, so that no answer ever comes.
  ask(api, 'GET', `${EXTENSION}/event/next`, { 'lambda-extension-identifier': id }).catch(() => {})
}

interface Told {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly text: string
}

function ask(api: string, method: string, path: string, headers: Record<string, string>): Promise<Told> {
  return new Promise((resolve, reject) => {
    const call = request(`http://${api}${path}`, { method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (text += piece))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    call.on('error', reject)
    // One that is never answered keeps no process alive.
    call.on('socket', (socket) => (method === 'GET' ? socket.unref() : socket))
    call.end(method === 'POST' ? JSON.stringify({ events: [] }) : undefined)
  })
}
