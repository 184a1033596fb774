/** Two servers that have a NATS and a PostgreSQL in common, as on two machines: each with a folder and instances of its own. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { buildExample } from '../../../__test__/helpers/functions-client.js'
import { python, startServe, type ServerProcess } from './server-process.js'

const lib = (name: string) => import(new URL(`../../../scripts/lib/${name}`, import.meta.url).href)
const { startNats } = (await lib('nats-server.mjs')) as {
  startNats(folder: string): Promise<{ address: string; stop: () => Promise<void> }>
}
const { preparePostgres } = (await lib('postgres.mjs')) as {
  preparePostgres(
    name: string,
  ): Promise<{ place: string } & Record<'start' | 'stop' | 'create' | 'remove', () => Promise<void>>>
}

const { dist, remove } = await buildExample()
const folder = await mkdtemp(join(tmpdir(), 'amphis-functions-'))
const nats = await startNats(join(folder, 'js'))
const postgres = await preparePostgres('functions')
const servers: ServerProcess[] = []
after(async () => {
  await Promise.all(servers.map((server) => server.end('SIGKILL')))
  await nats.stop()
  await postgres.remove()
  await rm(folder, { recursive: true, force: true })
  await remove()
})

const start = async (machine: string, interpreter = process.env.FUNCTIONS_PYTHON ?? python) => {
  const words = ['--unsafe-processes', '--port', '0', '--nats', nats.address, '--python', interpreter]
  const server = await startServe(dist, [...words, '--state', join(folder, machine)], {
    AMPHIS_FUNCTIONS_DATABASE: `postgresql:${postgres.place}`,
  })
  servers.push(server)
  return server
}

const hello = {
  name: 'hello',
  runtime: 'python',
  handler: 'hello.handler',
  files: {
    'hello.py': 'import os\ndef handler(event, context):\n    return {"hello": event["name"], "in": os.getcwd()}\n',
  },
}
const event = { function: 'hello', payload: { name: 'Ada' } }

test('servers of several machines share functions and events', async () => {
  // The database is up a little after the service.
  const starting = start('one')
  await postgres.start()
  await postgres.create()
  const one = await starting
  const two = await start('two')

  const deployed = await one.ask('POST', '/yafaas/functions', hello)
  assert.equal(deployed.status, 201, deployed.text)
  assert.equal((await two.ask('POST', '/yafaas/functions', hello)).body.error.code, 'name-taken')
  assert.equal((await two.ask('GET', '/yafaas/functions/hello')).body.id, deployed.body.id)

  // It runs where it was built, whoever is asked.
  for (const server of [one, two]) {
    const { status, body, text } = await server.ask('POST', '/yafaas/events', event)
    assert.equal(status, 200, text)
    const { hello: name, in: cwd } = body.result as { hello: string; in: string }
    assert.equal(name, 'Ada')
    assert.ok(cwd.includes('/one/'), cwd)
  }

  // A server that was killed finds what it had.
  await one.end('SIGKILL')
  servers.splice(servers.indexOf(one), 1)
  const again = await start('one')
  assert.equal((await again.ask('POST', '/yafaas/events', event)).status, 200)

  assert.equal((await two.ask('DELETE', '/yafaas/functions/hello')).status, 204)
  while ((await again.ask('GET', '/yafaas/functions/hello')).status !== 404);
  // What is left of it on the other machine goes as well.
  const code = join(folder, 'one/code')
  while ((await readdir(code)).length > 0) await once(watch(code), 'change')
})

test('a database that goes away is told, and used again when it is back', async () => {
  const [server] = servers
  await postgres.stop()
  const missing = await server!.ask('GET', '/yafaas/functions')
  assert.equal(missing.status, 503, missing.text)
  assert.equal(missing.body.error.code, 'no-database')
  await postgres.start()
  const back = await server!.ask('GET', '/yafaas/functions')
  assert.equal(back.status, 200, back.text)
})

test('without a driver the start says what to install', async () => {
  await assert.rejects(start('three', python), /did not start/)
})
