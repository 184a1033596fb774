// What is secret: handed over by start.sh through a pipe, so that it is in no environment that an agent's commands could
// read, and, where SECRETS_ID names one, in a secret of AWS Secrets Manager. Nothing here is ever logged.
import { closeSync, fstatSync, readFileSync } from 'node:fs'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'

/** The file descriptor that start.sh writes to. */
const PIPE = 9

const NAMES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'ANTHROPIC_API_KEY',
  'API_KEYS',
  'SUPABASE_URL',
  'SUPABASE_SERVICE_ROLE_KEY',
] as const

/** One of them. */
export type SecretName = (typeof NAMES)[number]

const held = new Map<string, string>()

/** A secret; `undefined` where it is not set. */
export const secret = (name: SecretName): string | undefined => held.get(name)

/** What clients of AWS's services are made with. */
export function awsClientOptions(service: 'S3' | 'SECRETS_MANAGER') {
  const endpoint = process.env[`AWS_ENDPOINT_URL_${service}`] || process.env['AWS_ENDPOINT_URL'] || undefined
  const [accessKeyId, secretAccessKey] = [secret('AWS_ACCESS_KEY_ID'), secret('AWS_SECRET_ACCESS_KEY')]
  const sessionToken = secret('AWS_SESSION_TOKEN')
  return {
    region: process.env['AWS_REGION'] || 'us-east-1',
    maxAttempts: 3,
    ...(endpoint !== undefined && { endpoint }),
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && {
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
      }),
  }
}

/**
 * Takes them, once: what came by the pipe, what stands in the environment (and leaves it), what Secrets Manager has.
 *
 * @throws what kept the secret from being read
 */
export async function takeSecrets(): Promise<void> {
  for (const [name, value] of readPipe()) held.set(name, value)
  for (const name of NAMES) {
    const value = process.env[name]
    if (value !== undefined && value !== '') held.set(name, value)
    delete process.env[name]
  }
  const id = process.env['SECRETS_ID']
  if (id !== undefined && id !== '') await takeFromSecretsManager(id)
}

function readPipe(): [string, string][] {
  try {
    const stat = fstatSync(PIPE)
    if (process.env['SECRETS_PIPE'] !== String(PIPE) || !(stat.isFIFO() || stat.isFile())) return []
  } catch {
    return []
  }
  const text = readFileSync(PIPE, 'utf8')
  closeSync(PIPE)
  return text
    .split('\n')
    .filter((line) => line.includes('='))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
}

/** A secret whose value is JSON: `{ "ANTHROPIC_API_KEY": "…" }`. */
async function takeFromSecretsManager(id: string): Promise<void> {
  const client = new SecretsManagerClient(awsClientOptions('SECRETS_MANAGER'))
  try {
    const { SecretString = '{}' } = await client.send(new GetSecretValueCommand({ SecretId: id }))
    const values = JSON.parse(SecretString) as Partial<Record<string, unknown>>
    for (const name of NAMES) {
      const value = values[name]
      if (typeof value === 'string' && value !== '' && !name.startsWith('AWS_')) held.set(name, value)
    }
  } catch (error) {
    // Neither its message nor its cause may show what stands in the secret.
    // oxlint-disable-next-line preserve-caught-error
    throw new Error(
      `the secret ${id} could not be read (${(error as Error).name}): it has to be JSON, and the role has to be allowed`,
    )
  } finally {
    client.destroy()
  }
}
