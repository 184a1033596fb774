import { randomUUID } from 'node:crypto'
import { shareHandler } from './python.js'

/** How long a fact of the Python side may take before the test is called failed, by the fact's name. */
const patience = 10_000

interface ProbeRequest {
  url: string
  method?: string
  body?: string
  signal?: AbortSignal
}

/** What asks the probe: a handler of its app, or a client of another process. */
export interface Asker {
  handle: (request: ProbeRequest) => Promise<{ json: () => Promise<unknown> }>
}

/** The test's side of `fixtures/probe.py`: facts that Python tells, gates that the test opens. */
export class Probe {
  readonly #asker: Asker

  constructor(asker: Asker) {
    this.#asker = asker
  }

  /** The value of a fact, once Python has told it. */
  async wait(name: string): Promise<unknown> {
    const signal = AbortSignal.timeout(patience)
    try {
      return await this.#get(`/wait/${name}`, signal)
    } catch (error) {
      throw signal.aborted ? new Error(`Python never told "${name}"`, { cause: error }) : error
    }
  }

  /** Tells Python a fact, which opens the gate of that name. */
  async tell(name: string, value: unknown = null): Promise<void> {
    const response = await this.#asker.handle({ method: 'POST', url: `/tell/${name}`, body: JSON.stringify(value) })
    await response.json()
  }

  /** The latest value that Python noted under a name. */
  async peek(name: string): Promise<unknown> {
    return this.#get(`/peek/${name}`)
  }

  /** Everything that Python marked under a name, in order. */
  async marks(name: string): Promise<unknown[]> {
    return (await this.#get(`/marks/${name}`)) as unknown[]
  }

  /** The names of all tasks on the loop but the probe's own. */
  async tasks(): Promise<string[]> {
    return (await this.#get('/tasks')) as string[]
  }

  /** Memory blocks and tracked objects of Python after a collection. */
  async memory(): Promise<{ blocks: number; objects: number }> {
    return (await this.#get('/memory')) as { blocks: number; objects: number }
  }

  async #get(url: string, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#asker.handle(signal ? { url, signal } : { url })
    return response.json()
  }
}

/** The probe of a spec file. */
export function shareProbe(): Probe {
  return new Probe(shareHandler('probe:app'))
}

/** A name that no other test uses. */
export function unique(): string {
  return randomUUID()
}
