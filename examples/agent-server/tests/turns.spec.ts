import test from 'ava'
import { scripted } from '../../../__test__/helpers/messages-api.js'
import { AgentServer, type Done, SDKS } from './helpers/agent-server.js'

// Turns of agents, by the real SDKs of both languages, before the stand-in of the Messages API.

let server: AgentServer
test.before(async () => {
  server = await AgentServer.start()
})
test.after.always(() => server?.close())

for (const sdk of SDKS) {
  test(`${sdk}: answers a query`, async (t) => {
    const done = await server.query({
      sdk,
      prompt: scripted([{ text: 'Hello there.' }], `one-off ${sdk}`),
      model: 'claude-sonnet-5',
      system_prompt: 'Be brief.',
    })
    t.like(done, { status: 'completed', text: 'Hello there.', error: null, session_id: null, rounds: 1 })
    t.true(done.usage.output_tokens > 0 && done.cost_usd > 0)
    const asked = await server.api.request(({ body }) => JSON.stringify(body?.messages).includes(`one-off ${sdk}`))
    t.is(asked.body!.model, 'claude-sonnet-5')
    t.true(JSON.stringify(asked.body).includes('Be brief.'))
  })

  test(`${sdk}: streams a turn, event by event, with ids`, async (t) => {
    const id = await server.session({ sdk })
    const gate = `stream-${sdk}`
    const stream = await server.stream(`/sessions/${id}/messages`, { prompt: scripted([{ text: 'one two', gate }]) })
    const first = await stream.next()
    t.like(first, { event: 'turn', data: { session_id: id, sdk } })
    // The rest of the answer has not been made yet.
    t.like(await stream.until('text'), { data: { text: 'one ' } })
    server.api.open(gate)
    const rest = await stream.all()
    t.deepEqual(
      rest.map(({ event }) => event),
      ['text', 'assistant', 'done'],
    )
    t.like(rest.at(-1)!.data, { status: 'completed', text: 'one two', session_id: id })
    const numbers = [first, ...rest].map((event) => Number(event.id.split('.')[1]))
    t.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    )
  })

  test(`${sdk}: a session goes on where it was, by either SDK`, async (t) => {
    const other = sdk === 'python' ? 'typescript' : 'python'
    const id = await server.session({ sdk, title: 'Numbers' })
    const path = `/sessions/${id}/messages`
    await server.json('POST', path, { prompt: `remember ${sdk} 42` })
    const second = await server.json<Done>('POST', path, { prompt: `what was it, ${sdk}?`, sdk: other })
    t.is(second.body.text, `You said: what was it, ${sdk}?`)
    const asked = await server.api.request(({ body }) =>
      JSON.stringify(body?.messages).includes(`what was it, ${sdk}?`),
    )
    t.true(JSON.stringify(asked.body!.messages).includes(`remember ${sdk} 42`))
    const { turns } = await server.history(id)
    t.deepEqual(
      turns.map(({ prompt, text, status }) => [prompt, text, status]),
      [
        [`remember ${sdk} 42`, `You said: remember ${sdk} 42`, 'completed'],
        [`what was it, ${sdk}?`, `You said: what was it, ${sdk}?`, 'completed'],
      ],
    )
    t.deepEqual(
      turns[0]!.events.map(({ type }) => type),
      ['assistant', 'done'],
    )
  })

  test(`${sdk}: offers tools that are functions of Python and of JavaScript`, async (t) => {
    const tools = { allow: ['mcp__custom__word_count', 'mcp__custom__slug'] }
    const calls = [
      { name: 'mcp__custom__word_count', input: { text: 'one two three' } },
      { name: 'mcp__custom__slug', input: { text: 'Grüße, Welt!' } },
    ]
    const stream = await server.stream('/query', { sdk, tools, prompt: scripted([{ tool: calls }, { text: 'ok' }]) })
    const results = (await stream.all()).filter(({ event }) => event === 'tool_result')
    t.deepEqual(new Set(results.map(({ data }) => data.content)), new Set(['3', 'gruße-welt']))
  })

  test(`${sdk}: has no tool that the request does not name`, async (t) => {
    const prompt = scripted(
      [{ tool: { name: 'Bash', input: { command: 'echo done it' } } }, { text: 'ok' }],
      `no tools ${sdk}`,
    )
    const stream = await server.stream('/query', { sdk, prompt })
    const results = (await stream.all()).filter(({ event }) => event === 'tool_result')
    t.is(results.length, 1)
    t.true(results[0]!.data.is_error)
    const asked = await server.api.request(({ body }) => JSON.stringify(body?.messages).includes(`no tools ${sdk}`))
    t.deepEqual((asked.body as { tools?: unknown[] }).tools ?? [], [])
  })

  test(`${sdk}: tries again when the API is overloaded`, async (t) => {
    const prompt = scripted([{ status: 529, times: 2, text: 'at last' }], `overloaded ${sdk}`)
    const events = await (await server.stream('/query', { sdk, prompt })).all()
    t.deepEqual(
      events.filter(({ event }) => event === 'retry').map(({ data }) => [data.attempt, data.error_status]),
      [
        [1, 529],
        [2, 529],
      ],
    )
    t.like(events.at(-1)!.data, { status: 'completed', text: 'at last' })
  })

  test(`${sdk}: says that the model's answers were used up`, async (t) => {
    const tool = { name: 'mcp__custom__word_count', input: { text: 'a' } }
    const tools = { allow: ['mcp__custom__word_count'] }
    const done = await server.query({
      sdk,
      tools,
      max_rounds: 1,
      prompt: scripted([{ tool }, { tool }, { text: 'no' }]),
    })
    t.like(done, { status: 'limited', error: { code: 'limit_rounds' } })
  })

  test(`${sdk}: is interrupted`, async (t) => {
    const id = await server.session({ sdk })
    const stream = await server.stream(`/sessions/${id}/messages`, {
      prompt: scripted([{ text: 'one two', gate: 'never' }]),
    })
    await stream.until('text')
    t.like(await server.json('POST', `/sessions/${id}/interrupt`), { status: 200 })
    t.like(await stream.until('done'), {
      data: { status: 'interrupted', error: { code: 'interrupted' } },
    })
    t.like(await server.json('POST', `/sessions/${id}/interrupt`), { status: 404 })
    // The conversation is none the worse.
    t.like(await server.json('POST', `/sessions/${id}/messages`, { prompt: 'and now?' }), {
      body: { status: 'completed' },
    })
  })
}
