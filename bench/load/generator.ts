import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Work } from '../works.js'
import { AutocannonLoad } from './autocannon.js'
import { WrkLoad } from './wrk.js'

export interface Slice {
  readonly port: number
  readonly work: Work
  readonly connections: number
  readonly seconds: number
  /** Milliseconds that each connection waits between a response and the next request. */
  readonly pauseMs?: number
}

export interface SliceResult {
  readonly requests: number
  readonly seconds: number
  /** Everything received, heads and bodies. */
  readonly bytes: number
  /** Responses with another status than 2xx or 3xx. */
  readonly badStatuses: number
  /** Connections refused, broken or too slow. */
  readonly socketErrors: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** A program that asks for the same thing over a number of connections for a while. */
export interface LoadGenerator {
  readonly title: string
  /** What a reader must know about figures made with it. */
  readonly caveat: string | undefined
  run(slice: Slice): Promise<SliceResult>
}

const howToGetWrk = 'wrk: "apt install wrk" on Debian and Ubuntu, "brew install wrk" on macOS'

/** `wrk` where it is installed, autocannon otherwise. */
export async function chooseLoadGenerator(wanted: 'wrk' | 'autocannon' | undefined): Promise<LoadGenerator> {
  if (wanted !== 'autocannon') {
    const path = await findOnPath('wrk')
    if (path !== undefined) {
      return WrkLoad.create(path)
    }
    if (wanted === 'wrk') {
      throw new TypeError(`wrk is not on PATH. Install ${howToGetWrk}.`)
    }
  }
  return AutocannonLoad.create(`for trustworthy figures install ${howToGetWrk}`)
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    ) {
      return path
    }
  }
  return undefined
}
