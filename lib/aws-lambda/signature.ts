// Signature Version 4, as far as a POST with a body needs it.
import { createHash, createHmac } from 'node:crypto'

/** Whoever signs. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** What is signed. */
export interface SignedRequest {
  readonly host: string
  /** As it goes over the wire: percent-encoded once. */
  readonly path: string
  readonly body: Uint8Array
  readonly region: string
  readonly service: string
  readonly date: Date
}

const ALGORITHM = 'AWS4-HMAC-SHA256'

/** The headers that sign a POST. */
export function signatureHeaders(
  { host, path, body, region, service, date }: SignedRequest,
  { accessKeyId, secretAccessKey, sessionToken }: Credentials,
): Record<string, string> {
  const time = date.toISOString().replaceAll(/[:-]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const signed: [name: string, value: string][] = [
    ['host', host],
    ['x-amz-date', time],
    ...(sessionToken === undefined ? [] : [['x-amz-security-token', sessionToken] as [string, string]]),
  ]
  const names = signed.map(([name]) => name).join(';')
  // All services but S3 have the path encoded once more.
  const canonicalPath = path.split('/').map(encodeURIComponent).join('/')
  const canonical = [
    'POST',
    canonicalPath,
    '',
    ...signed.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    sha256(body),
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const text = [ALGORITHM, time, scope, sha256(canonical)].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`)
  const signature = createHmac('sha256', key).update(text).digest('hex')
  const headers: Record<string, string> = Object.fromEntries(signed)
  headers['authorization'] =
    `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return headers
}

function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
