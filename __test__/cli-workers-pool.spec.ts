import test from 'ava'
import { BackOff, HEALTHY_TIME } from '../lib/cli/workers/back-off.js'
import { HealthCheck } from '../lib/cli/workers/health-check.js'
import { WorkerPool } from '../lib/cli/workers/pool.js'
import type { End, Start, Worker } from '../lib/cli/workers/worker.js'

// Back-off

test('tries again at once, then after waits that double up to half a minute', (t) => {
  const backOff = new BackOff()
  const waits = Array.from({ length: 9 }, () => backOff.failed(0))
  t.deepEqual(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
})

test('forgets what was before a healthy minute, and only then', (t) => {
  const backOff = new BackOff()
  for (let failures = 0; failures < 4; failures++) backOff.failed(0)
  t.is(backOff.failed(HEALTHY_TIME - 1), 8_000)
  t.is(backOff.failed(HEALTHY_TIME), 0)
  t.is(backOff.failed(0), 1_000)
})

// Health check

/** Which loop is said to be silent, when the pings are answered so in turn; the last answer is that of all others. */
function silenceAfter(...answers: ('node' | 'python')[][]): Promise<string> {
  return new Promise((resolve) => {
    const check = new HealthCheck(
      20,
      () => {
        const answer = answers.length > 1 ? answers.shift() : answers[0]
        for (const loop of answer ?? []) setImmediate(() => check.heard(loop))
      },
      resolve,
    )
    check.start()
  })
}

test('tells which event loop does not answer', async (t) => {
  t.is(await silenceAfter([]), 'node')
  t.is(await silenceAfter(['node']), 'python')
  t.is(await silenceAfter(['node', 'python'], ['node', 'python'], ['node']), 'python')
})

test('asks nothing without a limit', (t) => {
  const check = new HealthCheck(
    0,
    () => t.fail(),
    () => t.fail(),
  )
  check.start()
  check.stop()
  t.pass()
})

// Pool

/** A worker that does what the test says. */
class FakeWorker {
  readonly pid = 7
  readonly madeAt = performance.now()
  readonly started: Promise<Start>
  readonly ended: Promise<End>
  readonly worn: Promise<void>
  start!: () => void
  wear!: () => void
  /** How often it was asked to end, and whether it may linger. */
  readonly asked: boolean[] = []
  #ends!: (end: End) => void

  constructor() {
    this.ended = new Promise((resolve) => (this.#ends = resolve))
    this.worn = new Promise((resolve) => (this.wear = resolve))
    const starts = new Promise<Start>((resolve) => {
      this.start = () => resolve({ address: 'http://a', versions: undefined })
    })
    this.started = Promise.race([starts, this.ended.then(() => 'failed' as const)])
  }

  die(how: Partial<End> = {}): void {
    this.#ends({ code: 1, signal: null, error: undefined, silent: undefined, servedFor: 0, ...how })
  }

  end(lingers: boolean): void {
    this.asked.push(lingers)
    this.die({ code: 0 })
  }

  kill(): void {
    this.die({ code: null, signal: 'SIGKILL' })
  }
}

function pool() {
  const made: FakeWorker[] = []
  const said: string[] = []
  let wake = () => {}
  const say = (text: string) => void said.push(text)
  const failure = (error: Error) => void said.push(`failure: ${error.message}`)
  const all = new WorkerPool(
    () => {
      const worker = new FakeWorker()
      made.push(worker)
      wake()
      return worker as unknown as Worker
    },
    { info: say, warn: say, failure },
  )
  /** The nth worker that was made, once it is. */
  const worker = async (index: number): Promise<FakeWorker> => {
    while (made[index] === undefined) await new Promise<void>((resolve) => (wake = resolve))
    return made[index]
  }
  return { all, made, said, worker }
}

test('ends all with the error of the first worker, if that does not start', async (t) => {
  const { all, made, said, worker } = pool()
  const started = all.start(3)
  ;(await worker(1)).die({ error: new Error('second') })
  ;(await worker(0)).die({ error: new Error('first') })
  await t.throwsAsync(started, { message: 'first' })
  t.is(made.length, 3)
  t.deepEqual(made[2]?.asked, [false])
  t.deepEqual(said, [])
})

test('says how the first worker ended where it could not say so itself', async (t) => {
  const { all, worker } = pool()
  const started = all.start(1)
  ;(await worker(0)).die({ code: null, signal: 'SIGSEGV' })
  await t.throwsAsync(started, { message: 'Worker 1 did not start: it was killed by SIGSEGV.' })
})

test('tries again with a worker that does not start, while the first one serves, and waits in between', async (t) => {
  const { all, made, said, worker } = pool()
  const started = all.start(2)
  const error = new Error('it is broken')
  ;(await worker(1)).die({ error })
  ;(await worker(0)).start()
  ;(await worker(2)).die({ error })
  const third = await worker(3)
  t.true(third.madeAt - made[2]!.madeAt > 990)
  third.start()
  t.deepEqual(await started, { address: 'http://a', versions: undefined })
  t.deepEqual(said, [
    'failure: it is broken',
    'Worker 2 (process 7) did not start: it ended with exit code 1. A new one starts now.',
    'failure: it is broken',
    'Worker 2 (process 7) did not start: it ended with exit code 1. The next try is in 1 s.',
  ])
  await all.stop()
  t.deepEqual(made[0]?.asked, [false])
  t.deepEqual(third.asked, [false])
})

test('replaces all with a reload, and leaves them where the new one does not start', async (t) => {
  const { all, made, said, worker } = pool()
  const started = all.start(2)
  ;(await worker(0)).start()
  ;(await worker(1)).start()
  await started
  all.reload()
  const first = await worker(2)
  t.deepEqual(made[0]?.asked, [])
  first.start()
  const second = await worker(3)
  t.deepEqual(made[0]?.asked, [true])
  t.deepEqual(made[1]?.asked, [])
  second.die({ error: new Error('broken') })
  // What comes next shows that the reload is over.
  all.grow()
  ;(await worker(4)).start()
  t.deepEqual(made[1]?.asked, [])
  t.deepEqual(said, [
    'Reloading: each worker is replaced as soon as a new one serves.',
    'failure: broken',
    'A new worker 2 (process 7) did not start: it ended with exit code 1.',
    'The workers that serve stay. Mend the app, and reload once more.',
    'Now 3 workers.',
  ])
  await all.stop()
})

test('a second reload gives up on a worker of the first that does not get ready', async (t) => {
  const { all, made, worker } = pool()
  const started = all.start(1)
  ;(await worker(0)).start()
  await started
  all.reload()
  await worker(1)
  all.reload()
  ;(await worker(2)).start()
  await made[0]?.ended
  t.deepEqual(made[0]?.asked, [true])
  await all.stop()
  t.is(made.length, 3)
})

test('replaces a worker that is worn before it ends, and has it go on where none can take its place', async (t) => {
  const { all, made, said, worker } = pool()
  const started = all.start(1)
  const old = await worker(0)
  old.start()
  await started
  old.wear()
  ;(await worker(1)).die()
  const successor = await worker(2)
  t.deepEqual(old.asked, [])
  successor.start()
  await old.ended
  t.deepEqual(old.asked, [true])
  t.is(made.length, 3)
  t.is(said.filter((text) => text.includes('has served its requests')).length, 2)
  await all.stop()
})

test('keeps the last worker', async (t) => {
  const { all, made, said, worker } = pool()
  const started = all.start(2)
  ;(await worker(0)).start()
  ;(await worker(1)).start()
  await started
  all.shrink()
  all.shrink()
  await made[1]?.ended
  all.grow()
  ;(await worker(2)).start()
  t.deepEqual(said, ['Now 1 worker.', 'The last worker stays. End all with SIGTERM.', 'Now 2 workers.'])
  t.deepEqual(made[0]?.asked, [])
  await all.stop()
})

test('tells what went wrong in the end of a worker', async (t) => {
  const { all, made, worker } = pool()
  const started = all.start(2)
  ;(await worker(0)).start()
  ;(await worker(1)).start()
  await started
  const [, second] = made
  second!.end = () => second!.die({ error: new Error('its shutdown failed') })
  await t.throwsAsync(all.stop(), { message: 'its shutdown failed' })
})
