// The Runtime API and the Extensions API of Lambda, as far as a runtime client needs them, for one environment: invocations
// one after the other, responses as streams.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What has come of an invocation: the response as it comes in, or an error. */
export interface Outcome {
  readonly isError: boolean
  readonly contentType: string
  readonly body: IncomingMessage
}

interface Waiting {
  readonly id: string
  readonly event: unknown
  readonly deadline: number
  readonly settle: (outcome: Outcome) => void
}

/** A server of the Runtime API. */
export class RuntimeApi {
  /** Host and port. */
  readonly address: string
  /** What the runtime said of an init that failed. */
  readonly initErrors: string[] = []
  /** Extensions that were registered before the first invocation. */
  readonly extensions: string[] = []
  readonly #server: ReturnType<typeof createServer>
  readonly #queue: Waiting[] = []
  readonly #running = new Map<string, Waiting>()
  #asking: ServerResponse | undefined
  #askedOnce = false
  #count = 0
  #tellIdle: (() => void)[] = []

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#take(request, response))
  }

  static async start(): Promise<RuntimeApi> {
    const server = createServer().listen(0, '127.0.0.1')
    // As Lambda's: a runtime client keeps its connection while the environment is idle or frozen.
    server.keepAliveTimeout = 0
    await once(server, 'listening')
    return new RuntimeApi(server)
  }

  /** @param timeout milliseconds that the function has */
  invoke(event: unknown, timeout = 30_000): Promise<Outcome> {
    return new Promise((settle) => {
      this.#queue.push({ id: `request-${++this.#count}`, event, deadline: Date.now() + timeout, settle })
      this.#next()
    })
  }

  /** Resolves when the runtime has asked for an invocation and there is none. */
  async idle(): Promise<void> {
    if (this.#asking === undefined) {
      await new Promise<void>((resolve) => this.#tellIdle.push(resolve))
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #next(): void {
    if (this.#asking === undefined || this.#queue.length === 0) {
      return
    }
    const next = this.#queue.shift()!
    const asking = this.#asking
    this.#asking = undefined
    this.#running.set(next.id, next)
    asking.setHeader('lambda-runtime-aws-request-id', next.id)
    asking.setHeader('lambda-runtime-deadline-ms', String(next.deadline))
    asking.setHeader(
      'lambda-runtime-invoked-function-arn',
      'arn:aws:lambda:eu-central-1:123456789012:function:function',
    )
    asking.setHeader('content-type', 'application/json')
    asking.end(JSON.stringify(next.event))
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? ''
    if (path === '/2020-01-01/extension/register') {
      request.resume()
      if (this.#askedOnce) {
        response.writeHead(403).end('{"errorType":"Extension.InvalidState"}')
        return
      }
      this.extensions.push(String(request.headers['lambda-extension-name']))
      response.setHeader('lambda-extension-identifier', `extension-${this.extensions.length}`).end('{}')
    } else if (path === '/2020-01-01/extension/event/next') {
      // An extension that has chosen no event waits for ever.
    } else if (path.endsWith('/invocation/next')) {
      this.#askedOnce = true
      this.#asking = response
      for (const tell of this.#tellIdle.splice(0)) {
        tell()
      }
      this.#next()
    } else if (path.endsWith('/init/error')) {
      void text(request).then((said) => {
        this.initErrors.push(said)
        response.end()
      })
    } else {
      const [, id = '', verb] = /\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? []
      const waiting = this.#running.get(id)
      this.#running.delete(id)
      if (waiting === undefined) {
        request.resume()
        response.writeHead(400).end()
        return
      }
      request.on('end', () => response.writeHead(202).end())
      waiting.settle({
        isError: verb === 'error',
        contentType: String(request.headers['content-type']),
        body: request,
      })
    }
  }
}

/** All of a message's body. */
export async function text(message: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of message) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}
