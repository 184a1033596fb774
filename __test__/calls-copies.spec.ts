import { once } from 'node:events'
import test from 'ava'
import * as built from '../index.js'
import * as sources from '../lib/index.js'
import { fixtures, loop, python as interpreter } from './helpers/python.js'

// Two copies of the package's code in one thread, as tests have them that reset modules: here what is built, and its sources.
// There is one Python, and one end of the bridge for both.

type Functions = Record<string, built.PythonFunction>

const options = { appDir: `${fixtures}/calls`, python: interpreter, loop, threads: 4 }
const ours = new built.Python(options)
const theirs = new sources.Python(options) as unknown as built.Python
const copies = [ours, theirs]

const models = await Promise.all(copies.map(async (copy) => copy.import<Functions>('model')))
const chains = await Promise.all(copies.map(async (copy) => copy.import<Functions>('chains')))

test.after.always(async () => {
  await Promise.all(copies.map(async (copy) => copy.close()))
})

test.serial('both call Python, whichever came first', async (t) => {
  for (const round of [1, 2, 3]) {
    for (const model of models) {
      t.is(await model['add']!(round), round + 1)
    }
  }
  t.deepEqual(await Promise.all(models.flatMap((model) => [model['add']!(1), model['add']!(2)])), [2, 3, 2, 3])
})

test.serial('Python calls the functions that it was given by either', async (t) => {
  for (const [index, chain] of chains.entries()) {
    const model = models[index]!
    const names = (await chain['alternate']!(async (depth: number) => chain['descend']!(depth), 4)) as string[]
    t.is(names.length, 5)
    await t.throwsAsync(
      async () =>
        model['deep']!(() => {
          throw new RangeError('as it was asked to')
        }, 1),
      { message: /as it was asked to/ },
    )
  }
})

test.serial('what Python has called with one copy calls back with the other on the same thread', async (t) => {
  const [first, second] = chains as [Functions, Functions]
  const names = (await first['alternate']!(async (depth: number) => second['descend']!(depth), 6)) as string[]
  t.is(new Set(names).size, 1)
})

test.serial('the signal of a call is that of either copy', async (t) => {
  const controller = new AbortController()
  let begun = (): void => {}
  const begins = new Promise<void>((resolve) => {
    begun = resolve
  })
  const signals: AbortSignal[] = []
  const waits = async (): Promise<void> => {
    signals.push(built.callSignal(), sources.callSignal())
    begun()
    await Promise.all(signals.map(async (signal) => once(signal, 'abort')))
  }
  const given = chains[0]!['awaits']!.with({}, { signal: controller.signal })(waits)
  await begins
  controller.abort()
  await t.throwsAsync(async () => given, { any: true })
  await Promise.all(signals.map(async (signal) => signal.aborted || once(signal, 'abort')))
  t.is(signals[0], signals[1])
})
