/** Tokens of containers and receipts of events: signed, so that every server of a service can check them without a list. */
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface Receipt {
  /** Event. */
  e: string
  /** Function. */
  f: string
  /** Instance. */
  i: string
  /** Attempt. */
  n: number
  mode: 'sync' | 'async'
  queuedAt: number
  /** The queue's own receipt. */
  q: string
}

export interface Bearer {
  functionId: string
  instanceId: string
}

export class Tokens {
  readonly #secret: string

  constructor(secret: string) {
    this.#secret = secret
  }

  #sign(kind: string, text: string): string {
    return createHmac('sha256', this.#secret).update(`${kind}\0${text}`).digest('base64url')
  }

  #seal(kind: string, value: unknown): string {
    const text = Buffer.from(JSON.stringify(value)).toString('base64url')
    return `${text}.${this.#sign(kind, text)}`
  }

  #open(kind: string, sealed: string): unknown {
    const [text = '', mac = ''] = sealed.split('.')
    const [given, right] = [Buffer.from(mac), Buffer.from(this.#sign(kind, text))]
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined
    return JSON.parse(Buffer.from(text, 'base64url').toString())
  }

  tokenOf(bearer: Bearer): string {
    return this.#seal('token', bearer)
  }

  bearer(token: string): Bearer | undefined {
    return this.#open('token', token) as Bearer | undefined
  }

  receiptOf(receipt: Receipt): string {
    return this.#seal('receipt', receipt)
  }

  receipt(sealed: string): Receipt | undefined {
    return this.#open('receipt', sealed) as Receipt | undefined
  }
}
