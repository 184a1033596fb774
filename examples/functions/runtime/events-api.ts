/** The runtime's side of the listener that containers have: next, response, error. */
import { Agent, request, type IncomingHttpHeaders, type RequestOptions } from 'node:http'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export class EventsApi {
  readonly #where: RequestOptions
  readonly #token: string

  /** @param address `unix:///run/events/api.sock` or `http://127.0.0.1:9001`: the variable EVENTS_API */
  constructor(address: string, token: string) {
    const agent = new Agent({ keepAlive: true })
    if (address.startsWith('unix://')) this.#where = { socketPath: address.slice('unix://'.length), agent }
    else {
      const { hostname, port } = new URL(address)
      this.#where = { hostname, port, agent }
    }
    this.#token = token
  }

  send(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
    signal?: AbortSignal,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = {
        ...this.#where,
        signal,
        method,
        path,
        headers: { authorization: `Bearer ${this.#token}`, ...headers },
      }
      const req = request(options, (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('error', reject)
        res.on('end', () =>
          resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() }),
        )
      })
      req.on('error', reject)
      req.end(body)
    })
  }
}
