import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** Characters that wait at most; what comes on top is lost, and counted. */
const LIMIT = 1024 * 1024
/** Characters that are not held back for more to come. */
const ENOUGH = 16 * 1024
/** How long lines that may wait do so for others to join them, in milliseconds; on a terminal they do not. */
const GATHER = 10
/** How long a reader that is too slow is left alone, in milliseconds. */
const PAUSE = 20
/** Bytes that a pipe takes whole or not at all (PIPE_BUF), so that lines of several processes stay whole. */
const ATOMIC = 4096
/** How long the end of the process waits for a slow reader, in milliseconds. */
const LAST_WORDS = 1_000

const NOTHING = Buffer.alloc(0)
const NEWLINE = 0x0a

/**
 * Writes lines to a descriptor without ever holding up the event loop: many at a time, and only as fast as whoever reads
 * them. Lines beyond a limit are dropped, and said to be.
 */
export class LineWriter {
  readonly #descriptor: number
  readonly #kind: Kind
  readonly #sayLost: (lines: number) => string
  /** Whole lines. */
  #text = ''
  /** What was begun to be written. */
  #rest: Buffer = NOTHING
  #lost = 0
  #isScheduled = false
  #isSlow = false
  #isClosed = false

  /**
   * @param descriptor 1 or 2
   * @param sayLost the line that tells how many were lost
   */
  constructor(descriptor: 1 | 2, sayLost: (lines: number) => string) {
    this.#kind = kindOf(descriptor)
    this.#descriptor = this.#kind === 'file' ? descriptor : unblocked(descriptor, this.#kind)
    this.#sayLost = sayLost
    process.once('exit', () => this.#finish())
  }

  /**
   * Takes a line, or several, without the end of the last one.
   *
   * @param isUrgent whether it is to be read before what others write from now on
   */
  write(line: string, isUrgent = false): void {
    if (this.#text.length + this.#rest.length + line.length > LIMIT) {
      this.#lost += 1
      return
    }
    this.#admitLoss()
    this.#text += `${line}\n`
    if ((isUrgent || this.#text.length >= ENOUGH) && !this.#isSlow) {
      this.#flush()
    } else if (!this.#isScheduled) {
      this.#schedule()
    }
  }

  #admitLoss(): void {
    if (this.#lost > 0) {
      this.#text += `${this.#sayLost(this.#lost)}\n`
      this.#lost = 0
    }
  }

  #schedule(): void {
    this.#isScheduled = true
    // Neither keeps the process alive: it says its last words when it ends.
    if (this.#isSlow) {
      setTimeout(this.#onTime, PAUSE).unref()
    } else if (this.#kind === 'terminal') {
      setImmediate(this.#onTime).unref()
    } else {
      setTimeout(this.#onTime, GATHER).unref()
    }
  }

  readonly #onTime = (): void => {
    this.#isScheduled = false
    this.#flush()
  }

  /** Writes what can be written now. */
  #flush(): void {
    while (!this.#isClosed) {
      if (this.#rest.length === 0) {
        if (this.#text === '') this.#admitLoss()
        this.#rest = Buffer.from(this.#text)
        this.#text = ''
        if (this.#rest.length === 0) break
      }
      try {
        const written = writeSync(this.#descriptor, this.#rest, 0, this.#pieceLength())
        this.#rest = this.#rest.subarray(written)
        this.#isSlow = false
      } catch (error) {
        this.#isSlow = (error as NodeJS.ErrnoException).code === 'EAGAIN'
        if (this.#isSlow) {
          if (!this.#isScheduled) this.#schedule()
          return
        }
        this.#giveUp(error as NodeJS.ErrnoException)
      }
    }
    this.#rest = NOTHING
    this.#text = ''
  }

  #pieceLength(): number {
    const { length } = this.#rest
    if (this.#kind !== 'pipe' || length <= ATOMIC) return length
    const end = this.#rest.lastIndexOf(NEWLINE, ATOMIC - 1)
    return end === -1 ? Math.min(length, this.#rest.indexOf(NEWLINE) + 1 || length) : end + 1
  }

  /** A full disk may have room again; a reader that has left does not come back. */
  #giveUp({ code }: NodeJS.ErrnoException): void {
    this.#isClosed = code !== 'ENOSPC' && code !== 'EDQUOT'
    for (const byte of this.#rest) {
      if (byte === NEWLINE) this.#lost += 1
    }
    this.#rest = NOTHING
  }

  #finish(): void {
    const sleeper = new Int32Array(new SharedArrayBuffer(4))
    const deadline = performance.now() + LAST_WORDS
    do {
      this.#flush()
      if (!this.#isSlow) return
      Atomics.wait(sleeper, 0, 0, 5)
    } while (performance.now() < deadline)
  }
}

type Kind = 'file' | 'pipe' | 'terminal'

function kindOf(descriptor: number): Kind {
  if (isatty(descriptor)) return 'terminal'
  const stats = fstatSync(descriptor)
  return stats.isFIFO() || stats.isSocket() ? 'pipe' : 'file'
}

/** A descriptor of the same thing on which a write never waits. */
function unblocked(descriptor: 1 | 2, kind: Kind): number {
  if (kind === 'pipe') {
    // Node makes it so when it opens the stream.
    return (descriptor === 1 ? process.stdout : process.stderr).fd
  }
  // Opened anew, for others share the terminal (a shell, an editor) and want to wait.
  for (const path of [`/proc/self/fd/${descriptor}`, '/dev/tty']) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    } catch {
      // The next one, or else a terminal that can be stopped by Ctrl+S, and Node with it.
    }
  }
  return descriptor
}
