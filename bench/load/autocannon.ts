import { join } from 'node:path'
import { installedVersion } from '../harness/node-peers.js'
import { bench } from '../harness/paths.js'
import { runCommand } from '../harness/run-command.js'
import { bodyFile } from './body-file.js'
import type { LoadGenerator, Slice, SliceResult } from './generator.js'

interface AutocannonResult {
  readonly requests: { readonly total: number }
  readonly throughput: { readonly total: number }
  readonly latency: { readonly p50: number; readonly p99: number; readonly p99_9: number }
  readonly duration: number
  readonly errors: number
  readonly timeouts: number
  readonly non2xx: number
}

/** The fallback: a Node program, in a process of its own. */
export class AutocannonLoad implements LoadGenerator {
  readonly title: string
  readonly caveat: string

  private constructor(version: string, advice: string) {
    this.title = `autocannon ${version}`
    this.caveat = `autocannon is itself slower than the fastest servers here and flattens their ratios; ${advice}.`
  }

  static async create(advice: string): Promise<AutocannonLoad> {
    const version = await installedVersion('autocannon')
    if (version === undefined) {
      throw new TypeError(`There is no load generator: autocannon is not installed either; ${advice}.`)
    }
    return new AutocannonLoad(version, advice)
  }

  async run({ port, work, connections, seconds, pauseMs }: Slice): Promise<SliceResult> {
    const { stdout } = await runCommand([
      process.execPath,
      join(bench, 'node_modules', 'autocannon', 'autocannon.js'),
      ...['--json', '--no-progress', '-c', String(connections), '-d', String(seconds), '-m', work.method],
      ...(work.body === undefined ? [] : ['-i', await bodyFile(work.body)]),
      ...(pauseMs === undefined ? [] : ['-R', String(Math.round((connections * 1000) / (pauseMs + 0.2)))]),
      ...Object.entries(work.headers).flatMap(([name, value]) => ['-H', `${name}=${value}`]),
      `http://127.0.0.1:${port}${work.path}`,
    ])
    const result = JSON.parse(stdout) as AutocannonResult
    return {
      requests: result.requests.total,
      seconds: result.duration,
      bytes: result.throughput.total,
      badStatuses: result.non2xx,
      socketErrors: result.errors + result.timeouts,
      p50: result.latency.p50,
      p99: result.latency.p99,
      p999: result.latency.p99_9,
    }
  }
}
