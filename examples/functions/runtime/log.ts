/** What an invocation prints, as lines of JSON on the supervisor's stdout: the engine keeps them. */
import type { Readable } from 'node:stream'
import { endMark } from './messages.js'

/** Bytes that one invocation may log; what is more is dropped, and said. */
const LIMIT = 256 * 1024
/** A line that does not end is cut here. */
const LONGEST = 16 * 1024

export type Stream = 'stdout' | 'stderr' | 'start' | 'end' | 'system'

/** Milliseconds that a start may wait for what comes after it: each write wakes the engine, which the invocation feels. */
const PATIENCE = 20
let waiting = ''

export function log(requestId: string, stream: Stream, text: string): void {
  waiting += `${JSON.stringify({ t: Date.now(), r: requestId, s: stream, m: text })}\n`
  if (stream === 'start') setTimeout(flush, PATIENCE)
  else flush()
}

function flush(): void {
  if (waiting !== '') process.stdout.write(waiting)
  waiting = ''
}

process.on('exit', flush)

/** The output of one child: its lines belong to the invocation that is under way. */
export class ChildLog {
  #requestId = ''
  #left = LIMIT
  #ended = new Set<string>()
  #wake = () => {}

  constructor(stdout: Readable, stderr: Readable) {
    this.#read(stdout, 'stdout')
    this.#read(stderr, 'stderr')
  }

  begin(requestId: string): void {
    this.#requestId = requestId
    this.#left = LIMIT
    this.#ended.clear()
  }

  /** Resolves when both streams have said all; a child that is gone says no more. */
  async end(milliseconds: number): Promise<void> {
    if (this.#ended.size >= 2) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #read(stream: Readable, name: 'stdout' | 'stderr'): void {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      rest += chunk
      for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
        this.#line(name, rest.slice(0, at))
        rest = rest.slice(at + 1)
      }
      for (; rest.length > LONGEST; rest = rest.slice(LONGEST)) this.#line(name, rest.slice(0, LONGEST))
    })
    stream.on('close', () => {
      if (rest) this.#line(name, rest)
      this.#mark(name)
    })
    stream.on('error', () => {})
  }

  #mark(name: string): void {
    this.#ended.add(name)
    if (this.#ended.size >= 2) this.#wake()
  }

  #line(name: 'stdout' | 'stderr', line: string): void {
    const mark = line.indexOf(endMark(this.#requestId))
    if (mark === 0) return this.#mark(name)
    // What ends without a newline stands before the mark.
    const text = mark > 0 ? line.slice(0, mark) : line
    if (this.#left > 0) {
      log(this.#requestId, name, text)
      this.#left -= text.length + 1
      if (this.#left <= 0) log(this.#requestId, 'system', `the output is cut off after ${LIMIT} bytes`)
    }
    if (mark > 0) this.#mark(name)
  }
}
