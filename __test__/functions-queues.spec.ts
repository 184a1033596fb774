import { randomUUID } from 'node:crypto'
import ava, { type ExecutionContext } from 'ava'
import { MemoryQueue } from '../examples/functions/server/memory-queue.js'
import { NatsQueue } from '../examples/functions/server/nats-queue.js'
import type { Job, Outcome, Queue } from '../examples/functions/server/queue.js'
import { scratchFolder } from './helpers/scratch.js'

const script = new URL('../scripts/lib/nats-server.mjs', import.meta.url).href
const { startNats, natsForTests } = (await import(script)) as {
  natsForTests(say: (line: string) => void): Promise<boolean>
  startNats(folder: string): Promise<{ address: string; stop: () => Promise<void> }>
}

const withNats = (await natsForTests((line) => console.log(line))) ? ava : ava.skip
const never = new AbortController().signal
const job = (functionId = 'fn-a', rest: Partial<Job> = {}): Job => ({
  id: randomUUID(),
  functionId,
  payload: '{"n":1}',
  mode: 'sync',
  queuedAt: 1,
  lease: 60_000,
  ...rest,
})
const outcomeOf = ({ id, functionId }: Job, rest: Partial<Outcome> = {}): Outcome => ({
  id,
  functionId,
  status: 'ok',
  body: '1',
  attempts: 1,
  queuedAt: 1,
  endedAt: Date.now(),
  instance: 'i-1',
  dead: false,
  ...rest,
})

async function nats(t: ExecutionContext): Promise<() => Promise<Queue>> {
  const server = await startNats(`${await scratchFolder(t)}/js`)
  t.teardown(() => server.stop())
  return async () => {
    const queue = await NatsQueue.open(server.address)
    t.teardown(() => queue.close())
    return queue
  }
}

for (const [name, open, test] of [
  ['in memory', async () => async () => new MemoryQueue(), ava],
  ['of NATS', nats, withNats],
] as const) {
  test(`a queue ${name} carries events to their function, and outcomes back`, async (t) => {
    const queue = await (await open(t))()
    const [one, other] = [job(), job('fn-b')]
    const watch = queue.watch(one.id)
    await queue.submit(other)
    await queue.submit(one)
    t.deepEqual(await queue.depth('fn-a'), { waiting: 1, leased: 0 })
    const lease = (await queue.take('fn-a', 60_000, never))!
    t.deepEqual(lease.job, one)
    t.is(lease.attempt, 1)
    t.deepEqual(await queue.depth('fn-a'), { waiting: 0, leased: 1 })
    await queue.settle({ functionId: 'fn-a', receipt: lease.receipt }, outcomeOf(one))
    t.is((await watch.outcome).id, one.id)
    t.is((await queue.outcome(one.id))?.body, '1')
    t.is(await queue.outcome('unknown-id'), undefined)
    await queue.close()
  })

  test(`a queue ${name} gives an event out again when its lease is over, and when it is given back`, async (t) => {
    const queue = await (await open(t))()
    const one = job()
    await queue.submit(one)
    t.is((await queue.take('fn-a', 300, never))!.attempt, 1)
    const again = (await queue.take('fn-a', 300, never))!
    t.is(again.attempt, 2)
    await queue.retry({ functionId: 'fn-a', receipt: again.receipt })
    t.is((await queue.take('fn-a', 300, never))!.attempt, 3)
    await queue.close()
  })

  test(`a queue ${name} keeps dead letters with their payload`, async (t) => {
    const queue = await (await open(t))()
    const one = job()
    await queue.submit(one)
    const { receipt } = (await queue.take('fn-a', 60_000, never))!
    await queue.bury({ functionId: 'fn-a', receipt }, outcomeOf(one, { status: 'error', dead: true }))
    const letters = await queue.deadLetters('fn-a')
    t.deepEqual(
      letters.map((letter) => letter.job),
      [one],
    )
    t.true((await queue.outcome(one.id))!.dead)
    t.deepEqual(await queue.deadLetters('fn-b'), [])
    await queue.close()
  })

  test(`a queue ${name} takes an event of the same id once`, async (t) => {
    const queue = await (await open(t))()
    const one = job()
    await queue.submit(one)
    await queue.submit(one)
    t.is((await queue.depth('fn-a')).waiting, 1)
    const { receipt } = (await queue.take('fn-a', 60_000, never))!
    await queue.settle({ functionId: 'fn-a', receipt }, outcomeOf(one))
    const watch = queue.watch(one.id)
    await queue.submit(one)
    t.is((await watch.outcome).id, one.id)
    t.deepEqual(await queue.depth('fn-a'), { waiting: 0, leased: 0 })
    await queue.close()
  })

  test(`a queue ${name} loses nothing to those who leave while they wait`, async (t) => {
    const queue = await (await open(t))()
    const leaving = new AbortController()
    const left = queue.take('fn-a', 60_000, leaving.signal)
    leaving.abort()
    t.is(await left, undefined)
    const one = job()
    await queue.submit(one)
    t.is((await queue.take('fn-a', 60_000, never))!.job.id, one.id)
    await queue.close()
  })

  test(`a queue ${name} forgets a function with its events`, async (t) => {
    const queue = await (await open(t))()
    await queue.submit(job())
    await queue.forget('fn-a')
    t.deepEqual(await queue.depth('fn-a'), { waiting: 0, leased: 0 })
    await queue.close()
  })
}

withNats('servers of one NATS share events: one is settled by a server that did not give it out', async (t) => {
  const open = await nats(t)
  const [one, two] = [await open(), await open()]
  const event = job()
  const watch = one.watch(event.id)
  await one.submit(event)
  const lease = (await two.take('fn-a', 60_000, never))!
  await two.close()
  await one.settle({ functionId: 'fn-a', receipt: lease.receipt }, outcomeOf(event))
  t.is((await watch.outcome).id, event.id)
  const three = await open()
  t.is((await three.outcome(event.id))?.id, event.id)
  t.deepEqual(await three.depth('fn-a'), { waiting: 0, leased: 0 })
})
