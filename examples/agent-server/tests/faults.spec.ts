import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { WebSocket } from 'ws'
import { scripted } from '../../../__test__/helpers/messages-api.js'
import { AgentServer, type Done, folder, KEY, OTHER_KEY, SDKS, type Settings, TOKEN } from './helpers/agent-server.js'

// What goes wrong: processes that are killed, an API that fails, clients that leave, a database that cannot be written.

const run = promisify(execFile)

async function start(t: ExecutionContext, settings?: Settings): Promise<AgentServer> {
  const server = await AgentServer.start(settings)
  t.teardown(() => server.close())
  return server
}

/** The processes of a turn: its id stands in their environment. */
function processesOf(turnId: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`AGENT_TURN=${turnId}\0`)
      } catch {
        return false
      }
    })
    .map(Number)
}

async function until(what: () => boolean, milliseconds: number): Promise<number> {
  const began = performance.now()
  while (!what()) {
    if (performance.now() - began > milliseconds) throw new Error(`not within ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - began
}

const waiting = scripted([{ text: 'one two', gate: 'never' }])

for (const sdk of SDKS) {
  test.serial(`${sdk}: the agent's program is killed in the middle`, async (t) => {
    const server = await start(t)
    const id = await server.session({ sdk })
    const stream = await server.stream(`/sessions/${id}/messages`, { prompt: waiting })
    const { data } = await stream.next()
    await stream.until('text')
    for (const pid of processesOf(String(data.turn_id))) process.kill(pid, 'SIGKILL')
    const done = (await stream.all()).at(-1)!
    t.like(done.data, { status: 'failed', error: { code: 'agent_failed' } })
    // The conversation is still there, and the server too.
    const next = await server.json<Done>('POST', `/sessions/${id}/messages`, { prompt: 'and now?' })
    t.like(next.body, { status: 'completed', text: 'You said: and now?' })
    t.deepEqual(
      (await server.history(id)).turns.map(({ status }) => status),
      ['failed', 'completed'],
    )
  })

  for (const [status, code] of [
    [429, 'rate_limited'],
    [529, 'overloaded'],
    [401, 'token_refused'],
  ] as const) {
    test.serial(`${sdk}: the API answers ${status} until the agent gives up`, async (t) => {
      const server = await start(t, { env: { RETRIES: '1' } })
      const done = await server.query({ sdk, prompt: scripted([{ status }]) })
      t.like(done, { status: 'failed', error: { code } })
      t.false(JSON.stringify(done).includes(TOKEN))
    })
  }

  test.serial(`${sdk}: the API answers 429, and is asked again after pauses that grow`, async (t) => {
    const server = await start(t)
    const stream = await server.stream('/query', {
      sdk,
      prompt: scripted([{ status: 429, times: 2, text: 'at last' }]),
    })
    const events = await stream.all()
    const retries = events.filter(({ event }) => event === 'retry').map(({ data }) => data)
    t.deepEqual(
      retries.map(({ error_status }) => error_status),
      [429, 429],
    )
    const [first, second] = retries.map(({ retry_delay_ms }) => Number(retry_delay_ms))
    t.true(second! > first!, `${first} ms, ${second} ms`)
    t.like(events.at(-1)!.data, { status: 'completed', text: 'at last' })
  })

  test.serial(`${sdk}: a stream of the API that breaks is asked for again`, async (t) => {
    const server = await start(t, { env: { RETRIES: '2' } })
    const done = await server.query({ sdk, prompt: scripted([{ text: 'one two three', breakAfter: 2 }]) })
    t.like(done, { status: 'completed', text: 'one two three' })
    const asked = server.api.requests.filter(({ body }) => JSON.stringify(body?.messages ?? '').includes('breakAfter'))
    t.true(asked.length > 1 && asked[0]!.state === 'aborted', `${asked.length}`)
    t.like(await server.query({ sdk, prompt: 'Hello' }), { status: 'completed' })
  })

  test.serial(`${sdk}: a slow answer comes piece by piece`, async (t) => {
    const server = await start(t)
    const stream = await server.stream('/query', { sdk, prompt: scripted([{ text: 'a b c d', pause: 150 }]) })
    const texts = (await stream.all()).filter(({ event }) => event === 'text')
    t.is(texts.length, 4)
    t.true(Number(texts.at(-1)!.data.at) - Number(texts[0]!.data.at) >= 300)
  })

  test.serial(`${sdk}: the client leaves, and within two seconds the turn and its processes are gone`, async (t) => {
    const server = await start(t)
    const id = await server.session({ sdk, tools: { allow: ['Bash'] } })
    const sleeping = scripted([{ tool: { name: 'Bash', input: { command: 'tail -f /dev/null' } } }])
    const stream = await server.stream(`/sessions/${id}/messages`, { prompt: sleeping })
    const turnId = String((await stream.next()).data.turn_id)
    await stream.until('tool_use')
    await until(() => processesOf(turnId).length > 1, 10_000)
    stream.leave()
    const took = await until(() => processesOf(turnId).length === 0, 5000)
    t.log(`${took.toFixed(0)} ms`)
    t.true(took < 2000 * (process.env.CI ? 2 : 1), `${took} ms`)
    while ((await server.history(id)).running) await new Promise((resolve) => setTimeout(resolve, 20))
    t.like((await server.history(id)).turns[0], { status: 'stopped', error: { code: 'client_gone' } })
  })
}

