import { Agent, request } from 'node:http'
import type { Socket } from 'node:net'
import type { Answer, Work } from '../works.js'

/** A contestant gave other bytes than the one right answer; the run cannot pass. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes'
}

export interface WireResponse extends Answer {
  /** Size of head and body on the wire. */
  readonly wireBytes: number
  /** When its head began to arrive, as `performance.now()` tells it. */
  readonly firstByteAt: number
}

export type Asked = Pick<Work, 'method' | 'path' | 'headers' | 'body'>

/** A client with one kept-alive connection to one server, for checks beside the load. */
export class WireClient {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(port: number) {
    this.#port = port
  }

  /** Asks once; rejects when the connection fails or nothing has come after 10 s. */
  ask(work: Asked): Promise<WireResponse> {
    return new Promise((resolve, reject) => {
      const { method, path, body } = work
      const headers = body === undefined ? work.headers : { ...work.headers, 'content-length': Buffer.byteLength(body) }
      const { signal, clear } = deadline(10_000)
      const req = request({ host: '127.0.0.1', port: this.#port, method, path, headers, agent: this.#agent, signal })
      let socket: Socket | undefined
      let before = 0
      req.once('socket', (assigned) => {
        socket = assigned
        before = assigned.bytesRead
      })
      req.once('error', (error) => {
        clear()
        // The server may close an idle connection at the very moment it is used again.
        if (req.reusedSocket && 'code' in error && error.code === 'ECONNRESET') {
          resolve(this.ask(work))
        } else {
          reject(error)
        }
      })
      req.once('response', (res) => {
        const firstByteAt = performance.now()
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.once('error', (error) => {
          clear()
          reject(error)
        })
        res.once('end', () => {
          clear()
          resolve({
            status: res.statusCode ?? 0,
            contentType: res.headers['content-type'] ?? '',
            body: Buffer.concat(chunks).toString('latin1'),
            wireBytes: (socket?.bytesRead ?? 0) - before,
            firstByteAt,
          })
        })
      })
      req.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Throws `WrongBytes` unless the response is the right one, byte for byte. */
export function checkAnswer(who: string, got: Answer, expected: Answer): void {
  const wrong =
    got.status !== expected.status
      ? `status ${got.status} instead of ${expected.status}`
      : // A charset may stand behind the type: servers do not add it, apps may.
        got.contentType.split(';')[0] !== expected.contentType
        ? `content-type "${got.contentType}" instead of "${expected.contentType}"`
        : got.body !== expected.body
          ? `body ${JSON.stringify(got.body.slice(0, 200))} instead of ${JSON.stringify(expected.body.slice(0, 200))}`
          : undefined
  if (wrong !== undefined) {
    throw new WrongBytes(`${who} answered ${wrong}.`)
  }
}

function deadline(milliseconds: number): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${milliseconds} ms`)), milliseconds)
  return { signal: controller.signal, clear: () => clearTimeout(timer) }
}
