import test from 'ava'
import { Python, PythonError, type PythonFunction } from '../index.js'
import { fixtures, loop, python as interpreter } from './helpers/python.js'

// Chains of calls that go back and forth, and what becomes of threads and limits.

type Functions = Record<string, PythonFunction>

const python = new Python({ appDir: `${fixtures}/calls`, python: interpreter, loop, threads: 4 })
const model = await python.import<Functions>('model')
const chains = await python.import<Functions>('chains')

/** Calls Python again, as often as it is told. */
const again = async (depth: number): Promise<unknown> => model['deep']!(again, depth)

test.serial('a chain of ten alternating calls is one stack on one thread', async (t) => {
  const names = (await chains['alternate']!(async (depth: number) => chains['descend']!(depth), 10)) as string[]
  t.is(names.length, 11)
  t.is(new Set(names).size, 1)
})

test.serial('a hundred such chains at a time end, in a pool of four threads', async (t) => {
  const results = await Promise.all(Array.from({ length: 100 }, async () => again(10)))
  t.is(results.length, 100)
  for (const name of results) {
    t.regex(name as string, /^amphis-call-/)
  }
})

test.serial(
  'blocked threads whose context was lost do not keep the calls from running that they wait for',
  async (t) => {
    // From a timer that was set outside of any call of Python's.
    const queue: (() => void)[] = []
    const timer = setInterval(() => queue.splice(0).forEach((run) => run()), 1)
    const lost = async (value: number): Promise<unknown> =>
      new Promise((resolve, reject) => {
        queue.push(() => {
          model['add']!(value).then(resolve, reject)
        })
      })
    const results = await Promise.all(Array.from({ length: 8 }, async (_, index) => model['apply']!(lost, index)))
    clearInterval(timer)
    t.deepEqual(results, [1, 2, 3, 4, 5, 6, 7, 8])
  },
)

test.serial('what a chain raises comes back through all of it as one error', async (t) => {
  const raising = async (): Promise<unknown> => model['raises']!('KeyError', 'deep')
  const error = (await t.throwsAsync(model['apply']!(raising, 1))) as PythonError
  t.true(error instanceof PythonError)
  t.is(error.type, 'KeyError')
})

test.serial('a recursion without end is a RecursionError, and the process goes on', async (t) => {
  const error = (await t.throwsAsync(again(100_000))) as PythonError
  t.true(error instanceof PythonError)
  t.is(error.type, 'RecursionError')
  t.is(await model['add']!(1), 2)
})

test.serial('an async def that a blocked chain calls runs on the loop', async (t) => {
  const search = async (value: number): Promise<unknown> => model['add_async']!(value)
  t.is(await model['apply']!(search, 1), 2)
})

test.serial('Node’s event loop goes on while Python computes and while threads are blocked', async (t) => {
  let turns = 0
  const timer = setInterval(() => turns++, 5)
  await Promise.all([model['slow']!(0.2), chains['compute']!(0.2)])
  clearInterval(timer)
  t.true(turns >= 10, `${turns} turns in 0.2 s`)
})

test.serial('a callback whose owner has gone is refused in Python, not lost', async (t) => {
  const other = new Python({ appDir: `${fixtures}/calls`, python: interpreter, loop })
  const functions = await other.import<Functions>('chains')
  await functions['keep']!((value: number) => value)
  await other.close()
  const said = (await chains['call_kept']!(1)) as string
  t.regex(said, /RuntimeError: the handler or worker thread of Node\.js whose JavaScript this is has been closed/)
})

test.serial('closing answers what Python still waits for', async (t) => {
  const other = new Python({ appDir: `${fixtures}/calls`, python: interpreter, loop, timeoutGracefulShutdown: 10 })
  const functions = await other.import<Functions>('chains')
  const waiting = functions['outcome']!(async () => new Promise(() => {}))
  const outcome = Promise.allSettled([waiting])
  await functions['started']!()
  await other.close()
  const [first] = await outcome
  t.is(first.status, 'rejected')
  t.regex((await chains['said']!()) as string, /RuntimeError: .*closed/)
})

test.serial('objects of either side are dropped when the other has dropped them', async (t) => {
  const [tablesBefore, functionsBefore] = (await chains['alive']!()) as [number, number]
  for (let round = 0; round < 200; round++) {
    const table = await model['table']!.ref(round)
    await model['rows_of']!(table)
    ;(table as unknown as { close(): void }).close()
    await model['apply_async']!((value: number) => value, round)
  }
  const [tables, functions] = (await chains['alive']!()) as [number, number]
  t.true(tables - tablesBefore < 20, `${tables} tables`)
  t.true(functions - functionsBefore < 20, `${functions} functions`)
})
