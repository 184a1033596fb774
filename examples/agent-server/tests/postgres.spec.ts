import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { AgentServer, type Done } from './helpers/agent-server.js'

// Sessions in PostgreSQL, a real one: Debian's and Ubuntu's package `postgresql` has it.

const run = promisify(execFile)

async function findPrograms(): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => [])
  const newest = versions.toSorted((a, b) => Number(a) - Number(b)).at(-1)
  if (newest === undefined) throw new Error('PostgreSQL is not installed: apt install postgresql')
  return join('/usr/lib/postgresql', newest, 'bin')
}

test('a session and its usage are kept in PostgreSQL', async (t) => {
  const programs = await findPrograms()
  // It does not run as root.
  const root = process.getuid!() === 0
  const as = async (command: string) => {
    const [program, ...args] = root ? ['runuser', '-u', 'postgres', '--', 'sh', '-c', command] : ['sh', '-c', command]
    return run(program, args)
  }
  const folder = await mkdtemp('/tmp/amphis-postgres-')
  await chmod(folder, 0o777)
  const data = join(folder, 'data')
  t.teardown(async () => {
    await as(`${programs}/pg_ctl -D ${data} -m immediate stop`)
    await rm(folder, { recursive: true, force: true })
  })
  await as(`${programs}/initdb -D ${data} -U agents --auth trust`)
  const options = `-c listen_addresses= -c unix_socket_directories=${folder} -c fsync=off`
  await as(`${programs}/pg_ctl -D ${data} -l ${folder}/log -w -o "${options}" start`)
  await as(`${programs}/createdb -h ${folder} -U agents agents`)

  const DATABASE_URL = `postgresql+asyncpg://agents@/agents?host=${folder}`
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
