// S3 of the Versity gateway's, on a free port: it checks signatures, and conditions on writes that race, as AWS does.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Credentials } from './bucket.js'

/** A port that was free a moment ago: the gateway does not say which one it has taken. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
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
    const answers = async () => {
      while (!(await fetch(url).catch(() => undefined)));
    }
    await Promise.race([answers(), ended])
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
