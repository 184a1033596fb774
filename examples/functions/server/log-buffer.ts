/** The last lines that an instance has logged, for engines that keep none themselves. */
import { EventEmitter, on } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { LogLine, LogOptions } from './types.js'

const LINES = 5_000

/** A line of the supervisor's; what is none of them is the runtime's own trouble. */
export function parseLine(text: string, instance: string): LogLine {
  try {
    const { t, r, s, m } = JSON.parse(text) as { t: number; r: string; s: LogLine['stream']; m: string }
    return { time: t, requestId: r, stream: s, text: m, instance }
  } catch {
    return { time: Date.now(), requestId: '', stream: 'system', text, instance }
  }
}

export class LogBuffer {
  readonly #instance: string
  readonly #lines: LogLine[] = []
  readonly #news = new EventEmitter().setMaxListeners(0)

  constructor(instance: string) {
    this.#instance = instance
  }

  read(stream: Readable): void {
    createInterface({ input: stream }).on('line', (text) => {
      const line = parseLine(text, this.#instance)
      this.#lines.push(line)
      if (this.#lines.length > LINES) this.#lines.shift()
      this.#news.emit('line', line)
    })
  }

  async *lines({ tail, follow, signal }: LogOptions): AsyncGenerator<LogLine> {
    const news = follow ? on(this.#news, 'line', { signal }) : undefined
    yield* tail > 0 ? this.#lines.slice(-tail) : []
    try {
      for await (const [line] of news ?? []) yield line as LogLine
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}
