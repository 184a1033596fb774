import test from 'ava'
import { Python, type PythonFunction } from '../index.js'
import { takeLog } from '../fixtures/calls/host.mjs'
import { flat, shareMemory } from './helpers/memory.js'
import { fixtures, python as interpreter } from './helpers/python.js'

// Calls in both directions leave the heaps of both languages as they were, and an idle process idle.

type Functions = Record<string, PythonFunction>

const python = new Python({ appDir: `${fixtures}/calls`, python: interpreter })
const model = await python.import<Functions>('model')
const many = await python.import<Functions>('many')
test.after.always(() => python.close())

const { leftPerRound } = shareMemory()

const call = async (name: string, ...args: unknown[]): Promise<unknown> => model[name]!(...args)

/** Has Python make calls, so many for each round. */
const calledByPython = (name: string, each: number, count: number) =>
  leftPerRound(count / each, async () => {
    await many[name]!(each)
    takeLog()
  }).then((left) => ({
    ...left,
    heap: left.heap / each,
    external: left.external / each,
    blocks: left.blocks / each,
    count,
  }))

test.serial('forty thousand calls of Python leave nothing behind', async (t) => {
  flat(t, await leftPerRound(7000, async (index) => call('add_async', index)))
  flat(t, await leftPerRound(7000, async (index) => call('add', index)))
})

test.serial('values that are copied leave nothing behind', async (t) => {
  const value = {
    list: [1, 2.5, 'drei', null, true],
    map: new Map([[1, { at: new Date(0) }]]),
    bytes: Buffer.alloc(100),
  }
  flat(t, await leftPerRound(1000, async () => call('echo', value)))
})

test.serial('arrays too large to be copied leave nothing behind', async (t) => {
  const array = new Float64Array(20_000)
  flat(t, await leftPerRound(500, async () => call('echo', array)))
})

test.serial('handles that nobody holds any more leave nothing behind', async (t) => {
  const left = await leftPerRound(600, async (index) => {
    const table = await model['table']!.ref(index, index + 1)
    await table['head']!(1)
    if (index % 2 === 0) {
      table['close']()
    }
  })
  flat(t, left)
})

test.serial('functions that Python is given leave nothing behind', async (t) => {
  flat(t, await leftPerRound(1000, async (index) => call('apply_async', (value: number) => value + index, 1, 2)))
})

test.serial('what Python raises leaves nothing behind', async (t) => {
  flat(t, await leftPerRound(500, async () => call('raises', 'LookupError', 'on purpose').catch(() => {})))
})

test.serial('generators that are left early leave nothing behind', async (t) => {
  flat(
    t,
    await leftPerRound(600, async (index) => {
      for await (const _ of model[index % 2 === 0 ? 'count' : 'count_async']!(1000)) {
        break
      }
      await call('take_events')
    }),
  )
})

test.serial('calls that are given up leave nothing behind', async (t) => {
  flat(
    t,
    await leftPerRound(400, async () => {
      const controller = new AbortController()
      const pending = model['forever']!.with({}, { signal: controller.signal })()
      controller.abort()
      await pending.catch(() => {})
      await call('take_events')
    }),
  )
})

test.serial('twenty thousand calls of JavaScript leave nothing behind', async (t) => {
  flat(t, await calledByPython('same', 50, 4000))
  flat(t, await calledByPython('blocking', 50, 3000))
})

for (const [what, name] of [
  ['objects of JavaScript that Python drops leave', 'objects'],
  ['functions that JavaScript is given leave', 'callbacks'],
  ['what JavaScript throws leaves', 'errors'],
  ['async iterables that are left early leave', 'left_early'],
  ['calls of JavaScript that are cancelled leave', 'cancelled'],
  ['threads that have called JavaScript leave', 'on_threads'],
] as const) {
  test.serial(`${what} nothing behind`, async (t) => {
    flat(t, await calledByPython(name, 10, 500))
  })
}

const cpuOf = async (milliseconds: number): Promise<number> => {
  const start = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

test.serial('nothing polls while nothing is asked, whatever was asked before', async (t) => {
  // One at a time, so that either side stays awake for the next.
  for (let index = 0; index < 2000; index++) {
    await call(index % 2 === 0 ? 'add' : 'add_async', index)
  }
  await many['blocking']!(1000)
  const used = await cpuOf(500)
  // A thread that polls would take most of the half second.
  t.true(used < 50, `${used} ms of CPU in 500 ms`)
})

test.serial('calls that wait for their answers cost no CPU', async (t) => {
  const controllers = Array.from({ length: 51 }, () => new AbortController())
  const pending = controllers.map(async ({ signal }, index) =>
    index === 0 ? many['never']!.with({}, { signal })(50) : model['forever']!.with({}, { signal })(),
  )
  for (let waiting = 0; waiting < 50; waiting += takeLog().length) {
    // All that was asked before this has begun when it is answered.
    await call('add', 1)
  }
  const used = await cpuOf(500)
  t.true(used < 50, `${used} ms of CPU in 500 ms`)
  controllers.forEach((controller) => controller.abort())
  await Promise.allSettled(pending)
  await call('take_events')
})
