import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema, ResourceListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import test, { type ExecutionContext } from 'ava'
import express from 'express'
import { request } from './helpers/client.js'
import { shareProbe, unique } from './helpers/probe.js'
import { createHandler, type HandlerOptions, shareHandler } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'
import { serve } from './helpers/server.js'

const logger = new Recorder()
const made = (factory: string): HandlerOptions => ({
  app: `apps.mcp_toolbox.main:${factory}`,
  factory: true,
  lifespan: 'on',
  logger,
})
const alone = shareHandler(made('create_alone'))
const mounted = shareHandler(made('create_mounted'))
const stateless = shareHandler(made('create_stateless'))
const statelessStream = shareHandler(made('create_stateless_stream'))
const probe = shareProbe()

/** The official client, connected: `initialize` is done. */
async function connect(t: ExecutionContext, url: string, before?: (client: Client) => void) {
  const client = new Client({ name: 'amphis-test', version: '1.0.0' }, { capabilities: { elicitation: {} } })
  before?.(client)
  const transport = new StreamableHTTPClientTransport(new URL(url))
  await client.connect(transport)
  t.teardown(() => client.close())
  return { client, transport }
}

async function serveAlone(t: ExecutionContext, python = alone): Promise<string> {
  return `${(await serve(t, python.listener)).url}/mcp`
}

/** What a tool answered. */
async function call(client: Client, name: string, args: Record<string, unknown> = {}, options = {}) {
  const answer = await client.callTool({ name, arguments: args }, undefined, options)
  const content = answer.content as { type: string; text?: string; data?: string }[]
  const { isError, structuredContent } = answer
  return { isError, structuredContent, content, texts: content.map(({ text }) => text) }
}

for (const [what, where] of [
  ['alone', (t: ExecutionContext) => serveAlone(t)],
  ['mounted in Starlette', async (t: ExecutionContext) => `${(await serve(t, mounted.listener)).url}/tools/`],
  [
    'mounted in Starlette below a mount of Express',
    async (t: ExecutionContext) => `${(await serve(t, express().use('/mcp', mounted.middleware))).url}/mcp/tools/`,
  ],
  ['stateless, answering with JSON', (t: ExecutionContext) => serveAlone(t, stateless)],
  ['stateless, answering with events', (t: ExecutionContext) => serveAlone(t, statelessStream)],
] as const) {
  test(`${what}: initialises, lists and calls tools, reads resources and prompts`, async (t) => {
    const { client, transport } = await connect(t, await where(t))
    t.like(client.getServerVersion(), { name: 'toolbox', version: '1.2.3' })
    t.is(client.getInstructions(), 'Use the tools.')
    t.is(transport.sessionId === undefined, what.startsWith('stateless'))
    const { tools } = await client.listTools()
    t.true(tools.some(({ name, description }) => name === 'add' && description === 'Add numbers.'))

    t.like(await call(client, 'add', { numbers: [1, 2, 3.5] }), { structuredContent: { total: 6.5, count: 3 } })
    t.like(await call(client, 'add', { numbers: 'none' }), { isError: true })
    t.like(await call(client, 'broken'), { isError: true })
    const answer = await client.readResource({ uri: 'note://tea' })
    t.like(answer.contents[0], { uri: 'note://tea', text: 'the note called tea' })
    const prompt = await client.getPrompt({ name: 'greet', arguments: { name: 'Ada' } })
    t.like(prompt.messages[0], { role: 'user', content: { type: 'text', text: 'Greet Ada warmly.' } })
    const [picture] = (await call(client, 'picture', { size: 500_000 })).content
    t.deepEqual(Buffer.from(String(picture?.data), 'base64'), Buffer.alloc(500_000, 500_000 % 256))
  })
}

