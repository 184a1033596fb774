/** One event of a stream of Server-Sent Events: its fields by name; what follows a colon alone is the `comment`. */
export type StreamedEvent = Record<string, string>

/** The events of a `text/event-stream`, in order. */
export class EventStream {
  readonly #chunks: AsyncIterator<unknown>
  readonly #decoder = new TextDecoder()
  #text = ''

  constructor(stream: AsyncIterable<unknown>) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** The next event; fails when the stream ends before. */
  async next(): Promise<StreamedEvent> {
    for (;;) {
      const end = /\r\n\r\n|\n\n|\r\r/.exec(this.#text)
      if (end) {
        const event = parse(this.#text.slice(0, end.index))
        this.#text = this.#text.slice(end.index + end[0].length)
        return event
      }
      const { done, value } = await this.#chunks.next()
      if (done === true) throw new Error(`the stream ended before an event; left: ${this.#text}`)
      this.#text += this.#decoder.decode(value as Uint8Array, { stream: true })
    }
  }
}

function parse(block: string): StreamedEvent {
  const event: StreamedEvent = {}
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? []
    const field = name || 'comment'
    event[field] = field in event ? `${event[field]}\n${value}` : value
  }
  return event
}
