import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Done, folder, SDKS, TOKEN } from './helpers/agent-server.js'
import {
  docker,
  engine,
  ensureImage,
  freePort,
  postgresFor,
  programOf,
  statusOf,
  TAG,
  withEngineRun,
} from './helpers/image.js'

// compose.yaml, started as its head says, by a real engine; and what it hands on to the server.

const withEngine = engine ? test.serial : test.serial.skip
let compose: string[] = []
let postgres = ''

test.before(async (t) => {
  t.timeout(900_000)
  if (!engine) return
  // The plugin, or the program of before, which Debian has.
  const plugin = await withEngineRun('docker', ['compose', 'version']).catch(() => '')
  compose = plugin ? ['docker', 'compose'] : [await programOf('docker-compose', ['docker-compose'])]
  await ensureImage()
  postgres = await postgresFor(engine)
})
test.after.always(() => engine?.release())

/** A project of its own, with the stand-in of the Messages API in it. */
async function project(t: ExecutionContext, env: NodeJS.ProcessEnv = {}, files: string[] = []) {
  const port = await freePort()
  const named = ['compose.yaml', ...files, 'tests/compose.test.yaml'].flatMap((file) => ['-f', join(folder, file)])
  const name = `amphis-test-${port}`
  const settings = { TAG, PORT: `${port}`, ANTHROPIC_API_KEY: TOKEN, POSTGRES_IMAGE: postgres, ...env }
  const call = (...args: string[]) => {
    const [program, ...first] = compose
    return withEngineRun(program!, [...first, '-p', name, ...named, ...args], settings)
  }
  t.teardown(() => call('--profile', 'postgres', 'down', '--volumes', '--timeout', '10'))
  const url = `http://127.0.0.1:${port}`
  let key = ''
  const ask = async <T>(method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const sent = { method, headers, body: body === undefined ? null : JSON.stringify(body) }
    return (await (await fetch(url + path, sent)).json()) as T
  }
  return {
    call,
    ask,
    /** Starts it, until it says that it is well. */
    async up(...options: string[]): Promise<void> {
      await call(...options, 'up', '--detach')
      while ((await statusOf(`${url}/health`)) !== 200) {
        const id = await call('ps', '--quiet', 'server')
        const [state, restarts] = (
          await docker('inspect', '--format', '{{.State.Status}} {{.RestartCount}}', id)
        ).split(' ')
        // It waits for its database; nobody has to start it again.
        if (state !== 'running' || restarts !== '0') throw new Error(await call('logs', 'server'))
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      key ||= /shown this once: (agent-\S+)/.exec(await call('logs', 'server'))![1]!
    },
    inspect: async (format: string) =>
      docker('inspect', '--format', `{{${format}}}`, await call('ps', '--quiet', 'server')),
  }
}

type Session = { id: string; turns: Done[] }

/** A session that is there after everything was taken down and put up again. */
async function keepsASession(
  t: ExecutionContext,
  { call, ask, up }: Awaited<ReturnType<typeof project>>,
  up_: string[],
) {
  await up(...up_)
  const { id } = await ask<Session>('POST', '/sessions', { title: 'Kept' })
  t.like(await ask('POST', `/sessions/${id}/messages`, { prompt: 'remember 42' }), { status: 'completed' })
  await call(...up_, 'down', '--timeout', '20')
  await up(...up_)
  t.like(await ask<Session>('GET', `/sessions/${id}`), { title: 'Kept', turns: [{ text: 'You said: remember 42' }] })
}

withEngine('compose.yaml: turns of both SDKs, and what it is started with next time has the sessions', async (t) => {
  t.timeout(300_000)
  const started = await project(t)
  await keepsASession(t, started, [])
  for (const sdk of SDKS) {
    const done = await started.ask<Done>('POST', '/query', { sdk, prompt: 'Hello' })
    t.like(done, { status: 'completed', text: 'You said: Hello' })
  }
  t.is(await started.inspect('json .HostConfig.ReadonlyRootfs'), 'true')
  t.is(await started.inspect('json .HostConfig.CapDrop'), '["ALL"]')
  t.regex(await started.inspect('json .HostConfig.SecurityOpt'), /no-new-privileges/)
  t.regex(await started.inspect('json .HostConfig.PortBindings'), /"HostIp":"127\.0\.0\.1"/)
  while ((await started.inspect('.State.Health.Status')) === 'starting') {
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  t.is(await started.inspect('.State.Health.Status'), 'healthy')
})

withEngine('compose.yaml with its profile: sessions are in PostgreSQL', async (t) => {
  t.timeout(300_000)
  const DATABASE_URL = /DATABASE_URL=(\S+)/.exec(await readFile(join(folder, 'compose.yaml'), 'utf8'))![1]!
  const started = await project(t, { DATABASE_URL })
  await keepsASession(t, started, ['--profile', 'postgres'])
  const sql = ['psql', '-h', '127.0.0.1', '-U', 'agents', '-tAc', 'select status from turns']
  const query = ['exec', '-T', '-e', 'PGPASSWORD=agents', 'postgres', ...sql]
  t.is(await started.call('--profile', 'postgres', ...query), 'completed')
  t.false((await started.call('exec', '-T', 'server', 'ls', '/data')).includes('agents.db'))
})

withEngine('compose.dev.yaml: the sources of the folder are those that run', async (t) => {
  t.timeout(300_000)
  const started = await project(t, {}, ['compose.dev.yaml'])
  await started.up()
  for (const source of ['server', 'agent', 'public', 'shared'].map((name) => `/${name}`)) {
    t.true((await started.inspect('json .Mounts')).includes(source), source)
  }
  t.like(await started.ask('POST', '/query', { sdk: 'typescript', prompt: 'Hello' }), { status: 'completed' })
})

test('every setting of the page reaches the server', async (t) => {
  const page = await readFile(join(folder, 'docs/DEPLOYMENT.md'), 'utf8')
  const table = page.slice(page.indexOf('| Variable'), page.indexOf('## The image'))
  const named = [...table.matchAll(/^\| (.*?) +\|/gm)].flatMap(([, cell = '']) => {
    const names = [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
    return names.map((name) => (name.startsWith('_') ? `DAY${name}` : name))
  })
  t.true(named.includes('DAY_USD') && named.length > 20, named.join(' '))
  const yaml = await readFile(join(folder, 'compose.yaml'), 'utf8')
  const environment = yaml.slice(yaml.indexOf('environment:'), yaml.indexOf('volumes:'))
  const handedOn = new Set([...environment.matchAll(/^ +(\w+):$/gm)].map(([, name]) => name))
  // Those three are the image's own; the port is published.
  const others = named.filter((name) => !['HOST', 'PORT', 'DATA_DIR'].includes(name))
  t.deepEqual(
    others.filter((name) => !handedOn.has(name)),
    [],
  )
})
