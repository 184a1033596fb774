import { Agent } from 'node:http'
import type { ExecutionContext } from 'ava'
import { type Answer, request, type RequestOptions } from './client.js'

/** Clients that send one request after the other, until they are told to stop. */
export class Load {
  /** How often each text was answered with a 200. */
  readonly answers = new Map<string, number>()
  /** What went wrong, of every request that got no 200. */
  readonly failures: string[] = []
  readonly #clients: Promise<void>[]
  #isOver = false
  #total = 0
  #wake: () => void = () => {}

  /**
   * Half of them keep their connection, the others take a new one for each request.
   *
   * @param url `GET` of it answers with the text that is counted
   */
  constructor(t: ExecutionContext, url: string, clients = 8, options: RequestOptions = {}) {
    this.#clients = Array.from({ length: clients }, async (_, index) => {
      const agent = index % 2 === 0 ? new Agent({ keepAlive: true, maxSockets: 1 }) : false
      while (!this.#isOver) await this.#once(url, { ...options, agent })
      if (agent) agent.destroy()
    })
    t.teardown(() => this.stop())
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#clients)
  }

  /** Waits for so many more requests to be over. */
  async goesOn(requests = 200): Promise<void> {
    const enough = this.#total + requests
    await this.until(() => this.#total >= enough)
  }

  /** Waits until something is true, and looks after each request. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  async #once(url: string, options: RequestOptions): Promise<void> {
    try {
      this.#count(await request(url, options))
    } catch (error) {
      this.failures.push(String(error))
    }
    this.#total += 1
    this.#wake()
  }

  #count({ status, text }: Answer): void {
    if (status === 200) this.answers.set(text, (this.answers.get(text) ?? 0) + 1)
    else this.failures.push(`${status} ${text}`)
  }
}
