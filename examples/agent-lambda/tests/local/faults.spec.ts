import { expect, test } from '@playwright/test'
import { scripted } from '../../../../__test__/helpers/messages-api.js'
import { Service, type Choices } from '../../local/service.js'
import { clientsOf, eventsOf } from '../helpers/client.js'

// What goes wrong around a turn, and what the answer says of it.

async function start(choices: Choices = {}) {
  const service = await Service.start(choices)
  return { service, ...clientsOf(service), [Symbol.asyncDispose]: () => service.close() }
}

test('S3 that goes in the middle: the answer says that the session was not kept', async () => {
  await using made = await start()
  const { service, streamed } = made
  const stream = await streamed.stream({ prompt: scripted([{ text: 'so far', gate: 'gone' }]) })
  await service.api.request(({ body }) => JSON.stringify(body).includes('gone'))
  await service.s3.close()
  service.api.open('gone')
  const last = (await eventsOf(stream)).at(-1)!
  expect(last.event).toBe('error')
  expect(last.data.error).toMatch(
    /the session was not kept: Writing session-\w+\.zip to s3:\/\/\S+ has failed \(ECONNREFUSED\)/,
  )
  const next = await streamed.ask({ prompt: 'x', session_id: `session-${'0'.repeat(32)}` })
  expect(next.status).toBe(503)
  expect(next.body.error).toContain('the sessions cannot be reached')
})

test('a bucket that is missing, or not named, is named in the answer', async () => {
  await using made = await start({ env: { S3_BUCKET_NAME: 'no-such-bucket' } })
  const session_id = `session-${'0'.repeat(32)}`
  for (const [ask, known] of [
    [{ prompt: 'x' }, {}],
    [{ prompt: 'x', session_id }, {}],
  ] as const) {
    const { status, body } = await made.buffered.ask(ask)
    expect(status).toBe(503)
    expect(body).toMatchObject({ success: false, ...known })
    expect(body.error).toContain('no-such-bucket')
    expect(body.error).toContain('NoSuchBucket')
  }
  await using unnamed = await start({ env: { S3_BUCKET_NAME: undefined } })
  const { status, body } = await unnamed.buffered.ask({ prompt: 'x', session_id })
  expect(status).toBe(503)
  expect(body.error).toContain('S3_BUCKET_NAME is not set')
})

test('a key that is missing is said before anything is done', async () => {
  await using made = await start({ env: { ANTHROPIC_API_KEY: undefined } })
  const { status, body } = await made.buffered.ask({ prompt: 'x' })
  expect(status).toBe(503)
  expect(body.error).toContain('ANTHROPIC_API_KEY is not set')
})

test('an agent that crashes, and an API that refuses, are a 502; the session is as it was', async () => {
  await using made = await start({ env: { AGENT_TOOLS: 'Bash' } })
  const { service, buffered: api } = made
  const { session_id } = await api.turn('Say: first')
  const crash = scripted([{ tool: { name: 'Bash', input: { command: 'kill -9 $PPID; sleep 60' } } }, { text: 'no' }])
  for (const prompt of [crash, scripted([{ status: 401 }]), scripted([{ status: 529 }])]) {
    const { status, body } = await api.ask({ prompt, session_id })
    expect(status, prompt).toBe(502)
    expect(body).toMatchObject({ success: false, session_id })
    expect(body.error).toContain('the agent has failed, and this turn was not kept')
  }
  await api.turn('Say: next', session_id)
  expect(JSON.stringify(service.api.requests.at(-1)?.body)).not.toContain('kill -9')
  expect(await service.bucket.versions(`${session_id}.zip`)).toBe(2)
})

test('an agent that is not done before the end of the invocation is stopped, with all that it has started', async () => {
  await using made = await start({ env: { AGENT_TOOLS: 'Bash', MARGIN_SECONDS: '20' }, timeout: 30_000 })
  const { service, buffered: api } = made
  // A time that tells these from other processes.
  const seconds = String(600 + Math.random())
  const command = `setsid sleep ${seconds} & sleep ${seconds}`
  const prompt = scripted([{ tool: { name: 'Bash', input: { command } } }, { text: 'no' }])
  const { status, body } = await api.ask({ prompt })
  expect(status).toBe(504)
  expect(body).toEqual({ success: false, error: 'the agent was not done in time, and this turn was not kept' })
  const asked = service.api.requests.filter(({ url }) => url.startsWith('/v1/messages'))
  expect(asked).toHaveLength(1)
  const { readdir, readFile } = await import('node:fs/promises')
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  expect(lines.filter((line) => line.includes(seconds))).toEqual([])
})