for (const [kind, begin] of [
  [
    'that reads no stream',
    async (server, path, prompt) => {
      const leaving = new AbortController()
      const asking = server.request('POST', path, { prompt }, { signal: leaving.signal }).catch(() => {})
      return async () => {
        leaving.abort()
        await asking
      }
    },
  ],
  [
    'with a WebSocket',
    async (server, path, prompt) => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, { headers: { 'x-api-key': KEY } })
      await once(socket, 'message')
      socket.send(JSON.stringify({ type: 'message', session_id: path.split('/')[2], prompt }))
      return async () => socket.terminate()
    },
  ],
] satisfies [string, (server: AgentServer, path: string, prompt: string) => Promise<() => Promise<void>>][]) {
  test.serial(`a client ${kind} leaves, and within two seconds the turn's processes are gone`, async (t) => {
    const server = await start(t)
    const id = await server.session({ tools: { allow: ['Bash'] } })
    const sleeping = scripted([{ tool: { name: 'Bash', input: { command: 'tail -f /dev/null' } } }])
    const leave = await begin(server, `/sessions/${id}/messages`, sleeping)
    const turns = async () => (await server.history(id)).turns
    while ((await turns()).length === 0);
    const turnId = (await turns())[0]!.id
    await until(() => processesOf(turnId).length > 1, 20_000)
    await leave()
    const took = await until(() => processesOf(turnId).length === 0, 5000)
    t.true(took < 2000 * (process.env.CI ? 2 : 1), `${took} ms`)
    while ((await server.history(id)).running) await new Promise((resolve) => setTimeout(resolve, 20))
    t.like((await turns())[0], { status: 'stopped', error: { code: 'client_gone' } })
  })
}

test.serial('a detached turn goes on when its client leaves', async (t) => {
  const server = await start(t)
  const id = await server.session()
  const stream = await server.stream(`/sessions/${id}/messages`, {
    prompt: scripted([{ text: 'one two', gate: 'later' }]),
    detached: true,
  })
  const last = await stream.until('text')
  stream.leave()
  // Longer than a client may be away otherwise.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  server.api.open('later')
  const again = await server.stream(`/sessions/${id}/events`, undefined, {
    method: 'GET',
    headers: { 'last-event-id': last.id },
  })
  t.like((await again.all()).at(-1)!.data, { status: 'completed', text: 'one two' })
})

test.serial('SIGTERM ends turns and server in time, and the history says so', async (t) => {
  const server = await start(t)
  const id = await server.session()
  const stream = await server.stream(`/sessions/${id}/messages`, { prompt: waiting })
  const turnId = String((await stream.next()).data.turn_id)
  await stream.until('text')
  const began = performance.now()
  server.process.child.kill('SIGTERM')
  t.like((await stream.all()).at(-1)!.data, { status: 'stopped', error: { code: 'server_stopped' } })
  const { code, stderr } = await server.process.ends()
  t.is(code, 0, stderr)
  t.true(performance.now() - began < 8000)
  t.deepEqual(processesOf(turnId), [])
  const next = await start(t, { data: server.data })
  t.like((await next.history(id)).turns[0], { status: 'stopped', error: { code: 'server_stopped' } })
})

test.serial('a server that is killed loses no session, marks the turn, and ends what it has left behind', async (t) => {
  const server = await start(t)
  const id = await server.session()
  const path = `/sessions/${id}/messages`
  await server.json('POST', path, { prompt: 'remember 42' })
  const stream = await server.stream(path, { prompt: waiting })
  const turnId = String((await stream.next()).data.turn_id)
  await stream.until('text')
  server.process.child.kill('SIGKILL')
  await server.process.ends()

  const next = await start(t, { data: server.data })
  t.deepEqual(processesOf(turnId), [])
  const { turns } = await next.history(id)
  t.deepEqual(
    turns.map(({ status }) => status),
    ['completed', 'stopped'],
  )
  t.like(turns[1], { error: { code: 'server_stopped' } })
  const { body } = await next.json<Done>('POST', path, { prompt: 'what was it?' })
  t.like(body, { status: 'completed' })
  const asked = await next.api.request((request) => JSON.stringify(request.body?.messages).includes('what was it?'))
  t.true(JSON.stringify(asked.body!.messages).includes('remember 42'))
})

