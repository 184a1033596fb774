import test from 'ava'
import { scripted, startMessagesApi, type StandIn } from '../../../__test__/helpers/messages-api.js'
import { type Done, KEY, SDKS, TOKEN } from './helpers/agent-server.js'
import { docker, engine, ensureImage, freePort, TAG, withEngineRun } from './helpers/image.js'

// The image, built by build.sh and run by a real engine.

const withEngine = engine ? test.serial : test.serial.skip

let api: StandIn
const containers: string[] = []
const volumes: string[] = []

test.before(async (t) => {
  t.timeout(900_000)
  if (!engine) return
  api = await startMessagesApi({ token: TOKEN })
  await ensureImage()
})

test.after.always(async () => {
  for (const id of containers) await docker('rm', '--force', '--volumes', id).catch(() => {})
  for (const volume of volumes) await docker('volume', 'rm', '--force', volume).catch(() => {})
  await api?.close()
  engine?.release()
})

interface Running {
  id: string
  url: string
  post<T>(path: string, body: object): Promise<T>
}

/** Starts the image as compose.yaml does, on the network of this machine, where the stand-in is. */
async function start(...options: string[]): Promise<Running> {
  const port = await freePort()
  const settings = {
    HOST: '127.0.0.1',
    PORT: port,
    ANTHROPIC_BASE_URL: api.url,
    ANTHROPIC_API_KEY: TOKEN,
    API_KEYS: KEY,
  }
  const env = Object.entries({ ...settings, ALLOWED_TOOLS: '*' }).flatMap(([name, value]) => [
    '--env',
    `${name}=${value}`,
  ])
  const safe = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']
  const id = await docker('run', '--detach', '--network', 'host', ...safe, ...env, ...options, TAG)
  containers.push(id)
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    const well = await fetch(`${url}/health`)
      .then(({ ok }) => ok)
      .catch(() => false)
    if (well) break
    if ((await docker('inspect', '--format', '{{.State.Running}}', id)) !== 'true') {
      throw new Error(await docker('logs', id))
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const post = async <T>(path: string, body: object) => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
    return (await (await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as T
  }
  return { id, url, post }
}

const bash = (command: string) => scripted([{ tool: { name: 'Bash', input: { command } } }, { text: 'ok' }])

/** What a command of an agent prints. */
async function commanded({ post, url }: Running, command: string): Promise<string> {
  const { id } = await post<{ id: string }>('/sessions', { tools: { allow: ['Bash'] } })
  await post(`/sessions/${id}/messages`, { prompt: bash(command) })
  const headers = { authorization: `Bearer ${KEY}` }
  const history = (await (await fetch(`${url}/sessions/${id}`, { headers })).json()) as {
    turns: { events: { type: string; data: { content: string } }[] }[]
  }
  return history.turns[0]!.events.find(({ type }) => type === 'tool_result')!.data.content
}

withEngine('serves turns of both SDKs with a root that cannot be written', async (t) => {
  const server = await start()
  for (const sdk of SDKS) {
    t.like(await server.post<Done>('/query', { sdk, prompt: 'Hello' }), {
      status: 'completed',
      text: 'You said: Hello',
    })
  }
  t.regex(await docker('exec', server.id, 'node', 'scripts/health.mjs'), /"status":"ok"/)
})

withEngine('runs as the user claude, whose agents find no secret, not in process 1 either', async (t) => {
  const server = await start()
  const printed = await commanded(
    server,
    'id -un; env; cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n"; for f in environ mem fd/3; do cat /proc/1/$f 2>&1 | head -c 300; done; pid=$(pgrep -o node); cat /proc/$pid/environ /proc/$pid/mem 2>&1 | head -c 300; touch /app/x 2>&1; true',
  )
  t.regex(printed, /^claude\n/)
  t.false(printed.includes(TOKEN))
  t.false(printed.includes(KEY))
  t.regex(printed, /environ: Permission denied/)
  t.regex(printed, /mem: Permission denied/)
  t.regex(printed, /touch: .*Read-only file system|touch: .*Permission denied/)
})

withEngine('reaps what agents leave behind', async (t) => {
  const server = await start()
  await commanded(server, 'for i in 1 2 3; do (setsid sh -c "exit 0" &) ; done; echo started')
  const states = await docker('exec', server.id, 'ps', '-eo', 'stat=,args=')
  t.deepEqual(
    states.split('\n').filter((line) => line.startsWith('Z')),
    [],
  )
})

withEngine('stops in time in the middle of a turn, and the history is whole', async (t) => {
  const volume = `amphis-test-${Date.now()}`
  volumes.push(volume)
  const server = await start('--volume', `${volume}:/data`)
  const { id } = await server.post<{ id: string }>('/sessions', {})
  await server.post(`/sessions/${id}/messages`, { prompt: 'remember 42' })
  const turn = server.post(`/sessions/${id}/messages`, { prompt: scripted([{ text: 'one two', gate: 'never' }]) })
  const running = api.request(
    ({ body }) => JSON.stringify(body?.messages ?? '').includes('remember 42') && body!.messages.length > 2,
  )
  await running
  const began = performance.now()
  await docker('stop', '--time', '20', server.id)
  t.true(performance.now() - began < 12_000)
  t.is(await docker('inspect', '--format', '{{.State.ExitCode}}', server.id), '0')
  t.like(await turn, { status: 'stopped', error: { code: 'server_stopped' } })
  await docker('rm', server.id)
  const next = await start('--volume', `${volume}:/data`)
  const headers = { authorization: `Bearer ${KEY}` }
  const history = (await (await fetch(`${next.url}/sessions/${id}`, { headers })).json()) as { turns: Done[] }
  t.deepEqual(
    history.turns.map(({ status }) => status),
    ['completed', 'stopped'],
  )
})

withEngine('a container that is killed marks the turn when it starts again', async (t) => {
  const server = await start()
  const { id } = await server.post<{ id: string }>('/sessions', {})
  const prompt = scripted([{ text: 'one two', gate: 'never' }], 'to be killed')
  const turn = server.post(`/sessions/${id}/messages`, { prompt }).catch(() => undefined)
  await api.request(({ body }) => JSON.stringify(body?.messages ?? '').includes('to be killed'))
  await docker('kill', server.id)
  await turn
  await docker('start', server.id)
  const headers = { authorization: `Bearer ${KEY}` }
  for (;;) {
    const response = await fetch(`${server.url}/sessions/${id}`, { headers }).catch(() => undefined)
    if (response?.ok) {
      const { turns } = (await response.json()) as { turns: Done[] }
      t.like(turns[0], { status: 'stopped', error: { code: 'server_stopped' } })
      break
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
})

withEngine('has nothing of this machine in its layers, and the program of the agent once', async (t) => {
  const history = await docker('history', '--no-trunc', '--format', '{{.CreatedBy}}', TAG)
  t.false(/registry|index-url|proxy|token|sk-ant/i.test(history), history)
  const config = await docker('inspect', '--format', '{{json .Config}}', TAG)
  t.false(/PROXY|REGISTRY|INDEX_URL|sk-ant/i.test(config), config)
  t.like(JSON.parse(config), { User: 'claude', StopSignal: 'SIGTERM' })
  t.truthy((JSON.parse(config) as { Healthcheck?: object }).Healthcheck)
  const programs = await docker(
    'run',
    '--rm',
    '--entrypoint',
    'sh',
    TAG,
    '-c',
    'find /app /home /usr -xdev -name claude -type f -size +50M 2>/dev/null; true',
  )
  t.is(programs.split('\n').length, 1)
  const settings =
    'cat /home/claude/.npmrc /root/.npmrc /etc/pip.conf /root/.config/pip/pip.conf /root/.pip/pip.conf 2>/dev/null; true'
  t.is(await docker('run', '--rm', '--user', 'root', '--entrypoint', 'sh', TAG, '-c', settings), '')
})

withEngine('says what to do when its data cannot be written', async (t) => {
  const failed = await t.throwsAsync(withEngineRun('docker', ['run', '--rm', '--tmpfs', '/data:uid=0,mode=700', TAG]))
  t.regex(
    (failed as unknown as { stderr: string }).stderr,
    /\/data cannot be written by claude \(uid 10001\): chown it/,
  )
})
