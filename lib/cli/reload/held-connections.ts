import type { Socket } from 'node:net'
import type { AppProcess, ConnectionEvents } from './app-process.js'

/** A connection, open here for as long as its client is not done with it. */
interface Held {
  readonly socket: Socket
  /** Who was lent it. */
  borrower: AppProcess | undefined
  /** Whether the borrower reads it. */
  isTaken: boolean
}

/** Who answers connections: a process of the app's, or something in this process. */
export type Answerer = AppProcess | ((socket: Socket) => void)

/**
 * All connections, which outlive the processes that answer them. None is read here. While there is nobody to answer
 * them they wait.
 */
export class HeldConnections {
  readonly #all = new Map<number, Held>()
  #answerer: Answerer | undefined
  #last = 0

  /** Takes a new connection. */
  add(socket: Socket): void {
    const id = ++this.#last
    this.#all.set(id, { socket, borrower: undefined, isTaken: false })
    // It is not read, so that little can go wrong with it here; its borrower hears of the same.
    socket.on('error', () => {})
    this.#route(id)
  }

  /** From now on these connections, and those that wait, are for this one; undefined has them wait. */
  answerBy(answerer: Answerer | undefined): void {
    this.#answerer = answerer
    for (const [id, { borrower }] of this.#all) {
      if (borrower === undefined) this.#route(id)
    }
  }

  /** What is to be told of the connections of a process. */
  eventsOf(borrower: AppProcess): ConnectionEvents {
    const held = (id: number): Held | undefined => {
      const one = this.#all.get(id)
      return one?.borrower === borrower ? one : undefined
    }
    return {
      onTaken: (id) => {
        const one = held(id)
        if (one !== undefined) one.isTaken = true
      },
      onReturned: (id) => {
        if (held(id) !== undefined) this.#takeBack(id)
      },
      onClosed: (id) => {
        if (held(id) !== undefined) this.#close(id)
      },
    }
  }

  /** A process is no more: what it was reading is lost, what it had not begun to read is not. */
  reclaim(borrower: AppProcess): void {
    for (const [id, held] of this.#all) {
      if (held.borrower !== borrower) continue
      if (held.isTaken) this.#close(id)
      else this.#takeBack(id)
    }
  }

  closeAll(): void {
    for (const id of this.#all.keys()) this.#close(id)
  }

  #takeBack(id: number): void {
    Object.assign(this.#all.get(id)!, { borrower: undefined, isTaken: false })
    this.#route(id)
  }

  #route(id: number): void {
    const held = this.#all.get(id)
    const answerer = this.#answerer
    if (held === undefined || answerer === undefined) return
    if (typeof answerer === 'function') {
      this.#all.delete(id)
      answerer(held.socket)
    } else {
      held.borrower = answerer
      answerer.lend(id, held.socket)
    }
  }

  #close(id: number): void {
    this.#all.get(id)?.socket.destroy()
    this.#all.delete(id)
  }
}
