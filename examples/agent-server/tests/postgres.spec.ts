import test, { type ExecutionContext } from 'ava'
import { AgentServer, type Done } from './helpers/agent-server.js'

// Sessions in PostgreSQL, a real one.

interface Postgres {
  place: string
  start(): Promise<void>
  stop(): Promise<void>
  create(): Promise<void>
  remove(): Promise<void>
}

const { preparePostgres } = (await import(new URL('../../../scripts/lib/postgres.mjs', import.meta.url).href)) as {
  preparePostgres(name: string): Promise<Postgres>
}

/** A database of the test's own, which does not run yet. */
async function database(t: ExecutionContext) {
  const postgres = await preparePostgres('agents')
  t.teardown(() => postgres.remove())
  return { ...postgres, url: `postgresql+asyncpg:${postgres.place}` }
}

test.serial('a session and its usage are kept in PostgreSQL', async (t) => {
  const { url: DATABASE_URL, start, create } = await database(t)
  await start()
  await create()
  const server = await AgentServer.start({ env: { DATABASE_URL } })
  t.teardown(() => server.close())
  const id = await server.session({ title: 'In PostgreSQL' })
  const { body } = await server.json<Done>('POST', `/sessions/${id}/messages`, { prompt: 'remember 42' })
  t.like(body, { status: 'completed' })
  t.like(await server.query({ prompt: 'Hello' }), { status: 'completed' })
  server.process.child.kill('SIGKILL')
  await server.process.ends()

  const next = await AgentServer.start({ data: server.data, env: { DATABASE_URL, DAY_TURNS: '2' } })
  t.teardown(() => next.close())
  const { turns } = await next.history(id)
  t.like(turns, { length: 1, 0: { prompt: 'remember 42', status: 'completed' } })
  t.deepEqual(
    turns[0]!.events.map(({ type }) => type),
    ['assistant', 'done'],
  )
  t.like(await next.json('POST', '/query', { prompt: 'x' }), { status: 429, body: { error: { code: 'limit_turns' } } })
  t.is((await next.request('DELETE', `/sessions/${id}`)).status, 200)
  t.is((await next.request('GET', `/sessions/${id}`)).status, 404)
})

test.serial('a start waits for the database; one that goes away is told, and used again when it is back', async (t) => {
  const { url: DATABASE_URL, start, stop, create } = await database(t)
  const starting = AgentServer.start({ env: { DATABASE_URL } })
  // It has no socket yet, then no database of the name, then all.
  await start()
  await create()
  const server = await starting
  t.teardown(() => server.close())
  const id = await server.session()
  await stop()
  const missing = { status: 503, body: { error: { code: 'database_unavailable' } } }
  t.like(await server.json('POST', '/sessions', {}), missing)
  const health = await server.json<{ missing: string[] }>('GET', '/health')
  t.is(health.status, 503)
  t.regex(health.body.missing.join(), /^database: /)
  await start()
  t.is((await server.request('GET', `/sessions/${id}`)).status, 200)
  t.like(await server.query({ prompt: 'Hello' }), { status: 'completed' })
})

test.serial('a start without its database ends with a line that says so, and no password', async (t) => {
  const DATABASE_URL = 'postgresql+asyncpg://agents:do-not-tell@127.0.0.1:1/agents'
  const failing = AgentServer.start({ env: { DATABASE_URL, DATABASE_SECONDS: '0.5' } })
  const { message } = await t.throwsAsync(failing)
  t.regex(message, /DATABASE_URL: the database cannot be reached; try again \(.*refused/i)
  t.false(message.includes('do-not-tell'))
})
