import { createInterface, type Interface } from 'node:readline/promises'
import { styleText } from 'node:util'

/** Questions in a terminal; each is answered undefined once the terminal is left (Ctrl+C, Ctrl+D). */
export class Questions {
  readonly #lines: Interface
  readonly #left = new AbortController()

  constructor() {
    this.#lines = createInterface({ input: process.stdin, output: process.stdout })
    this.#lines.on('SIGINT', () => this.#lines.close())
    this.#lines.on('close', () => this.#left.abort())
  }

  /** @param usual what an empty answer stands for */
  async text(question: string, usual: string): Promise<string | undefined> {
    if (this.#left.signal.aborted) return undefined
    const asked = `${styleText('bold', question)} [${usual}] `
    try {
      return (await this.#lines.question(asked, { signal: this.#left.signal })).trim() || usual
    } catch (error) {
      if (!this.#left.signal.aborted) throw error
      console.log()
      return undefined
    }
  }

  /** Asks until it is one of the choices, the first of which is the usual one. */
  async choice<T extends string>(question: string, choices: readonly [T, ...T[]]): Promise<T | undefined> {
    for (;;) {
      const answer = await this.text(`${question} (${choices.join('/')})`, choices[0])
      if (answer === undefined) return undefined
      const chosen = choices.find((choice) => choice === answer.toLowerCase())
      if (chosen !== undefined) return chosen
    }
  }

  close(): void {
    this.#lines.close()
  }
}
