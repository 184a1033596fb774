import type { WebSocket } from 'ws'
import type { Binding } from '../bridge/bridge.js'

/** Bytes of a frame from which on a call into Rust costs less than what `ws` does byte by byte. */
const WORTHWHILE = 64

/** What ws keeps of a frame that it receives. */
interface Receiver {
  _masked: boolean
  _mask: Buffer
  consume(bytes: number): Buffer
}

const NO_MASK = Buffer.alloc(4)

let consume: ((this: Receiver, bytes: number) => Buffer) | undefined

/**
 * Has what a client sends unmasked by Rust. Without its optional companion in C `ws` does it in JavaScript, which takes
 * most of the time of a large message. Call before the first byte is read.
 */
export function unmaskNatively(webSocket: WebSocket, { unmask }: Pick<Binding, 'unmask'>): void {
  const { _receiver: receiver } = webSocket as WebSocket & { _receiver?: Receiver }
  if (typeof receiver?.consume !== 'function') {
    return
  }
  const { consume: take } = Object.getPrototypeOf(receiver) as Receiver
  receiver.consume = consume ??= function (bytes) {
    const data = take.call(this, bytes)
    // The parts of a frame's header are shorter. ws does nothing about a mask of zeros.
    if (bytes >= WORTHWHILE && this._masked) {
      unmask(data, this._mask.readUInt32LE(0))
      this._mask = NO_MASK
    }
    return data
  }
}
