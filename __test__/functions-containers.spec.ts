import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ava from 'ava'
import { containerService, endService } from './helpers/function-containers.js'
import { containersWithRuntime } from './helpers/functions-engine.js'
import { python as venv } from './helpers/python.js'
import { buildExample, type Client } from './helpers/functions.js'

const folder = await realpath(await mkdtemp(join(tmpdir(), 'amphis-functions-')))
const example = await buildExample()
const containers = await containersWithRuntime(example.runtime, venv)
const test = containers ? ava : ava.skip
let client: Client

ava.before(async () => {
  if (containers) client = await containerService(join(folder, 'state'), containers)
})
ava.after.always(async () => {
  if (client) await endService(client)
  containers?.release()
  await example.remove()
  await rm(folder, { recursive: true, force: true })
})

const python = `
import os, socket, sys

def hello(event, context):
    print("greeting", event["name"])
    return {"hello": event["name"], "uid": os.getuid()}

def attempt(action):
    try:
        action()
        return "done"
    except Exception as error:
        return type(error).__name__

def connect(host, port):
    with socket.create_connection((host, port), timeout=2):
        pass

def probe(event, context):
    return {
        "root": attempt(lambda: open("/function/mark", "w").close()),
        "tmp": attempt(lambda: open("/tmp/mark", "w").close()),
        "engine": os.path.exists("/var/run/docker.sock"),
        "metadata": attempt(lambda: connect("169.254.169.254", 80)),
        "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")],
        "privileges": [line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")],
        "interfaces": [name for _, name in socket.if_nameindex()],
    }

def refused(event, context):
    try:
        connect(event["host"], event["port"])
        return "connected"
    except OSError as error:
        return error.strerror or str(error)
`
const node = `
export const hello = (event) => {
  console.log('greeting', event.name)
  return { hello: event.name, uid: process.getuid() }
}`

for (const [runtime, handler, files] of [
  ['node', 'index.hello', { 'index.mjs': node }],
  ['python', 'app.hello', { 'app.py': python }],
] as const) {
  test(`a function in ${runtime} is deployed as an image, invoked, has its logs, and is removed`, async (t) => {
    const name = `hello-${runtime}`
    const deployed = await client.deploy({ name, runtime, handler }, files)
    t.is(deployed.status, 201, deployed.text)
    const { body } = await client.invoke(name, { name: 'Ada' })
    t.deepEqual(body.result, { hello: 'Ada', uid: 65532 }, JSON.stringify(body))
    const logs = await client.ask('GET', `/yafaas/functions/${name}/logs`)
    const lines = logs.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { requestId: string; text: string })
    t.true(lines.some(({ requestId, text }) => requestId === body.id && text === 'greeting Ada'))

    const id = deployed.body.id
    const label = { label: [`amphis.functions.function=${id}`] }
    t.is((await containers!.docker.listContainers({ all: true, filters: label })).length, 1)
    t.is((await client.ask('DELETE', `/yafaas/functions/${name}`)).status, 204)
    t.deepEqual(await containers!.docker.listContainers({ all: true, filters: label }), [])
    t.deepEqual(await containers!.docker.listImages({ filters: label }), [])
  })
}

test('a function has no network, no rights, no file to write to but those of its memory, and no engine', async (t) => {
  await client.deploy({ name: 'probe', runtime: 'python', handler: 'app.probe' }, { 'app.py': python })
  const { body } = await client.invoke('probe')
  t.deepEqual(body.result, {
    root: 'OSError',
    tmp: 'done',
    engine: false,
    metadata: 'OSError',
    capabilities: ['0000000000000000'],
    privileges: ['1'],
    interfaces: ['lo'],
  })
})

test('a function that asked for a network reaches its gateway, and not what clouds tell of themselves', async (t) => {
  const spec = { name: 'online', runtime: 'python', handler: 'app.refused', network: true }
  const deployed = await client.deploy(spec, { 'app.py': python })
  t.is(deployed.status, 201, deployed.text)
  const [network] = await containers!.docker.listNetworks({ filters: { name: ['^amphis-functions$'] } })
  const gateway = network!.IPAM!.Config![0]!.Gateway!
  // Nobody listens there, which only who is reached can say.
  t.is((await client.invoke('online', { host: gateway, port: 9 })).body.result, 'Connection refused')
  for (const host of ['169.254.169.254', '100.100.100.200']) {
    t.regex((await client.invoke('online', { host, port: 80 })).text, /unreachable|No route/)
  }

  // Stopped and started again it has its network, closed in the same way.
  const [{ id: instance } = { id: '' }] = await client.service.instances(await client.service.find('online'))
  await client.service.engine.stop(instance)
  t.regex((await client.invoke('online', { host: '169.254.169.254', port: 80 })).text, /unreachable|No route/)
  t.is((await client.invoke('online', { host: gateway, port: 9 })).body.result, 'Connection refused')
})

test('a container that was killed is replaced, and the event that it had is answered by the next', async (t) => {
  const source = `
    import { setTimeout } from 'node:timers/promises'
    export const handler = async () => { await setTimeout(1500); return 'done' }`
  await client.deploy({ name: 'killed', runtime: 'node', handler: 'index.handler' }, { 'index.mjs': source })
  const answer = client.invoke('killed')
  const { body } = await client.ask('GET', '/yafaas/functions/killed')
  const [container] = await containers!.docker.listContainers({
    filters: { label: [`amphis.functions.function=${body.id}`] },
  })
  for (;;) {
    const logs = await client.ask('GET', '/yafaas/functions/killed/logs')
    if (logs.text.includes('"start"')) break
  }
  await containers!.docker.getContainer(container!.Id).kill()
  const { status, body: outcome } = await answer
  t.is(status, 200, JSON.stringify(outcome))
  t.like(outcome, { result: 'done', attempts: 2 })
})
