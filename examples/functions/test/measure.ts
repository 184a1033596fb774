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
  const [alone, node, py]: number[][] = [[], [], []]
  for (let round = 0; round < ROUNDS; round++) {
    alone!.push((await timed(() => queueAlone(queue))).ms)
    node!.push((await timed(() => invoke(one, 'echo-node'))).ms)
    py!.push((await timed(() => invoke(one, 'echo-python'))).ms)
  }
  console.log(
    `p50 (p99) of ${ROUNDS}: queue alone ${at(alone!, 0.5)} (${at(alone!, 0.99)}), warm in node ${at(node!, 0.5)} (${at(node!, 0.99)}), in python ${at(py!, 0.5)} (${at(py!, 0.99)}) ms`,
  )
  console.log(
    `warm to the queue's own round trip: node ${(Number(at(node!, 0.5)) / Number(at(alone!, 0.5))).toFixed(2)}, python ${(Number(at(py!, 0.5)) / Number(at(alone!, 0.5))).toFixed(2)}`,
  )

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
