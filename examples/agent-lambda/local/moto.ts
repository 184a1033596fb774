// S3 and Secrets Manager of moto's, on a free port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const python = fileURLToPath(new URL('../.venv/bin/python', import.meta.url))

/** Requests without a signature are strangers' to moto; any signature is its owner's. */
export const signedByAnybody =
  'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0'

/** What a bucket has: see `Moto.list`. */
export interface Listed {
  readonly key: string
  readonly isLatest: boolean
}

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

  /** Makes a bucket with versions, as the infrastructure has it. */
  async makeBucket(name: string): Promise<void> {
    await this.ask('PUT', `/${name}`)
    const configuration =
      '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>'
    await this.ask('PUT', `/${name}?versioning`, configuration)
  }

  /** Makes a secret of Secrets Manager's. */
  async makeSecret(name: string, value: object): Promise<void> {
    await this.ask('POST', '/', JSON.stringify({ Name: name, SecretString: JSON.stringify(value) }), {
      'x-amz-target': 'secretsmanager.CreateSecret',
      'content-type': 'application/x-amz-json-1.1',
      authorization: signedByAnybody.replace('/s3/', '/secretsmanager/'),
    })
  }

  /** All versions of all objects. */
  async list(bucket: string): Promise<Listed[]> {
    const text = await (await this.ask('GET', `/${bucket}?versions`)).text()
    return [...text.matchAll(/<Version>([\s\S]*?)<\/Version>/g)].map(([, version = '']) => ({
      key: /<Key>(.*?)<\/Key>/.exec(version)?.[1] ?? '',
      isLatest: version.includes('<IsLatest>true</IsLatest>'),
    }))
  }

  /** @throws unless it is answered by 2xx */
  async ask(
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ) {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: signedByAnybody, ...headers },
      ...(body !== undefined && { body }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response
  }

  close(): Promise<void> {
    return this.#end()
  }
}
