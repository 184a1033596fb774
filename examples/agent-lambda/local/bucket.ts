// The bucket of the sessions as its owner sees it, by the S3 client that the function has.
import { createRequire } from 'node:module'
import type * as S3 from '../lambda/function/node_modules/@aws-sdk/client-s3/dist-types/index.js'

const require = createRequire(new URL('../lambda/function/package.json', import.meta.url))
const {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} = require('@aws-sdk/client-s3') as typeof S3

/** Who signs. */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** An object as it lies there. */
export interface Lying {
  readonly bytes: Buffer
  readonly metadata: Record<string, string>
  readonly version: string | undefined
}

/** One. */
export class Bucket {
  readonly name: string
  readonly #client: S3.S3Client

  constructor(endpoint: string, name: string, credentials: Credentials) {
    this.name = name
    this.#client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  }

  /** With versions, as the infrastructure has it. */
  async make(): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: this.name }))
    const VersioningConfiguration = { Status: 'Enabled' } as const
    await this.#client.send(new PutBucketVersioningCommand({ Bucket: this.name, VersioningConfiguration }))
  }

  /** How many versions an object has. */
  async versions(key: string): Promise<number> {
    const { Versions = [] } = await this.#client.send(new ListObjectVersionsCommand({ Bucket: this.name, Prefix: key }))
    return Versions.filter(({ Key }) => Key === key).length
  }

  async put(key: string, body: string, metadata: Record<string, string> = {}): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.name, Key: key, Body: body, Metadata: metadata }))
  }

  async get(key: string): Promise<Lying> {
    const got = await this.#client.send(new GetObjectCommand({ Bucket: this.name, Key: key }))
    const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? [])
    return { bytes, metadata: got.Metadata ?? {}, version: got.VersionId }
  }
}
