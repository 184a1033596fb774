// S3 of the Versity gateway's, on a free port: it checks signatures, and conditions on writes that race, as AWS does.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Credentials } from './bucket.js'

// The gateway does not say which port it has taken.
const { freePort } = (await import(new URL('../../../scripts/lib/running-script.mjs', import.meta.url).href)) as {
  freePort(): Promise<number>
}

/** A server of it. */
export class VersityGateway {
  readonly url: string
  readonly #end: () => Promise<void>

  private constructor(url: string, end: () => Promise<void>) {
    this.url = url
    this.#end = end
  }

  /** @throws if it does not start; `VERSITYGW` names the program */
  static async start({ accessKeyId, secretAccessKey }: Credentials): Promise<VersityGateway> {
    const folder = await mkdtemp(join(tmpdir(), 'agent-lambda-s3-'))
    const [data, versions] = [join(folder, 'data'), join(folder, 'versions')]
    await Promise.all([mkdir(data), mkdir(versions)])
    const place = `127.0.0.1:${await freePort()}`
    const child = spawn(
      process.env['VERSITYGW'] ?? 'versitygw',
      ['--port', place, 'posix', '--versioning-dir', versions, data],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'], ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
      },
    )
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (said += piece.toString()))
    const ended = Promise.race([once(child, 'close'), once(child, 'error')]).then(([why]) => {
      throw new Error(`the gateway has ended (${String(why)}): ${said}`)
    })
    ended.catch(() => {})
    const url = `http://${place}`
    // Each look is over at its end as well: nobody looks for ever for one that does not start.
    while (!(await Promise.race([fetch(url).catch(() => undefined), ended])));
    return new VersityGateway(url, async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const closed = once(child, 'close')
        child.kill('SIGKILL')
        await closed
      }
      await rm(folder, { recursive: true, force: true })
    })
  }

  close(): Promise<void> {
    return this.#end()
  }
}
