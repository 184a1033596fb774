import { join } from 'node:path'
import { Child, ContestantFailed } from '../harness/child.js'
import { bench } from '../harness/paths.js'
import { resultOf, type Told } from './told.js'

export interface EventsSlice {
  readonly port: number
  readonly path: string
  readonly clients: number
  readonly seconds: number
  /** Events that a client does not get are counted as missed. */
  readonly everyEvent: boolean
}

export interface EventsResult {
  /** Delivered to all clients together. */
  readonly events: number
  readonly missed: number
  readonly seconds: number
  /** Milliseconds from when the app made an event to when a client had read it. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Clients that received any. */
  readonly heard: number
  /** What the generator itself has used. */
  readonly cpuSeconds: number
}

/** A client of server-sent events in a process of its own, over bare sockets. Each byte of each event is checked. */
export class EventsLoad {
  static readonly title = 'bare sockets of node:net'
  readonly #child = new Child({
    argv: [process.execPath, join(bench, 'load', 'events-load.js')],
    cwd: bench,
    ipc: true,
  })

  async run(who: string, slice: EventsSlice): Promise<EventsResult> {
    const told = await this.#child.order<Told<EventsResult>>({ do: 'load', ...slice }, slice.seconds * 1000 + 60_000)
    const result = resultOf(who, told)
    if (result.heard < slice.clients) {
      throw new ContestantFailed(`only ${result.heard} of ${slice.clients} clients received any event`)
    }
    return result
  }

  async stop(): Promise<void> {
    await this.#child.stop()
  }
}
