import test from 'ava'
import { WebSocket } from 'ws'
import { scripted } from '../../../__test__/helpers/messages-api.js'
import { AgentServer, KEY, OTHER_KEY } from './helpers/agent-server.js'

// Who may do what: keys, their limits, what is not told, and what a browser is told.

let server: AgentServer
test.before(async () => {
  server = await AgentServer.start()
})
test.after.always(() => server?.close())

type Refusal = { error: { code: string; message: string } }

test('needs a key for everything but its health and its page', async (t) => {
  for (const [method, path, body] of [
    ['POST', '/query', { prompt: 'x' }],
    ['POST', '/sessions', {}],
    ['GET', '/sessions', undefined],
    ['GET', '/sessions/x', undefined],
    ['DELETE', '/sessions/x', undefined],
    ['POST', '/sessions/x/messages', { prompt: 'x' }],
    ['GET', '/sessions/x/events', undefined],
    ['POST', '/sessions/x/interrupt', undefined],
    ['POST', '/sessions/x/permissions/y', { decision: 'allow' }],
    ['GET', '/metrics', undefined],
  ] as const) {
    for (const key of ['', 'wrong']) {
      t.is((await server.request(method, path, body, { key })).status, 401, `${method} ${path} by "${key}"`)
    }
    // Not in the address, where logs would have it.
    t.is((await server.request(method, `${path}?key=${KEY}&api_key=${KEY}`, body, { key: '' })).status, 401)
  }
  t.is((await server.request('GET', '/health', undefined, { key: '' })).status, 200)
  t.is((await server.request('GET', '/', undefined, { key: '' })).status, 200)
  t.is((await server.request('GET', '/sessions', undefined, { key: '', headers: { 'x-api-key': KEY } })).status, 200)
})

test('the sessions of another key are not there', async (t) => {
  const id = await server.session({ title: 'mine' })
  for (const [method, path, body] of [
    ['GET', `/sessions/${id}`, undefined],
    ['DELETE', `/sessions/${id}`, undefined],
    ['POST', `/sessions/${id}/messages`, { prompt: 'x' }],
    ['GET', `/sessions/${id}/events`, undefined],
    ['POST', `/sessions/${id}/interrupt`, undefined],
  ] as const) {
    const foreign = await server.json<Refusal>(method, path, body, { key: OTHER_KEY })
    const unknown = await server.json<Refusal>(method, path.replace(id, 'session-none'), body, { key: OTHER_KEY })
    t.is(foreign.status, 404, path)
    t.deepEqual(foreign.body, unknown.body)
  }
  const lists = async (key: string) =>
    (await server.json<{ sessions: { id: string }[] }>('GET', '/sessions', undefined, { key })).body.sessions
  t.true((await lists(KEY)).some((session) => session.id === id))
  t.false((await lists(OTHER_KEY)).some((session) => session.id === id))
  t.is((await server.request('DELETE', `/sessions/${id}`)).status, 200)
  t.is((await server.request('GET', `/sessions/${id}`)).status, 404)
})

test('the turns of another key cannot be resumed', async (t) => {
  const id = await server.session()
  const stream = await server.stream(`/sessions/${id}/messages`, { prompt: 'Hello' })
  const events = await stream.all()
  const headers = { 'last-event-id': events[0]!.id }
  const resume = (path: string, key: string) => server.request('POST', path, { prompt: 'x' }, { key, headers })
  t.is((await resume('/query', OTHER_KEY)).status, 404)
  const theirs = (await server.json<{ id: string }>('POST', '/sessions', {}, { key: OTHER_KEY })).body.id
  t.is((await resume(`/sessions/${theirs}/messages`, OTHER_KEY)).status, 404)
})

