// Hears when the client leaves whose request of `node:http` is behind a `Request`.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AmphisError } from '../base/errors.js'
import { unwatchConnection, watchEnd } from '../wire/connection-close.js'
import { isGone } from '../wire/http2-response.js'

/** Whether the client of a request has left, from its head to the end of its response. */
export class ClientWatch {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  #giveUp: ((error: Error) => void) | undefined

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming
    this.#outgoing = outgoing
  }

  /** @throws {AmphisError} `AMPHIS_ERR_ABORTED` when it has left already */
  assertThere(): void {
    if (isGone(this.#outgoing)) {
      throw left()
    }
  }

  /** @param giveUp called once when it leaves before all of the response has reached it */
  start(giveUp: (error: Error) => void): void {
    this.#giveUp = giveUp
    watchEnd(this.#incoming, this.#outgoing, this.#onEnd)
  }

  stop(): void {
    this.#giveUp = undefined
    unwatchConnection(this.#incoming.socket, this.#onEnd)
  }

  readonly #onEnd = (): void => {
    if (!this.#outgoing.writableFinished) {
      this.#giveUp?.(left())
    }
    this.stop()
  }
}

function left(): AmphisError {
  return new AmphisError('AMPHIS_ERR_ABORTED', 'The client of the request has left.')
}
