import test, { type ExecutionContext } from 'ava'
import { EventStream } from './helpers/event-stream.js'
import { scripted, startMessagesApi, type StandIn, type Step } from './helpers/messages-api.js'

// The stand-in of the Messages API, which the tests of the examples with agents stand on.

async function start(t: ExecutionContext, options?: { token?: string }): Promise<StandIn> {
  const api = await startMessagesApi(options)
  t.teardown(() => api.close())
  return api
}

type Message = { role: string; content: unknown }
const user = (content: unknown): Message => ({ role: 'user', content })

async function ask(
  api: StandIn,
  messages: Message[],
  { stream = false, token = 'any', signal = null as AbortSignal | null } = {},
) {
  return fetch(`${api.url}/v1/messages?beta=true`, {
    method: 'POST',
    headers: { 'x-api-key': token, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'some-model', messages, stream }),
    signal,
  })
}

const asks = (api: StandIn, steps: Step[], stream = true) => ask(api, [user(scripted(steps))], { stream })

/** The types of a stream's events, and its text. */
async function readAll(response: Response): Promise<{ types: string[]; text: string; last: Record<string, unknown> }> {
  const events = new EventStream(response.body!)
  const types: string[] = []
  let text = ''
  for (;;) {
    const { event = '', data = '' } = await events.next()
    const value = JSON.parse(data) as { delta?: { text?: string } }
    types.push(event)
    text += value.delta?.text ?? ''
    if (event === 'message_stop') return { types, text, last: value }
  }
}

test('repeats a prompt that has no script', async (t) => {
  const api = await start(t)
  const message = (await (await ask(api, [user('Hello')])).json()) as { content: unknown; stop_reason: string }
  t.deepEqual(message.content, [{ type: 'text', text: 'You said: Hello' }])
  t.is(message.stop_reason, 'end_turn')
})

test('streams a message event by event', async (t) => {
  const api = await start(t)
  const { types, text } = await readAll(await asks(api, [{ text: 'two words' }]))
  t.deepEqual(types, [
    'message_start',
    'ping',
    'content_block_start',
    'content_block_delta',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ])
  t.is(text, 'two words')
})

test('follows the script of the last prompt from response to response', async (t) => {
  const api = await start(t)
  const tool = { name: 'Bash', input: { command: 'ls' } }
  const prompt = user([
    { type: 'text', text: '<system-reminder>not this</system-reminder>' },
    { type: 'text', text: scripted([{ tool }, { text: 'done' }]) },
  ])
  const first = (await (await ask(api, [user('before'), { role: 'assistant', content: 'x' }, prompt])).json()) as {
    content: { id: string }[]
    stop_reason: string
  }
  t.is(first.stop_reason, 'tool_use')
  t.like(first.content[0], { type: 'tool_use', ...tool })
  const result = user([{ type: 'tool_result', tool_use_id: first.content[0]!.id, content: 'a.txt' }])
  const second = await ask(api, [prompt, { role: 'assistant', content: first.content }, result])
  t.like(await second.json(), { content: [{ text: 'done' }] })
})

test('of prompts that were put together the last one is answered', async (t) => {
  const api = await start(t)
  const both = user([scripted([{ text: 'first' }]), 'second'].map((text) => ({ type: 'text', text })))
  t.like(await (await ask(api, [both])).json(), { content: [{ text: 'You said: second' }] })
})

for (const [status, type] of [
  [429, 'rate_limit_error'],
  [529, 'overloaded_error'],
] as const) {
  test(`answers ${status} as often as the script says`, async (t) => {
    const api = await start(t)
    const steps = [{ status, times: 2, retryAfter: 3, text: 'at last' }]
    for (let time = 0; time < 2; time++) {
      const refused = await asks(api, steps)
      t.is(refused.status, status)
      t.is(refused.headers.get('retry-after'), '3')
      t.like(await refused.json(), { type: 'error', error: { type } })
    }
    t.is((await readAll(await asks(api, steps))).text, 'at last')
  })
}

test('a stream waits at its gate', async (t) => {
  const api = await start(t)
  const response = await asks(api, [{ text: 'one two', gate: 'second' }])
  const events = new EventStream(response.body!)
  for (const expected of ['message_start', 'ping', 'content_block_start', 'content_block_delta']) {
    t.is((await events.next()).event, expected)
  }
  t.is(api.requests[0]!.state, 'running')
  api.open('second')
  t.like(JSON.parse((await events.next()).data!), { delta: { text: 'two' } })
  t.is((await api.request(() => true, 'settled')).state, 'done')
})

test('a stream breaks in the middle', async (t) => {
  const api = await start(t)
  await t.throwsAsync((await asks(api, [{ text: 'one two three', breakAfter: 2 }])).text())
})

test('notes that a client has left', async (t) => {
  const api = await start(t)
  const leaving = new AbortController()
  const prompt = [user(scripted([{ text: 'one', hang: true }]))]
  await ask(api, prompt, { stream: true, signal: leaving.signal })
  leaving.abort()
  t.is((await api.request(() => true, 'settled')).state, 'aborted')
})

test('refuses a token that is not the one it knows, and none at all', async (t) => {
  const api = await start(t, { token: 'right' })
  t.is((await ask(api, [user('Hello')], { token: 'wrong' })).status, 401)
  t.is((await fetch(`${api.url}/v1/messages`, { method: 'POST', body: '{}' })).status, 401)
  t.is((await ask(api, [user('Hello')], { token: 'right' })).status, 200)
})

test('tells over HTTP what was asked, and opens gates', async (t) => {
  const api = await start(t)
  await ask(api, [user('Hello')])
  t.like(await (await fetch(`${api.url}/_stand-in/requests`)).json(), [
    { url: '/v1/messages?beta=true', state: 'done' },
  ])
  await fetch(`${api.url}/_stand-in/gates/x`, { method: 'POST' })
  t.is((await readAll(await asks(api, [{ text: 'one two', gate: 'x' }]))).text, 'one two')
})