test('lists sessions page by page, last used first', async (t) => {
  const paged = await AgentServer.start({ env: { API_KEYS: `${KEY}-of-many-pages` } })
  t.teardown(() => paged.close())
  const key = `${KEY}-of-many-pages`
  const made: string[] = []
  for (let number = 0; number < 52; number++) {
    made.push((await paged.json<{ id: string }>('POST', '/sessions', { title: `${number}` }, { key })).body.id)
  }
  type Page = { sessions: { id: string }[]; next: string | null }
  const first = (await paged.json<Page>('GET', '/sessions', undefined, { key })).body
  const second = (await paged.json<Page>('GET', `/sessions?before=${first.next}`, undefined, { key })).body
  t.deepEqual(
    [...first.sessions, ...second.sessions].map(({ id }) => id),
    made.toReversed(),
  )
  t.is(second.next, null)
})

test('says what is wrong with a request, with the nearest name, and without the prompt', async (t) => {
  const refused = async (body: unknown, path = '/query') => {
    const { status, body: answer } = await server.json<Refusal>('POST', path, body)
    t.is(status, 422)
    return answer.error.message
  }
  t.is(await refused({ prompt: 'secret words', modle: 'x' }), 'body.modle is not known; did you mean model?')
  t.regex(await refused({}), /body\.prompt: Field required/)
  for (const prompt of ['', '  \n ', 'x'.repeat(1_000_001)])
    t.regex(await refused({ prompt }), /body\.prompt: String should/)
  t.regex(await refused({ prompt: 'x', sdk: 'perl' }), /body\.sdk: .*'python' or 'typescript'/)
  t.regex(await refused({ prompt: 'x', model: '--dangerous' }), /body\.model: /)
  t.regex(await refused({ prompt: 'x', max_rounds: 0 }), /body\.max_rounds: /)
  t.is((await server.request('POST', '/query', { prompt: 'x'.repeat(5_000_000) })).status, 413)
})

test('a GET begins no turn', async (t) => {
  const id = await server.session()
  for (const path of ['/query', `/sessions/${id}/messages`]) {
    t.is((await server.request('GET', `${path}?prompt=x`)).status, 405)
  }
  t.is((await server.request('GET', `/sessions/${id}/events`)).status, 404)
  t.deepEqual((await server.history(id)).turns, [])
})

test('an event id leads on from there, while the turn runs and after it', async (t) => {
  const id = await server.session()
  const path = `/sessions/${id}/messages`
  const prompt = scripted([{ text: 'one two', gate: 'resumed' }])
  const left = await server.stream(path, { prompt })
  const last = await left.until('text')
  left.leave()
  const headers = { 'last-event-id': last.id }
  // By the same POST, or by a GET; neither begins another turn.
  const again = await server.stream(path, { prompt }, { headers })
  const also = await server.stream(`/sessions/${id}/events`, undefined, { method: 'GET', headers })
  server.api.open('resumed')
  const events = await again.all()
  t.deepEqual(
    events.map(({ event }) => event),
    ['text', 'assistant', 'done'],
  )
  t.deepEqual(await also.all(), events)
  const after = await server.stream(path, { prompt }, { headers: { 'last-event-id': events[1]!.id } })
  t.deepEqual(await after.all(), events.slice(2))
  t.is((await server.history(id)).turns.length, 1)
  t.is((await server.request('POST', path, { prompt }, { headers: { 'last-event-id': 'nonsense' } })).status, 400)
})

test('a second turn of a session has to wait for the first', async (t) => {
  const id = await server.session()
  const path = `/sessions/${id}/messages`
  const first = await server.stream(path, { prompt: scripted([{ text: 'one two', gate: 'busy' }]) })
  await first.until('text')
  t.like(await server.json('POST', path, { prompt: 'x' }), { status: 409, body: { error: { code: 'session_busy' } } })
  server.api.open('busy')
  await first.all()
})

test('a browser loads nothing from elsewhere, and no other page may use the API', async (t) => {
  const page = await server.request('GET', '/', undefined, { key: '' })
  t.regex(page.headers.get('content-security-policy')!, /^default-src 'none'; script-src 'self'; /)
  t.is(page.headers.get('x-content-type-options'), 'nosniff')
  const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
  const preflight = await server.request('OPTIONS', '/query', undefined, { headers })
  t.is(preflight.headers.get('access-control-allow-origin'), null)
})

