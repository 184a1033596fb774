// The whole service on this machine: both functions, S3, and a stand-in of the Messages API.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startMessagesApi, type StandIn } from '../../../__test__/helpers/messages-api.js'
import { Bucket } from './bucket.js'
import { LocalFunction } from './environments.js'
import { Moto } from './moto.js'
import { VersityGateway } from './versity-gateway.js'

export const BUCKET = 'claude-code-sessions'
/** The key of whoever may ask, and of somebody else who may. */
export const KEY = 'key-of-the-first-caller'
export const OTHER_KEY = 'key-of-another-caller'
/** What is secret. */
export const SECRETS = {
  AWS_ACCESS_KEY_ID: 'AKIALOCALACCESSKEYID',
  AWS_SECRET_ACCESS_KEY: 'local-secret-access-key',
  AWS_SESSION_TOKEN: 'local-session-token',
  ANTHROPIC_API_KEY: 'sk-ant-api03-only-the-proxy-knows-this',
  SUPABASE_URL: 'https://local.supabase.example',
  SUPABASE_SERVICE_ROLE_KEY: 'local-service-role-key',
}

/** How one is to be. */
export interface Choices {
  /** Over those that there are by default; `undefined` takes one away. */
  env?: NodeJS.ProcessEnv
  /** Milliseconds of an invocation. */
  timeout?: number
  /** Uses the Messages API that `ANTHROPIC_API_KEY` is for, and no stand-in. */
  isReal?: boolean
}

/** Who owns the bucket. */
export const OWNER = { accessKeyId: SECRETS.AWS_ACCESS_KEY_ID, secretAccessKey: SECRETS.AWS_SECRET_ACCESS_KEY }
/** Whether S3 is a server that checks signatures: see versity-gateway.ts. */
export const isVersity = process.env['AGENT_S3'] === 'versitygw'

/** One. */
export class Service {
  readonly moto: Moto
  readonly bucket: Bucket
  /** Of S3. */
  readonly s3: { url: string; close(): Promise<void> }
  /** Of the Messages API. */
  readonly api: StandIn
  readonly buffered: LocalFunction
  readonly streamed: LocalFunction
  readonly #root: string

  private constructor(
    moto: Moto,
    s3: Service['s3'],
    api: StandIn,
    root: string,
    buffered: LocalFunction,
    streamed: LocalFunction,
  ) {
    this.moto = moto
    this.s3 = s3
    this.bucket = new Bucket(s3.url, BUCKET, OWNER)
    this.api = api
    this.buffered = buffered
    this.streamed = streamed
    this.#root = root
  }

  static async start({ env = {}, timeout, isReal = false }: Choices = {}): Promise<Service> {
    const [moto, api, root] = await Promise.all([
      Moto.start(),
      startMessagesApi({ token: SECRETS.ANTHROPIC_API_KEY }),
      mkdtemp(join(tmpdir(), 'agent-lambda-')),
    ])
    const s3 = isVersity ? await VersityGateway.start(OWNER) : moto
    await new Bucket(s3.url, BUCKET, OWNER).make()
    const { PATH, LANG, ANTHROPIC_API_KEY } = process.env
    const all = {
      PATH,
      LANG,
      PYTHON: fileURLToPath(new URL('../.venv', import.meta.url)),
      ...SECRETS,
      // It has its own keys, and none that are for a while.
      ...(isVersity && { AWS_SESSION_TOKEN: undefined }),
      ...(isReal ? { ANTHROPIC_API_KEY } : { ANTHROPIC_BASE_URL: api.url, AGENT_RETRIES: '1' }),
      API_KEYS: `${KEY} ${OTHER_KEY}`,
      AWS_ENDPOINT_URL: moto.url,
      AWS_ENDPOINT_URL_S3: s3.url,
      AWS_REGION: 'us-east-1',
      S3_BUCKET_NAME: BUCKET,
      AGENT_ROOT: root,
      ...env,
    }
    const [buffered, streamed] = await Promise.all([
      LocalFunction.start('buffered', all, timeout),
      LocalFunction.start('streamed', all, timeout),
    ])
    return new Service(moto, s3, api, root, buffered, streamed)
  }

  get log(): string {
    return this.buffered.log + this.streamed.log
  }

  async close(): Promise<void> {
    await this.buffered.close()
    await this.streamed.close()
    await this.api.close()
    await this.s3.close()
    await this.moto.close()
    await rm(this.#root, { recursive: true, force: true })
  }
}
