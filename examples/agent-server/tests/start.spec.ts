import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { startMessagesApi } from '../../../__test__/helpers/messages-api.js'
import { NodeProcess } from '../../../__test__/helpers/node-process.js'
import { type Done, folder, SDKS, TOKEN } from './helpers/agent-server.js'

// The one command of the README, without a container engine.

test('npm run agent-server serves turns of both SDKs, with the key that it prints', async (t) => {
  t.timeout(300_000)
  const api = await startMessagesApi({ token: TOKEN })
  const data = await mkdtemp(join(tmpdir(), 'amphis-start-'))
  const env = { ...process.env, PORT: '0', DATA_DIR: data, ANTHROPIC_BASE_URL: api.url, ANTHROPIC_API_KEY: TOKEN }
  const npm = spawn('npm', ['run', 'agent-server'], { cwd: join(folder, '../..'), env, detached: true })
  const command = new NodeProcess(npm, 'now')
  t.teardown(async () => {
    if (npm.exitCode === null) process.kill(-npm.pid!, 'SIGKILL')
    await api.close()
    await rm(data, { recursive: true })
  })
  const url = (await command.printsLine(/Agent server ready: \S+/)).split(' ').at(-1)!
  t.true(url.startsWith('http://127.0.0.1:'))
  const key = (await command.printsLine(/shown this once: \S+/)).split(' ').at(-1)!
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  for (const sdk of SDKS) {
    const body = JSON.stringify({ sdk, prompt: 'Hello' })
    const done = (await (await fetch(`${url}/query`, { method: 'POST', headers, body })).json()) as Done
    t.like(done, { status: 'completed', text: 'You said: Hello' })
  }
  // As Ctrl+C in a terminal does: to all that the command has started.
  process.kill(-npm.pid!, 'SIGINT')
  await command.ends()
  await t.throwsAsync(fetch(`${url}/health`))
})
