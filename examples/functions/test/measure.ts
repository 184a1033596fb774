/**
 * What it costs: `node --import @oxc-node/core/register examples/functions/test/measure.ts`. Ratios are of one run, their
 * parts taken in turns: the machine may have other things to do.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildExample, type Reply } from '../../../__test__/helpers/functions-client.js'
import { containersWithRuntime } from '../../../__test__/helpers/functions-engine.js'
import { EventsApi } from '../runtime/events-api.js'
import { NatsQueue } from '../server/nats-queue.js'
import { python, startServer, type ServerProcess } from './server-process.js'

const ROUNDS = Number(process.env.ROUNDS ?? 300)
const script = new URL('../../../scripts/lib/nats-server.mjs', import.meta.url).href
const { startNats } = (await import(script)) as {
  startNats(folder: string): Promise<{ address: string; stop: () => Promise<void> }>
}
const { dist, runtime, remove } = await buildExample()
const containers = await containersWithRuntime(runtime, python)
if (!containers) throw new Error('no engine')
const folder = await realpath(await mkdtemp(join(tmpdir(), 'amphis-measure-')))
const nats = await startNats(join(folder, 'js'))
const at = (times: number[], part: number) =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * part)]!.toFixed(2)
const timed = async <T>(action: () => Promise<T>) => {
  const began = performance.now()
  const value = await action()
  return { value, ms: performance.now() - began }
}
const files = {
  node: { 'index.mjs': 'export const handler = (event) => event' },
  python: { 'index.py': 'def handler(event, context):\n    return event\n' },
}
const args = (...more: string[]) => ['--port', '0', '--state', join(folder, 'state'), ...more]
const start = (...more: string[]) => startServer(dist, containers.socket, containers.image, args(...more))
const well = ({ status, text }: Reply) => {
  if (status !== 200 && status !== 201) throw new Error(text)
}
const invoke = (server: ServerProcess, name: string) =>
  server.ask('POST', '/yafaas/events', { function: name, payload: 1 })
const deploy = (server: ServerProcess, name: string, language: 'node' | 'python', more = {}) =>
  server.ask('POST', '/yafaas/functions', {
    name,
    runtime: language,
    handler: 'index.handler',
    ...more,
    files: files[language],
  })

/** A job through the queue alone, with nobody between: submitted, taken, settled, heard of. */
async function queueAlone(queue: NatsQueue): Promise<void> {
  const id = randomUUID()
  const watch = queue.watch(id)
  const taken = queue.take('fn-alone', 30_000, new AbortController().signal)
  await queue.submit({ id, functionId: 'fn-alone', payload: '1', mode: 'sync', queuedAt: Date.now(), lease: 30_000 })
  const { receipt } = (await taken)!
  const outcome = {
    id,
    functionId: 'fn-alone',
    status: 'ok' as const,
    body: '1',
    attempts: 1,
    queuedAt: 0,
    endedAt: 0,
    instance: 'i',
    dead: false,
  }
  void queue.settle({ receipt }, outcome)
  await watch.outcome
}

/**
 * Takes the events of the function `bare` by the runtime's listener and gives them back as they are: the queue's round trip
 * over HTTP. The function's own container has stopped its supervisor, and still counts as one that runs.
 */
async function bareWorker(server: ServerProcess): Promise<{ stop: () => void }> {
  const code = { 'index.mjs': 'export const handler = () => process.kill(process.ppid, "SIGSTOP")' }
  const spec = { name: 'bare', runtime: 'node', handler: 'index.handler', timeout: 1_000, minReplicas: 1 }
  const deployed = await server.ask('POST', '/yafaas/functions', { ...spec, files: code })
  well(deployed)
  const { id } = deployed.body
  const label = [`amphis.functions.function=${id}`, 'amphis.functions.instance']
  const [container] = await containers!.docker.listContainers({ filters: { label } })
  const { Config } = await containers!.docker.getContainer(container!.Id).inspect()
  const token = Config.Env.find((line) => line.startsWith('EVENTS_TOKEN='))!.slice('EVENTS_TOKEN='.length)
  await server.ask('POST', '/yafaas/events?async=1', { function: 'bare' })
  const stop = new AbortController()
  const api = new EventsApi(`unix://${join(folder, 'state', 'sockets', id)}`, token)
  const work = async () => {
    while (!stop.signal.aborted) {
      const { status, headers, body } = await api.send('GET', '/yafaas/events/next', {}, undefined, stop.signal)
      if (status !== 200) continue
      const receipt = String(headers['events-receipt'])
      await api.send(
        'POST',
        `/yafaas/events/${headers['events-request-id'] as string}/response`,
        { 'events-receipt': receipt },
        body,
      )
    }
  }
  // The first event has stopped the supervisor by then, and comes to this one when its lease is over.
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  work().catch(() => {})
  well(await invoke(server, 'bare'))
  return { stop: () => stop.abort() }
}

