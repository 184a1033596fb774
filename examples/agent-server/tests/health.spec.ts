import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { AgentServer, type Done, SDKS, type Settings } from './helpers/agent-server.js'

// What GET /health says, and what turns become, where something is missing.

interface Health {
  status: string
  token: string | null
  python_sdk: string | null
  typescript_sdk: string | null
  database: string | null
  missing: string[]
}

/** What a server without something says, and what becomes of a turn of either SDK. */
async function without(settings: Settings) {
  const server = await AgentServer.start(settings)
  try {
    const { status, body } = await server.json<Health>('GET', '/health')
    const turns = await Promise.all(
      SDKS.map(async (sdk) => {
        const { body: done } = await server.json<Done>('POST', '/query', { sdk, prompt: 'Hello' })
        return [sdk, done.status ?? 'refused', done.error?.code ?? '']
      }),
    )
    return { status, body, turns }
  } finally {
    await server.close()
  }
}

test.serial('health names the versions of both SDKs, where nothing is missing', async (t) => {
  const { status, body, turns } = await without({})
  t.is(status, 200)
  t.like(body, { status: 'ok', token: 'api_key', database: 'ok', missing: [] })
  t.regex(`${body.python_sdk} ${body.typescript_sdk}`, /^\d+\.\d+\.\d+ \d+\.\d+\.\d+$/)
  t.deepEqual(turns, [
    ['python', 'completed', ''],
    ['typescript', 'completed', ''],
  ])
})

test.serial('without the Python SDK health says so, and turns of the other go on', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'amphis-hidden-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'claude_agent_sdk.py'), "raise ImportError('not installed')\n")
  const { status, body, turns } = await without({ env: { PYTHONPATH: folder } })
  t.is(status, 503)
  t.like(body, { status: 'unavailable', python_sdk: null, missing: ['Python SDK: not installed'] })
  t.deepEqual(turns, [
    ['python', 'failed', 'agent_failed'],
    ['typescript', 'completed', ''],
  ])
})

test.serial('without the TypeScript SDK, which brings the program, health says so, and no turn hangs', async (t) => {
  const hidden = new URL('helpers/hide-sdk.mjs', import.meta.url).href
  const { status, body, turns } = await without({ env: { NODE_OPTIONS: `--import=${hidden}` } })
  t.is(status, 503)
  t.like(body, { status: 'unavailable', typescript_sdk: null, missing: { length: 1 } })
  t.regex(body.missing[0]!, /^TypeScript SDK: .*Cannot find package '@anthropic-ai\/claude-agent-sdk'/)
  t.deepEqual(turns, [
    ['python', 'failed', 'agent_failed'],
    ['typescript', 'failed', 'agent_failed'],
  ])
})
