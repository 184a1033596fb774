import { join } from 'node:path'
import { Child, ContestantFailed } from '../harness/child.js'
import { bench } from '../harness/paths.js'
import { resultOf, type Told } from './told.js'

/** Messages of random bytes, or of random ASCII characters. */
export interface MessageKind {
  readonly kind: 'text' | 'binary'
  readonly bytes: number
}

export interface EchoSlice extends MessageKind {
  readonly port: number
  readonly connections: number
  readonly seconds: number
}

export interface EchoResult {
  readonly echoes: number
  readonly seconds: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** What the generator itself has used. */
  readonly cpuSeconds: number
}

const path = '/echo'

/**
 * A client of WebSocket echoes in a process of its own. It writes frames that are ready made to bare sockets and looks
 * at no more of the replies than their headers, except for the first of each connection and one in 64, which it
 * compares whole. Compression is not offered.
 */
export class WebSocketLoad {
  static readonly title = 'bare sockets of node:net, frames ready made'
  readonly #child = new Child({
    argv: [process.execPath, join(bench, 'load', 'websocket-load.js')],
    cwd: bench,
    ipc: true,
  })

  /** Connects, echoes one message at a time over each connection for a while, and closes. */
  async run(who: string, { port, connections, kind, bytes, seconds }: EchoSlice): Promise<EchoResult> {
    const order = { do: 'load', target: { port, path }, connections, kind, bytes, seconds }
    const result = await this.#order<EchoResult>(who, order, seconds * 1000 + 30_000)
    if (result.echoes === 0) {
      throw new ContestantFailed('echoed no message under load')
    }
    return result
  }

  /** Opens connections that say nothing; `localAddresses` take turns where one has too few ports. */
  async hold(who: string, port: number, count: number, localAddresses: readonly string[]): Promise<void> {
    await this.#order(who, { do: 'hold', target: { port, path }, count, localAddresses })
  }

  /** Has every held connection echo a message, and returns how many did. */
  async echoAll(who: string, message: MessageKind): Promise<number> {
    const { echoes } = await this.#order<{ echoes: number }>(who, { do: 'echoAll', ...message })
    return echoes
  }

  async stop(): Promise<void> {
    await this.#child.stop()
  }

  async #order<Result extends object>(who: string, order: Readonly<Record<string, unknown>>, withinMs = 120_000) {
    return resultOf(who, await this.#child.order<Told<Result>>(order, withinMs))
  }
}
