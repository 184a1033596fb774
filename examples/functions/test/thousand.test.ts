/** A thousand events over four containers, with a container and the API server killed in between. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startServer, type ServerProcess } from './server-process.js'
import { prepare } from './support.js'

const EVENTS = 1_000
const CLIENTS = 20

const script = new URL('../../../scripts/lib/nats-server.mjs', import.meta.url).href
const { startNats } = (await import(script)) as {
  startNats(folder: string): Promise<{ address: string; stop: () => Promise<void> }>
}
const { dist, containers, folder } = await prepare()

const code = `
import { setTimeout } from 'node:timers/promises'
export const handler = async ({ n }) => { await setTimeout(20); return { n } }`

test('each of a thousand events is answered, whoever is killed meanwhile', async (t) => {
  const nats = await startNats(join(folder, 'js'))
  const state = join(folder, 'state')
  const start = (port: string) =>
    startServer(dist, containers.socket, containers.image, ['--state', state, '--nats', nats.address, '--port', port])
  let server: ServerProcess = await start('0')
  const { port } = new URL(server.url)
  const spec = {
    name: 'thousand',
    runtime: 'node',
    handler: 'index.handler',
    timeout: 3_000,
    minReplicas: 4,
    maxReplicas: 4,
  }
  const deployed = await server.ask('POST', '/yafaas/functions', { ...spec, files: { 'index.mjs': code } })
  assert.equal(deployed.status, 201, deployed.text)
  const label = [`amphis.functions.function=${deployed.body.id}`]
  const running = () => containers.docker.listContainers({ filters: { label } })
  while ((await running()).length < 4) await server.ask('GET', '/yafaas/functions')

  const began = performance.now()
  const results = new Map<number, { attempts: number; n: number }>()
  const killed: string[] = []
  let next = 0
  let disturbing: Promise<void> | undefined

  const disturb = async () => {
    const [victim] = await running()
    await containers.docker.getContainer(victim!.Id).kill()
    killed.push(victim!.Id)
    await server.end('SIGKILL')
    server = await start(port)
  }
  /** Until it has an answer: the same id is the same event. */
  const one = async (n: number) => {
    const event = { function: 'thousand', payload: { n }, id: `thousand-${String(n).padStart(4, '0')}` }
    for (;;) {
      const reply = await server.ask('POST', '/yafaas/events', event).catch(() => undefined)
      if (reply?.status === 200) {
        results.set(n, { attempts: reply.body.attempts, n: (reply.body.result as { n: number }).n })
        return
      }
      if (reply) assert.fail(`${n}: ${reply.status} ${reply.text}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (next < EVENTS) {
        const n = next++
        await one(n)
        if (results.size >= EVENTS / 3) disturbing ??= disturb()
      }
    }),
  )
  await disturbing
  const seconds = (performance.now() - began) / 1_000

  assert.equal(results.size, EVENTS)
  for (const [n, result] of results) assert.equal(result.n, n)
  assert.equal(killed.length, 1)

  // Every run of the handler has a line, in the container that was killed as well.
  const starts: string[] = []
  for (const { Id } of await containers.docker.listContainers({
    all: true,
    filters: { label: [...label, 'amphis.functions.instance'] },
  })) {
    const logs = (await containers.docker.getContainer(Id).logs({ stdout: true, stderr: true })) as unknown as Buffer
    starts.push(...[...logs.toString().matchAll(/"r":"(thousand-\d+)","s":"start"/g)].map(([, id = '']) => id))
  }
  const runs = new Set(starts)
  assert.equal(runs.size, EVENTS)
  t.diagnostic(
    `${EVENTS} events answered in ${seconds.toFixed(1)} s; ${starts.length - EVENTS} of them ran twice or more`,
  )
  // What four slots had under way when they, or their server, were killed; and as many again for what was not acknowledged.
  assert.ok(starts.length - EVENTS <= 16, `${starts.length - EVENTS} duplicates`)

  await server.ask('DELETE', '/yafaas/functions/thousand')
  await server.end('SIGTERM')
  await nats.stop()
})