/** Answers a second with so many clients, for some seconds. */
async function rate(servers: ServerProcess[], name: string, clients: number, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1_000
  let answers = 0
  const client = async (n: number) => {
    while (performance.now() < end) {
      well(await invoke(servers[n % servers.length]!, name))
      answers += 1
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, n) => client(n)))
  return answers / seconds
}

try {
  const one = await start('--nats', nats.address, '--idle', '600')
  const queue = await NatsQueue.open(nats.address, 'alone')
  for (const language of ['node', 'python'] as const) {
    const { value, ms } = await timed(async () => {
      well(await deploy(one, `echo-${language}`, language))
      return invoke(one, `echo-${language}`)
    })
    well(value)
    console.log(`deploy to first answer, ${language}: ${ms.toFixed(0)} ms`)
  }
  const bare = await bareWorker(one)
  const [alone, over, node, py]: number[][] = [[], [], [], []]
  for (let round = 0; round < ROUNDS; round++) {
    alone!.push((await timed(() => queueAlone(queue))).ms)
    over!.push((await timed(() => invoke(one, 'bare'))).ms)
    node!.push((await timed(() => invoke(one, 'echo-node'))).ms)
    py!.push((await timed(() => invoke(one, 'echo-python'))).ms)
  }
  bare.stop()
  const rows = {
    'queue alone, in one process': alone!,
    'queue over HTTP, a bare worker': over!,
    'warm, Node.js': node!,
    'warm, Python': py!,
  }
  for (const [name, times] of Object.entries(rows)) {
    const ratio = (Number(at(times, 0.5)) / Number(at(over!, 0.5))).toFixed(2)
    console.log(
      `${name}: p50 ${at(times, 0.5)}, p99 ${at(times, 0.99)} ms of ${ROUNDS}; ${ratio} of the queue over HTTP`,
    )
  }

  well(await deploy(one, 'four', 'node', { minReplicas: 4, maxReplicas: 4 }))
  const four = `four`
  while (
    (JSON.parse((await one.ask('GET', '/yafaas/functions/four')).text) as { instances: { running: number } }).instances
      .running < 4
  );
  const two = await start('--nats', nats.address, '--idle', '600')
  console.log(
    `invocations a second: 1 container ${(await rate([one], 'echo-node', 8, 5)).toFixed(0)}, 4 containers ${(await rate([one], four, 16, 5)).toFixed(0)}, 4 containers and 2 servers ${(await rate([one, two], four, 16, 5)).toFixed(0)}`,
  )
  await two.end('SIGTERM')

  for (const language of ['node', 'python'] as const) {
    const name = `echo-${language}`
    const { functions } = JSON.parse((await one.ask('GET', '/yafaas/functions')).text) as {
      functions: { id: string; name: string }[]
    }
    const { id } = functions.find((record) => record.name === name)!
    const label = [`amphis.functions.function=${id}`, 'amphis.functions.instance']
    const times: number[] = []
    for (let round = 0; round < 5; round++) {
      for (const { Id } of await containers.docker.listContainers({ filters: { label } }))
        await containers.docker.getContainer(Id).stop({ t: 10 })
      while (
        (JSON.parse((await one.ask('GET', `/yafaas/functions/${name}`)).text) as { instances: { running: number } })
          .instances.running > 0
      );
      times.push((await timed(async () => well(await invoke(one, name)))).ms)
    }
    console.log(`from zero to first answer, ${language}: p50 ${at(times, 0.5)} ms of 5`)
  }
  for (const { name } of (
    JSON.parse((await one.ask('GET', '/yafaas/functions')).text) as { functions: { name: string }[] }
  ).functions) {
    await one.ask('DELETE', `/yafaas/functions/${name}`)
  }
  await queue.close()
  await one.end('SIGTERM')
} finally {
  await nats.stop()
  await remove()
  await rm(folder, { recursive: true, force: true })
  containers.release()
}
