import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { CommandError, runCommand } from '../harness/run-command.js'
import { bodyFile } from './body-file.js'
import type { LoadGenerator, Slice, SliceResult } from './generator.js'

const script = fileURLToPath(new URL('wrk.lua', import.meta.url))

export class WrkLoad implements LoadGenerator {
  readonly title: string
  readonly caveat = undefined
  readonly #path: string

  private constructor(path: string, title: string) {
    this.#path = path
    this.title = title
  }

  static async create(path: string): Promise<WrkLoad> {
    return new WrkLoad(path, await versionOf(path))
  }

  async run({ port, work, connections, seconds, pauseMs = 0 }: Slice): Promise<SliceResult> {
    const { stdout } = await runCommand(
      [
        this.#path,
        '-t1',
        `-c${connections}`,
        `-d${seconds}s`,
        '--timeout',
        '10s',
        '-s',
        script,
        `http://127.0.0.1:${port}${work.path}`,
      ],
      {
        env: {
          ...process.env,
          BENCH_METHOD: work.method,
          BENCH_BODY_FILE: work.body === undefined ? '' : await bodyFile(work.body),
          BENCH_PAUSE_MS: String(pauseMs),
          BENCH_HEADERS: Object.entries(work.headers)
            .map(([name, value]) => `${name}: ${value}\n`)
            .join(''),
        },
      },
    )
    const line = stdout.split('\n').find((text) => text.startsWith('{'))
    if (line === undefined) {
      throw new CommandError(`wrk printed no result: ${stdout.trim()}`)
    }
    return JSON.parse(line) as SliceResult
  }
}

/** The first line of `wrk -v`, which ends with exit code 1 by design. */
function versionOf(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ''
    const child = spawn(path, ['-v'], { stdio: ['ignore', 'pipe', 'ignore'] })
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
    child.once('error', reject)
    child.once('close', () => resolve(/^wrk \S+/.exec(printed)?.[0] ?? 'wrk'))
  })
}
