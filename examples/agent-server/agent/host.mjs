// What the Node.js half has for the Python half: the secrets that came by the pipe, the credential proxy, the address of
// the agent's program. The token of the Messages API stays here.
import { closeSync, existsSync, fstatSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CredentialProxy } from '../../shared/credential-proxy/proxy.mjs'

const require = createRequire(import.meta.url)
/** File descriptor on which scripts/start.sh hands the secrets over. */
const PIPE = 3

/** @type {Record<string, string>} */
let secrets = {}
/** @type {CredentialProxy | undefined} */
let proxy

/** @returns {Record<string, string>} */
function readPipe() {
  try {
    if (!fstatSync(PIPE).isFIFO() && !fstatSync(PIPE).isFile()) return {}
  } catch {
    return {}
  }
  const text = readFileSync(PIPE, 'utf8')
  closeSync(PIPE)
  const lines = text.split('\n').filter((line) => line.includes('='))
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

/** Takes the secrets, once, and starts the proxy if there is a token. */
export async function prepare() {
  const { ANTHROPIC_API_KEY: apiKey, CLAUDE_CODE_OAUTH_TOKEN: oauthToken, ...others } = readPipe()
  const credential = apiKey ? { apiKey } : { oauthToken }
  const kind = apiKey ? 'api_key' : 'oauth'
  secrets = { ...others, token: apiKey || oauthToken ? kind : '' }
  if (secrets.token) proxy = await CredentialProxy.start({ credential, upstream: process.env.ANTHROPIC_BASE_URL })
}

/** For the settings of the Python half; the token is in it by its kind alone. */
export const takeSecrets = () => secrets

/** A token for one turn, to be released when it ends. */
export function admit() {
  if (!proxy) throw new Error('there is no token: set ANTHROPIC_API_KEY')
  const { env, release } = proxy.admit()
  return { env, release }
}

/** The program that both SDKs run: npm has it in a package for each platform. */
export function program() {
  const sdk = dirname(fileURLToPath(import.meta.resolve('@anthropic-ai/claude-agent-sdk')))
  const base = `@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}`
  for (const name of [base, `${base}-musl`]) {
    try {
      const path = join(dirname(createRequire(join(sdk, 'x.js')).resolve(`${name}/package.json`)), 'claude')
      if (existsSync(path)) return path
    } catch {
      // Not the one of this platform.
    }
  }
  throw new Error(`${base} is not installed: npm ci, without --omit=optional`)
}

/** @returns {{ sdk: string, program: string }} versions, and that it can be loaded */
export async function inspect() {
  await import('@anthropic-ai/claude-agent-sdk')
  const entry = fileURLToPath(import.meta.resolve('@anthropic-ai/claude-agent-sdk'))
  const { version } = require(join(dirname(entry), 'package.json'))
  return { sdk: version, program: program() }
}

export const closeProxy = () => proxy?.close()
