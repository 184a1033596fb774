import { join } from 'node:path'
import test from 'ava'
import { Python } from '../../../index.js'
import { folder } from './helpers/agent-server.js'

// Parts of the server by themselves, called from here.

const python = new Python({ appDir: folder, python: join(folder, '.venv') })
interface Queue {
  readonly waiting: Promise<number>
  enter(key: string, queued: unknown): Promise<void>
  leave(): Promise<void>
  check(): Promise<void>
}
/** Takes the number of those who wait, and does nothing with it. */
const { abs: ignore } = await python.import<{ abs: unknown }>('builtins')
const { FairQueue } = await python.import<{ FairQueue: { ref(places: number, waiting: number): Promise<Queue> } }>(
  'server.queue',
)

test.after.always(() => python.close())

async function waits(queue: Queue, number: number): Promise<void> {
  while ((await queue.waiting) < number);
}

test('places go to the keys in turn, however many turns one has waiting', async (t) => {
  const queue = await FairQueue.ref(1, 100)
  const order: string[] = []
  await queue.enter('a', ignore)
  const running: Promise<unknown>[] = []
  for (const [index, turn] of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].entries()) {
    running.push(
      queue.enter(turn[0]!, ignore).then(async () => {
        order.push(turn)
        await queue.leave()
      }),
    )
    // In the line before the next one comes.
    await waits(queue, index + 1)
  }
  await queue.leave()
  await Promise.all(running)
  t.deepEqual(order, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  t.is(await queue.waiting, 0)
})

test('no more turns wait than may', async (t) => {
  const queue = await FairQueue.ref(0, 1)
  await queue.check()
  void queue.enter('a', ignore).catch(() => {})
  await waits(queue, 1)
  await t.throwsAsync(queue.check(), { message: '1 turns are waiting' })
})

test('addresses of private networks are told from those of the internet', async (t) => {
  const { is_public } = await python.import<{ is_public(address: string): Promise<boolean> }>('server.webhooks')
  for (const address of ['1.1.1.1', '2606:4700::1111', '64:ff9b::101:101']) t.true(await is_public(address), address)
  for (const address of [
    '10.0.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1%eth0',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ]) {
    t.false(await is_public(address), address)
  }
})

test('as many queries run at a time as the memory holds', async (t) => {
  const { running_at_most } = await python.import<{ running_at_most(memory: number): Promise<number> }>(
    'server.settings',
  )
  const gigabyte = 1024 ** 3
  t.is(await running_at_most(2 * gigabyte), 7)
  t.is(await running_at_most(gigabyte / 4), 1)
  t.is(await running_at_most(1024 * gigabyte), 64)
})

test('an event id is read back, and nothing else is', async (t) => {
  const { event_id, parse_event_id } = await python.import<{
    event_id(turn: string, number: number): Promise<string>
    parse_event_id(text: string): Promise<[string, number] | null>
  }>('server.events')
  t.deepEqual(await parse_event_id(await event_id('turn-a-b', 7)), ['turn-a-b', 7])
  for (const text of ['', '7', '.7', 'turn-a.', 'turn-a.-1', 'turn-a.x', `turn-a.${'9'.repeat(40)}`]) {
    t.is(await parse_event_id(text), null, text)
  }
})
