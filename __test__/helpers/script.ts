import { type Probe, unique } from './probe.js'

/** An ASGI message; bytes are written as `{ bytes: 'latin-1' }`. */
export type Message = Record<string, unknown>

/** What an app of `fixtures/asgi_script.py` does next. */
export type Step =
  | ['receive']
  /** An error ends the app. */
  | ['send', unknown]
  /** An error is marked, and the app goes on. */
  | ['try', unknown]
  | ['wait', gate: string]
  | ['tell', fact: string]
  | ['raise', words: string]

/** An error as the fixture describes it. */
export interface Raised {
  error: string
  classes: string[]
  message: string
}

/** One run of `fixtures/asgi_script.py`, told by the test what to do. */
export class Script {
  readonly name = unique()
  /** Path and query that start it. */
  readonly target: string
  readonly #probe: Probe

  constructor(probe: Probe, steps: readonly Step[]) {
    this.#probe = probe
    this.target = `/script?name=${this.name}&steps=${encodeURIComponent(JSON.stringify(steps))}`
  }

  /** What the app received and tried, once it is over. */
  async outcome(): Promise<unknown[]> {
    await this.#probe.wait(`${this.name}:left`)
    return this.marks()
  }

  /** What the app has received and tried until now. */
  async marks(): Promise<unknown[]> {
    return this.#probe.marks(this.name)
  }

  /** The error that ended the app. */
  async raised(): Promise<Raised> {
    return (await this.#probe.wait(`${this.name}:raised`)) as Raised
  }

  async wait(fact: string): Promise<void> {
    await this.#probe.wait(`${this.name}:${fact}`)
  }

  async open(gate: string): Promise<void> {
    await this.#probe.tell(`${this.name}:${gate}`)
  }
}

export const receive: Step = ['receive']
export const accept: Step = ['send', { type: 'websocket.accept' }]
export const connected = { type: 'websocket.connect' }
export const disconnected = (code: number, reason = '') => ({ type: 'websocket.disconnect', code, reason })
export const sends = (message: Message): Step => ['send', { type: 'websocket.send', ...message }]
export const closes = (message: Message = {}): Step => ['send', { type: 'websocket.close', ...message }]
export const bytes = (text: string, times = 1) => (times === 1 ? { bytes: text } : { bytes: text, times })
