// Where sessions are kept: a bucket, written to on conditions only.
import { GetObjectCommand, PutObjectCommand, S3Client, type PutObjectCommandInput } from '@aws-sdk/client-s3'
import { awsClientOptions } from './secrets.js'

/** An object as it was read. */
export interface Kept {
  readonly bytes: Uint8Array
  readonly etag: string
  readonly metadata: Record<string, string>
}

/** A lease of a session: who has it may write the session. */
interface Lease {
  readonly until: number
}

let made: { client: S3Client } | undefined

/** Made when it is first needed: before, there are no secrets to make it with. */
function s3(): S3Client {
  if (made === undefined) {
    const options = awsClientOptions('S3')
    made = {
      client: new S3Client({
        ...options,
        // A server of one's own has no names of buckets in its host.
        forcePathStyle: options.endpoint !== undefined,
        requestHandler: { connectionTimeout: 3000, requestTimeout: 20_000 },
      }),
    }
  }
  return made.client
}

function bucket(): string {
  const name = process.env['S3_BUCKET_NAME']
  if (!name) throw new Error('S3_BUCKET_NAME is not set: name the bucket that keeps the sessions')
  return name
}

const hasStatus = (error: unknown, ...codes: number[]): boolean =>
  codes.includes((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0)

/** Bucket missing and object missing are both a 404. */
const isMissing = (error: unknown): boolean => hasStatus(error, 404) && (error as Error).name !== 'NoSuchBucket'

/** What a condition that does not hold is answered by; 409 while another write is under way. */
const isConflict = (error: unknown): boolean => hasStatus(error, 409, 412)

/** An error for people: what was tried, and S3's name of what came of it. */
function told(what: string, error: unknown): Error {
  const { name, message, code } = error as Error & { code?: string }
  return new Error(`${what} s3://${bucket()} has failed (${code ?? name}): ${message || 'no answer'}`, { cause: error })
}

/** How large an object is, and what is said of it; `null` where there is none. */
export async function look(key: string): Promise<{ size: number; metadata: Record<string, string> } | null> {
  try {
    // One byte of it: of what is asked by HEAD, a bucket that is missing looks like an object that is.
    const output = await s3().send(new GetObjectCommand({ Bucket: bucket(), Key: key, Range: 'bytes=0-0' }))
    const { Body, ContentRange = '', Metadata = {} } = output
    await Body?.transformToByteArray()
    return { size: Number(ContentRange.split('/')[1]), metadata: Metadata }
  } catch (error) {
    if (isMissing(error)) return null
    throw told(`Reading ${key} from`, error)
  }
}

/** An object; `null` where there is none. */
export async function read(key: string): Promise<Kept | null> {
  try {
    const output = await s3().send(new GetObjectCommand({ Bucket: bucket(), Key: key }))
    const { Body, ETag = '', Metadata = {} } = output
    return { bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(), etag: ETag, metadata: Metadata }
  } catch (error) {
    if (isMissing(error)) return null
    throw told(`Reading ${key} from`, error)
  }
}

/**
 * Writes an object if it is still the one that was read.
 *
 * @param etag of what was read; `null` if there must be none yet
 * @returns its new tag; `null` if somebody else has written it
 */
export async function write(
  key: string,
  bytes: Uint8Array,
  etag: string | null,
  metadata: Record<string, string> = {},
): Promise<string | null> {
  const input: PutObjectCommandInput = {
    Bucket: bucket(),
    Key: key,
    Body: bytes,
    Metadata: metadata,
    ContentType: key.endsWith('.zip') ? 'application/zip' : 'application/json',
    ...(etag === null ? { IfNoneMatch: '*' } : { IfMatch: etag }),
  }
  try {
    const { ETag = '' } = await s3().send(new PutObjectCommand(input))
    return ETag
  } catch (error) {
    // One that is gone since it was read is no longer what was read, either.
    if (isConflict(error) || (etag !== null && isMissing(error))) return null
    throw told(`Writing ${key} to`, error)
  }
}

const leaseOf = (id: string): string => `leases/${id}`
const leaseUntil = (until: number) => Buffer.from(JSON.stringify({ until } satisfies Lease))

/**
 * Takes the lease of a session, if nobody has it or whoever had it is long over.
 *
 * @param seconds after which it is nobody's, more than an invocation can last
 * @returns what to give it back by; `null` where somebody else has it
 */
export async function claim(id: string, seconds: number): Promise<string | null> {
  const now = Date.now()
  const lease = leaseUntil(now + seconds * 1000)
  const first = await write(leaseOf(id), lease, null)
  if (first !== null) return first
  const held = await read(leaseOf(id))
  if (held === null) return null
  const { until } = JSON.parse(Buffer.from(held.bytes).toString()) as Lease
  return until < now ? write(leaseOf(id), lease, held.etag) : null
}

/** Gives it back, unless it was over and somebody else has it by now. It is not deleted: that would ask nobody whose it is. */
export async function release(id: string, etag: string): Promise<void> {
  await write(leaseOf(id), leaseUntil(0), etag)
}

/** Where a session is, for people. */
export const urlOf = (key: string): string => `s3://${bucket()}/${key}`