for (const [what, python] of [
  ['with a session', alone],
  ['stateless', statelessStream],
] as const) {
  test(`progress arrives while the tool still works, ${what}`, async (t) => {
    const { client } = await connect(t, await serveAlone(t, python))
    const name = unique()
    const seen: unknown[] = []
    // The tool goes on with a step when the test has seen that one's progress.
    const onprogress = (progress: { progress: number; total?: number; message?: string }) => {
      seen.push(progress)
      void probe.tell(`${name}:${progress.progress}`)
    }
    const answer = await call(client, 'work', { name, steps: 5 }, { onprogress })
    t.deepEqual(answer.texts, ['worked 5 steps'])
    t.deepEqual(
      seen,
      [1, 2, 3, 4, 5].map((progress) => ({ progress, total: 5, message: `step ${progress}` })),
    )
  })
}

test('a call that the client cancels stops the tool', async (t) => {
  const { client } = await connect(t, await serveAlone(t))
  const name = unique()
  const abort = new AbortController()
  const called = t.throwsAsync(call(client, 'wait', { name }, { signal: abort.signal }))
  await probe.wait(`${name}:waiting`)
  abort.abort()
  await called
  await t.notThrowsAsync(probe.wait(`${name}:stopped`))
  // The session goes on.
  t.like(await call(client, 'add', { numbers: [1] }), { structuredContent: { total: 1 } })
})

test('a tool asks the user over its stream, and gets the answer by another request', async (t) => {
  const { client } = await connect(t, await serveAlone(t), (asked) =>
    asked.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      t.is(params.message, 'Which colour?')
      return { action: 'accept', content: { colour: 'green' } }
    }),
  )
  t.deepEqual((await call(client, 'paint')).texts, ['accept: green'])
})

test('the server tells of changes over the stream that stays open', async (t) => {
  let tell = () => {}
  const told = new Promise<void>((resolve) => (tell = resolve))
  const { client } = await connect(t, await serveAlone(t), (listener) =>
    listener.setNotificationHandler(ResourceListChangedNotificationSchema, () => tell()),
  )
  const title = unique()
  t.true((await call(client, 'note', { title, text: 'x' })).texts.includes(title))
  await t.notThrowsAsync(told)
})

test('many calls at once, of several sessions', async (t) => {
  const url = await serveAlone(t)
  const clients = await Promise.all([1, 2, 3].map(() => connect(t, url)))
  t.is(new Set(clients.map(({ transport }) => transport.sessionId)).size, 3)
  const answers = await Promise.all(
    clients.flatMap(({ client }, index) =>
      Array.from({ length: 20 }, (_, number) => call(client, 'add', { numbers: [index, number] })),
    ),
  )
  t.deepEqual(
    answers.map(({ structuredContent }) => (structuredContent as { total: number }).total),
    [0, 1, 2].flatMap((index) => Array.from({ length: 20 }, (_, number) => index + number)),
  )
})

test('a session that its client has ended is unknown', async (t) => {
  const url = await serveAlone(t)
  const { client, transport } = await connect(t, url)
  const { sessionId } = transport
  await transport.terminateSession()
  t.is(transport.sessionId, undefined)
  const answer = await request(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-session-id': String(sessionId),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  })
  t.is(answer.status, 404)
  await client.close()
})

test('a client that vanishes leaves no tool behind once its session is ended', async (t) => {
  const url = await serveAlone(t)
  const { client, transport } = await connect(t, url)
  const name = unique()
  void call(client, 'wait', { name }).catch(() => {})
  await probe.wait(`${name}:waiting`)
  await transport.terminateSession()
  await t.notThrowsAsync(probe.wait(`${name}:stopped`))
})

test('another site’s page is refused', async (t) => {
  const answer = await request(await serveAlone(t), {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'https://evil.example' },
    body: '{}',
  })
  t.is(answer.status, 403)
})

test('the lifespan of the server runs from the start to close(), also with a session open', async (t) => {
  // The client's open stream would keep it for as long as it may.
  const python = createHandler(t, { ...made('create_alone'), timeoutGracefulShutdown: 100 })
  const url = await serveAlone(t, python)
  await connect(t, url)
  await probe.wait('mcp:opened')
  await python.close()
  await t.notThrowsAsync(probe.wait('mcp:closed'))
})

test.after('none of this was an error', (t) => {
  t.deepEqual(logger.errors(), [])
})
