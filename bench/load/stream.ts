import { join } from 'node:path'
import { Child } from '../harness/child.js'
import { bench } from '../harness/paths.js'
import { resultOf, type Told } from './told.js'

export interface StreamSlice {
  readonly port: number
  readonly direction: 'down' | 'up'
  readonly mebibytes: number
  /** Bodies follow each other for so long; the one under way then is carried to its end. */
  readonly seconds: number
  /** Compare every byte, not only the ends of each piece that arrives, or the length. */
  readonly whole: boolean
}

export interface StreamResult {
  readonly bodies: number
  readonly seconds: number
  /** What the generator itself has used. */
  readonly cpuSeconds: number
}

/** A client of long bodies in a process of its own: bare sockets, chunks of 64 KiB, and nothing kept. */
export class StreamLoad {
  static readonly title = 'bare sockets of node:net, one connection'
  readonly #child = new Child({
    argv: [process.execPath, join(bench, 'load', 'stream-load.js')],
    cwd: bench,
    ipc: true,
  })

  /** Names the file with the chunk that bodies repeat. */
  async expect(path: string): Promise<void> {
    await this.#child.order({ do: 'expect', path })
  }

  async run(who: string, { direction, ...slice }: StreamSlice): Promise<StreamResult> {
    const order = { do: direction, ...slice }
    return resultOf(who, await this.#child.order<Told<StreamResult>>(order, slice.seconds * 1000 + 60_000))
  }

  async stop(): Promise<void> {
    await this.#child.stop()
  }
}