/** Another program that holds the database's lock until it is told to let go. */
const HOLD = `import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()`

test.serial('a locked database is told, and the history is whole once it is free', async (t) => {
  const server = await start(t)
  const id = await server.session()
  const stream = await server.stream(`/sessions/${id}/messages`, {
    prompt: scripted([{ text: 'one two', gate: 'locked' }]),
  })
  await stream.until('text')
  const holding = execFile(join(folder, '.venv/bin/python'), ['-c', HOLD, join(server.data, 'agents.db')])
  t.teardown(() => holding.kill())
  await new Promise((resolve) => holding.stdout!.once('data', resolve))
  server.api.open('locked')
  const refused = await server.json('POST', '/sessions', {})
  t.like(refused, { status: 503, body: { error: { code: 'database_locked' } } })
  t.is(refused.headers.get('retry-after'), '1')
  t.is((await server.request('GET', `/sessions/${id}`)).status, 200)
  const done = (await stream.all()).at(-1)!
  t.like(done.data, { status: 'failed', error: { code: 'database_locked' } })
  holding.stdin!.end()
  for (;;) {
    const [turn] = (await server.history(id)).turns
    if (turn!.status !== 'failed') continue
    t.like(turn, { error: { code: 'database_locked' } })
    t.is(turn!.events.at(-1)!.type, 'done')
    break
  }
  t.like(await server.query({ prompt: 'Hello' }), { status: 'completed' })
})

test.serial('a full disk is told, and the server goes on once there is space', async (t) => {
  const disk = await mkdtemp(join(tmpdir(), 'amphis-disk-'))
  // A disk of its own. Only root may mount one.
  const root = process.getuid!() === 0 ? [] : ['sudo', '-n']
  const asRoot = async (...command: string[]) => {
    const [program, ...args] = [...root, ...command]
    await run(program!, args)
  }
  await asRoot('mount', '-t', 'tmpfs', '-o', 'size=24m,mode=777', 'tmpfs', disk)
  t.teardown(async () => {
    await asRoot('umount', '--lazy', disk)
    await rm(disk, { recursive: true })
  })
  const server = await start(t, { data: disk })
  const id = await server.session()
  const filler = join(disk, 'filler')
  await run('sh', ['-c', `dd if=/dev/zero of=${filler} bs=64k 2>/dev/null; true`])
  const statuses = new Set<number>()
  // What fits into the file as it is may still be written.
  for (let number = 0; number < 40; number++) {
    statuses.add((await server.request('POST', '/sessions', { system_prompt: 'x'.repeat(50_000) })).status)
  }
  t.true(statuses.has(507), [...statuses].join(' '))
  t.is((await server.request('GET', `/sessions/${id}`)).status, 200)
  await rm(filler)
  t.is((await server.request('POST', '/sessions', {})).status, 201)
  t.like(await server.query({ prompt: 'Hello' }), { status: 'completed' })
  t.false(existsSync(filler))
})

test.serial('a hundred sessions at once: four run, the rest wait, and keys take turns', async (t) => {
  t.timeout(900_000)
  const server = await start(t, { env: { MAX_RUNNING: '4', RATE_LIMIT: '10000', TURN_SECONDS: '600' } })
  const order: string[] = []
  let most = 0
  const ask = async (key: string) => {
    const { body } = await server.json<Done>('POST', '/query', { prompt: 'Hello' }, { key })
    order.push(key)
    return body.status
  }
  const first = Array.from({ length: 96 }, () => ask(KEY))
  // They are in the line before those of the other key come.
  type Health = { running: number; waiting: number }
  const health = async () => (await server.json<Health>('GET', '/health')).body
  while ((await health()).waiting < 92) await new Promise((resolve) => setTimeout(resolve, 50))
  const second = Array.from({ length: 4 }, () => ask(OTHER_KEY))
  const watching = (async () => {
    while (order.length < 100) {
      most = Math.max(most, (await health()).running)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })()
  const statuses = await Promise.all([...first, ...second])
  await watching
  t.deepEqual(new Set(statuses), new Set(['completed']))
  t.is(most, 4)
  const lastOfSecond = order.lastIndexOf(OTHER_KEY)
  t.true(lastOfSecond < 40, `the other key's last turn was number ${lastOfSecond} of 100`)
})