/** A WebSocket with its messages in order. */
async function connect(headers: Record<string, string> = {}) {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, { headers })
  const messages: Record<string, unknown>[] = []
  let wake = () => {}
  let over: number | undefined
  socket.on('message', (text) => {
    messages.push(JSON.parse((text as Buffer).toString()) as Record<string, unknown>)
    wake()
  })
  socket.on('close', (code) => {
    over = code
    wake()
  })
  const refused = await new Promise<number | undefined>((resolve, reject) => {
    socket.once('open', () => resolve(undefined))
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode))
    socket.once('error', reject)
  })
  return {
    refused,
    send: (message: object) => socket.send(JSON.stringify(message)),
    close: () => socket.close(),
    async next(): Promise<Record<string, unknown>> {
      while (messages.length === 0) {
        if (over !== undefined) return { closed: over }
        await new Promise<void>((resolve) => (wake = resolve))
      }
      return messages.shift()!
    },
  }
}

test('does the same over a WebSocket', async (t) => {
  const socket = await connect()
  t.teardown(socket.close)
  socket.send({ type: 'auth', key: KEY })
  t.deepEqual(await socket.next(), { type: 'ready' })
  socket.send({ type: 'query', id: 1, prompt: 'Hello' })
  const seen: string[] = []
  for (;;) {
    const message = await socket.next()
    t.like(message, { type: 'event', id: 1 })
    seen.push(message.event as string)
    if (message.event === 'done') {
      t.like(message.data, { status: 'completed', text: 'You said: Hello' })
      break
    }
  }
  t.deepEqual([seen[0], seen.at(-1)], ['turn', 'done'])
  socket.send({ type: 'query', id: 2, prompt: '' })
  t.like(await socket.next(), { type: 'error', id: 2, error: { code: 'wrong_request' } })
  socket.send({ type: 'interrupt', id: 3, session_id: 'none' })
  t.like(await socket.next(), { type: 'error', id: 3, error: { code: 'not_found' } })
})

test('asks and answers about tools over a WebSocket', async (t) => {
  const socket = await connect({ 'x-api-key': KEY })
  t.teardown(socket.close)
  t.deepEqual(await socket.next(), { type: 'ready' })
  const tools = { ask: ['mcp__custom__word_count'] }
  const session_id = await server.session({ tools, sdk: 'typescript' })
  const tool = { name: 'mcp__custom__word_count', input: { text: 'a b' } }
  socket.send({ type: 'message', id: 1, session_id, prompt: scripted([{ tool }, { text: 'two' }]) })
  for (;;) {
    const message = (await socket.next()) as { type: string; event: string; data: Record<string, unknown> }
    if (message.event === 'permission') {
      socket.send({ type: 'permission', id: 2, session_id, request_id: message.data.request_id, decision: 'allow' })
    }
    if (message.event === 'tool_result') t.is(message.data.content, '2')
    if (message.event === 'done') break
  }
  t.pass()
})

test('a WebSocket of another page or without a key is refused', async (t) => {
  t.is((await connect({ origin: 'https://evil.example', 'x-api-key': KEY })).refused, 403)
  const stranger = await connect({ origin: server.url })
  stranger.send({ type: 'auth', key: 'wrong' })
  t.like(await stranger.next(), { type: 'error', error: { code: 'wrong_key' } })
  t.deepEqual(await stranger.next(), { closed: 1008 })
})

test('counts for those who may see it', async (t) => {
  await server.query({ prompt: 'Hello' })
  const { status } = await server.request('GET', '/metrics', undefined, { key: OTHER_KEY })
  t.is(status, 200, 'keys of API_KEYS are the owner')
  const text = await (await server.request('GET', '/metrics')).text()
  t.regex(text, /agents_turns_total\{sdk="python",status="completed"\} \d+/)
  t.regex(text, /agents_output_tokens_total \d+/)
})
