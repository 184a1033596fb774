import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type HandlerOptions, testOptions } from './python.js'

const publicFace = new URL('../../index.js', import.meta.url).href
const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** A Node process of its own, for what cannot be tested from within: leaving, signals, pipes. */
export class NodeProcess {
  readonly child: ChildProcessWithoutNullStreams
  /** When it was over, on the clock of `performance.now()`. */
  endedAt = 0
  readonly #closed: Promise<Exit>
  #over = false
  #stdout = ''
  #stderr = ''
  readonly #waiting = new Set<() => void>()

  constructor(child: ChildProcessWithoutNullStreams, reading: 'now' | 'later') {
    this.child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      this.#wake()
    })
    if (reading === 'now') this.read()
    child.once('exit', () => (this.endedAt = performance.now()))
    this.#closed = once(child, 'close').then(([code, signal]) => {
      this.#over = true
      this.#wake()
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: this.#stdout,
        stderr: this.#stderr,
      }
    })
  }

  /** Begins to read stdout. */
  read(): void {
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#wake()
    })
  }

  /** Whether stdout or stderr holds a text now. */
  printed(text: string): boolean {
    return this.#stdout.includes(text) || this.#stderr.includes(text)
  }

  /** Waits until stdout or stderr holds a text; fails when the process ends before. */
  async prints(text: string): Promise<void> {
    while (!this.printed(text)) {
      if (this.#over)
        throw new Error(`the process ended before it printed "${text}":\n${this.#stdout}\n${this.#stderr}`)
      await this.#news()
    }
  }

  /** Waits until a pattern matches what was printed to stdout, and gives the match. */
  async printsLine(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#stdout)
      if (match) return match[0]
      if (this.#over)
        throw new Error(`the process ended before it printed ${pattern}:\n${this.#stdout}\n${this.#stderr}`)
      await this.#news()
    }
  }

  /** Resolves when it has printed more, or has ended. */
  async #news(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve))
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  /** How it ended, and everything it printed. */
  async ends(): Promise<Exit> {
    return this.#closed
  }
}

/** Runs a module's source in which `PythonHandler` and the `options` of the test's handler are known. */
export function runNode(
  t: ExecutionContext,
  options: string | HandlerOptions,
  source: string,
  settings: { env?: NodeJS.ProcessEnv; reading?: 'now' | 'later'; flags?: string[] } = {},
): NodeProcess {
  const { env = {}, reading = 'now', flags = [] } = settings
  const own = typeof options === 'string' ? { app: options } : options
  const prelude = [
    `import { PythonHandler } from ${JSON.stringify(publicFace)}`,
    `const options = ${JSON.stringify(testOptions({ lifespan: 'auto', ...own }))}`,
    `const publicFace = ${JSON.stringify(publicFace)}`,
  ]
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', `${prelude.join('\n')}\n${source}`], {
    cwd: root,
    env: { ...cleanEnvironment(), ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  return new NodeProcess(child, reading)
}

/** Without what ava and its loader leave for their own processes. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_CHANNEL_FD: __, NODE_V8_COVERAGE: ___, ...env } = process.env
  return env
}
