import { join } from 'node:path'
import { Child } from '../harness/child.js'
import { bench } from '../harness/paths.js'
import { resultOf, type Told } from './told.js'

export interface FileSlice {
  readonly port: number
  readonly path: string
  readonly connections: number
  /** Files are asked for so long; those under way then are read to their end. */
  readonly seconds: number
  /** Compare every byte, not only the ends of each piece that arrives. */
  readonly whole: boolean
}

export interface FileResult {
  readonly files: number
  readonly seconds: number
  /** What the generator itself has used. */
  readonly cpuSeconds: number
}

/** A client of large files in a process of its own: it reads bare sockets into one buffer and keeps nothing. */
export class FileLoad {
  static readonly title = 'bare sockets of node:net, read a MiB at a time'
  readonly #child = new Child({
    argv: [process.execPath, join(bench, 'load', 'file-load.js')],
    cwd: bench,
    ipc: true,
  })

  /** Names the file that the answers have to be. */
  async expect(path: string): Promise<void> {
    await this.#child.order({ do: 'expect', path })
  }

  async run(who: string, slice: FileSlice): Promise<FileResult> {
    const order = { do: 'load', ...slice }
    return resultOf(who, await this.#child.order<Told<FileResult>>(order, slice.seconds * 1000 + 60_000))
  }

  async stop(): Promise<void> {
    await this.#child.stop()
  }
}
