/** The runtime's side of the listener that containers have: next, response, error. */
import { readdirSync } from 'node:fs'
import { Agent, request, type IncomingHttpHeaders, type RequestOptions } from 'node:http'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

const isAbsent = (error: unknown) => /^(?:ECONNREFUSED|ENOENT)$/.test((error as NodeJS.ErrnoException).code ?? '')

export class EventsApi {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #token: string
  /** Where the servers of this machine listen, the one that answered last at first. */
  #places: RequestOptions[]
  readonly #folder: string | undefined

  /** @param address `unix:///run/events`, a folder with a socket for each server, or `http://127.0.0.1:9001`: EVENTS_API */
  constructor(address: string, token: string) {
    this.#token = token
    this.#folder = address.startsWith('unix://') ? address.slice('unix://'.length) : undefined
    this.#places = []
    if (this.#folder === undefined) {
      const { hostname, port } = new URL(address)
      this.#places = [{ hostname, port }]
    }
  }

  #look(): void {
    const folder = this.#folder
    if (folder === undefined) return
    const names = readdirSync(folder).filter((name) => name.endsWith('.sock'))
    // Of several servers each has its share.
    const shuffled = names.map((name) => ({ name, at: Math.random() })).toSorted((a, b) => a.at - b.at)
    this.#places = shuffled.map(({ name }) => ({ socketPath: `${folder}/${name}` }))
  }

  async send(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const [known] = this.#places
    if (known) {
      try {
        return await this.#ask(known, { method, path, headers, signal }, body)
      } catch (error) {
        if (!isAbsent(error) || this.#folder === undefined) throw error
      }
    }
    this.#look()
    for (const place of this.#places) {
      try {
        const answer = await this.#ask(place, { method, path, headers, signal }, body)
        this.#places = [place]
        return answer
      } catch (error) {
        if (!isAbsent(error)) throw error
      }
    }
    throw Object.assign(new Error('no server listens'), { code: 'ECONNREFUSED' })
  }

  #ask(place: RequestOptions, what: RequestOptions, body: string | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.#token}`, ...(what.headers as Record<string, string>) }
      const req = request({ ...place, ...what, agent: this.#agent, headers }, (res) => {
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
