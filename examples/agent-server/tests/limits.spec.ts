import { join } from 'node:path'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { scripted } from '../../../__test__/helpers/messages-api.js'
import { AgentServer, type Done, folder, KEY, OTHER_KEY, type Settings, TOKEN } from './helpers/agent-server.js'

// What a key may use, and what the server starts with.

async function start(t: ExecutionContext, settings?: Settings): Promise<AgentServer> {
  const server = await AgentServer.start(settings)
  t.teardown(() => server.close())
  return server
}

type Refusal = { error: { code: string; message: string } }
const ask = (server: AgentServer, key = KEY) =>
  server.json<Done & Refusal>('POST', '/query', { prompt: 'Hello' }, { key })

test.serial('a key has its turns, tokens and money of a day, and another key its own', async (t) => {
  for (const [name, value] of [
    ['DAY_TURNS', '1'],
    ['DAY_TOKENS', '5'],
    ['DAY_USD', '0.000001'],
  ] as const) {
    const server = await start(t, { env: { [name]: value } })
    const first = await ask(server)
    t.is(first.status, 200)
    const second = await ask(server)
    const unit = name.slice(4).toLowerCase()
    t.like(second, { status: 429, body: { error: { code: `limit_${unit}` } } })
    t.regex(second.body.error.message, new RegExp(`^the key has used .* ${unit} in 24 hours; it may use `))
    t.is((await ask(server, OTHER_KEY)).status, 200)
  }
})

test.serial('a turn ends when its time, or the time of the key, is over', async (t) => {
  for (const env of [{ TURN_SECONDS: '3' }, { DAY_SECONDS: '3' }]) {
    const server = await start(t, { env })
    const done = await server.query({ prompt: scripted([{ text: 'one two', gate: 'never' }]) })
    t.like(done, { status: 'limited', error: { code: 'limit_seconds' } })
  }
})

test.serial('a key may ask so often in a minute', async (t) => {
  const server = await start(t, { env: { RATE_LIMIT: '5' } })
  const statuses: number[] = []
  for (let time = 0; time < 6; time++) statuses.push((await server.request('GET', '/sessions')).status)
  t.deepEqual(statuses, [200, 200, 200, 200, 200, 429])
  const refused = await server.request('GET', '/sessions')
  t.true(Number(refused.headers.get('retry-after')) >= 1)
  t.is((await server.request('GET', '/sessions', undefined, { key: OTHER_KEY })).status, 200)
})

test.serial('more turns than may wait are refused', async (t) => {
  const server = await start(t, { env: { MAX_RUNNING: '1', MAX_QUEUED: '1' } })
  const running = await server.stream('/query', { prompt: scripted([{ text: 'one two', gate: 'full' }]) })
  await running.until('text')
  const waiting = await server.stream('/query', { prompt: 'Hello' })
  t.like((await waiting.until('queued')).data, { position: 1 })
  t.like(await ask(server), { status: 503, body: { error: { code: 'queue_full' } } })
  // Who leaves the line makes room in it.
  waiting.leave()
  while ((await server.json<{ waiting: number }>('GET', '/health')).body.waiting > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const next = await server.stream('/query', { prompt: 'Hello' })
  server.api.open('full')
  t.like((await next.all()).at(-1)!.data, { status: 'completed' })
})

test.serial('without a key the first start makes one, shows it once, and keeps its hash alone', async (t) => {
  const server = await start(t, { env: { API_KEYS: '' } })
  const line = await server.process.printsLine(/shown this once: (agent-\S+)/)
  const key = line.split(': ')[1]!
  t.is((await server.request('GET', '/sessions', undefined, { key })).status, 200)
  server.process.child.kill('SIGTERM')
  await server.process.ends()
  const { stdout } = await promisify(execFile)('grep', ['-rlaF', key, server.data]).catch(
    (error: { stdout: string }) => error,
  )
  t.is(stdout, '')
  const again = await start(t, { data: server.data, env: { API_KEYS: '' } })
  t.is((await again.request('GET', '/sessions', undefined, { key })).status, 200)
  again.process.child.kill('SIGTERM')
  t.notRegex((await again.process.ends()).stdout, /shown this once/)
})

test.serial('keys are made, listed and revoked by a command', async (t) => {
  const server = await start(t)
  const amphis = join(folder, 'node_modules/amphis/bin/amphis.js')
  const keys = async (...args: string[]) => {
    const env = { ...process.env, DATA_DIR: server.data }
    const { stdout } = await promisify(execFile)(process.execPath, [amphis, 'run', '-m', 'server.keys', ...args], {
      cwd: folder,
      env,
    })
    return stdout.trim()
  }
  const key = await keys('add', 'somebody', '--turns', '1')
  t.is((await ask(server, key)).status, 200)
  t.like(await ask(server, key), { status: 429, body: { error: { code: 'limit_turns' } } })
  t.is((await server.request('GET', '/metrics', undefined, { key })).status, 403)
  const line = (await keys('list')).split('\n').find((text) => text.includes('somebody'))!
  t.regex(line, /\{'turns': 1\.0\}/)
  await keys('revoke', line.split(' ')[0]!)
  t.is((await ask(server, key)).status, 401)
})

test.serial("a subscription's token is for one key", async (t) => {
  const token = { CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-only-the-proxy-knows-this' }
  const server = await start(t, { token, env: { API_KEYS: KEY } })
  t.like(await ask(server), { body: { status: 'completed' } })
  const { headers } = await server.api.request(({ url }) => url.startsWith('/v1/messages'))
  t.is(headers.authorization, `Bearer ${token.CLAUDE_CODE_OAUTH_TOKEN}`)
  const two = AgentServer.start({ token })
  await t.throwsAsync(two, { message: /there are 2 API keys and CLAUDE_CODE_OAUTH_TOKEN, .*: set ANTHROPIC_API_KEY/ })
})

test.serial('health says that the token is missing, and turns are refused with the remedy', async (t) => {
  const server = await start(t, { token: {} })
  const { status, body } = await server.json<{ missing: string[] }>('GET', '/health')
  t.is(status, 503)
  t.deepEqual(body.missing, ['token: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN'])
  t.like(await ask(server), { status: 503, body: { error: { code: 'no_token' } } })
})

test.serial('prompts and answers are in the log only where it is asked for', async (t) => {
  for (const [LOG_CONTENT, logged] of [
    ['', false],
    ['1', true],
  ] as const) {
    const server = await start(t, { env: { LOG_CONTENT } })
    await server.query({ prompt: scripted([{ text: 'quiet-answer' }], 'quiet-prompt') })
    server.process.child.kill('SIGTERM')
    const { stdout, stderr } = await server.process.ends()
    t.is(/quiet-prompt/.test(stdout + stderr), logged)
    t.is(/quiet-answer/.test(stdout + stderr), logged)
    t.false((stdout + stderr).includes(TOKEN))
    t.regex(stdout, /turn turn-\S+ completed in/)
  }
})
