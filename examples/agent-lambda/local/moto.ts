// S3 and Secrets Manager of moto's, on a free port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const python = fileURLToPath(new URL('../.venv/bin/python', import.meta.url))

/** Requests without a signature are strangers' to moto; any signature is its owner's. */
const authorization =
  'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0'

/** A server of moto's. */
export class Moto {
  readonly url: string
  readonly #end: () => Promise<void>

  private constructor(url: string, end: () => Promise<void>) {
    this.url = url
    this.#end = end
  }

  /** @throws if it does not start: it is installed by `npm run setup:agent-lambda` */
  static async start(): Promise<Moto> {
    const child = spawn(python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PYTHONUNBUFFERED: '1' },
    })
    let said = ''
    const url = await new Promise<string>((resolve, reject) => {
      const look = (piece: Buffer) => {
        said += piece.toString()
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said)
        if (found) resolve(found[0])
      }
      child.stdout.on('data', look)
      child.stderr.on('data', look)
      child.once('error', reject)
      child.once('close', () => reject(new Error(`moto has ended: ${said}`)))
    })
    return new Moto(url, async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    })
  }

  /** Makes a secret of Secrets Manager's. */
  async makeSecret(name: string, value: object): Promise<void> {
    const response = await fetch(this.url, {
      method: 'POST',
      headers: {
        authorization,
        'x-amz-target': 'secretsmanager.CreateSecret',
        'content-type': 'application/x-amz-json-1.1',
      },
      body: JSON.stringify({ Name: name, SecretString: JSON.stringify(value) }),
    })
    if (!response.ok) throw new Error(`the secret was not made: ${response.status} ${await response.text()}`)
  }

  close(): Promise<void> {
    return this.#end()
  }
}
