import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { AmphisError, Python, PythonError, PythonObject, type PythonFunction } from '../index.js'
import { fixtures, loop, python as interpreter } from './helpers/python.js'

// JavaScript calls functions of Python.

type Functions = Record<string, PythonFunction>

const options = { appDir: `${fixtures}/calls`, python: interpreter, loop }
const python = new Python(options)
const model = await python.import<Functions & { VERSION: string }>('model')

test.beforeEach(async () => {
  await model['take_events']!()
})

async function events(): Promise<string[]> {
  return (await model['take_events']!()) as string[]
}

/** Resolves when an event of the fixture has come. */
async function event(name: string): Promise<void> {
  for (;;) {
    if ((await events()).includes(name)) {
      return
    }
    await turn()
  }
}

test.serial('a def function is called in a thread of Python’s, an async def on the loop', async (t) => {
  t.is(await model['add']!(1, 2), 3)
  t.is(await model['add_async']!(1, 2), 3)
  t.regex((await model['where']!()) as string, /^amphis-call-\d+$/)
  t.deepEqual(await model['where_async']!(), ['MainThread', true])
})

test.serial('arguments are given by name with .with(), again and again', async (t) => {
  t.is(await model['add']!.with({ b: 5 })(1), 6)
  const echo = model['echo']!.with({ one: 1, two: 2 })
  t.deepEqual(await echo('x'), [['x'], { one: 1, two: 2 }])
  t.deepEqual(await echo.with({ two: 3 })(), [[], { one: 1, two: 3 }])
  t.deepEqual(await model['search']!.with({ limit: 2 })('tea'), ['tea', 'tea'])
})

test.serial('what is undefined by name was left out', async (t) => {
  t.is(await model['add']!.with({ b: undefined })(1), 2)
})

test.serial('a callable object whose __call__ is async runs on the loop', async (t) => {
  t.is(await model['sneaky']!(1), 2)
})

test.serial('a module has its functions, classes and numbers, and no private names', (t) => {
  t.is(model.VERSION, '1.2')
  const names = Object.keys(model)
  t.true(names.includes('predict') || names.includes('add'))
  t.true(names.includes('Point'))
  t.false(names.includes('_hidden'))
  t.true('add' in model)
  t.false('nothing' in model)
})

test.serial('what a module has and cannot be copied is a handle', async (t) => {
  t.true((await (model['TABLE'] as unknown as Promise<object>)) instanceof PythonObject)
})

test.serial('what else a module has is had by awaiting it', async (t) => {
  t.deepEqual(await (model['LIMITS'] as unknown as Promise<object>), { most: 10 })
})

test.serial('the same module is the same object', async (t) => {
  t.is(await python.import('model'), model)
})

test.serial('generators of either kind are iterated over as the result of their call', async (t) => {
  for (const name of ['count', 'count_async']) {
    const seen: unknown[] = []
    for await (const number of model[name]!(3)) {
      seen.push(number)
    }
    t.deepEqual(seen, [0, 1, 2])
    t.deepEqual(await events(), [`${name} closed`])
  }
})

test.serial('leaving the iteration early closes the generator', async (t) => {
  for (const name of ['count', 'count_async']) {
    for await (const number of model[name]!(1000)) {
      if (number === 1) break
    }
    t.deepEqual(await events(), [`${name} closed`])
  }
})

test.serial('what a generator raises comes where the value would have come', async (t) => {
  const seen: unknown[] = []
  const error = await t.throwsAsync(
    async () => {
      for await (const number of model['fails_later']!(2)) {
        seen.push(number)
      }
    },
    { instanceOf: PythonError, message: 'the generator has failed' },
  )
  t.deepEqual(seen, [0, 1])
  t.is(error.type, 'ValueError')
})

test.serial('a result that is not iterable says so', async (t) => {
  await t.throwsAsync(
    async () => {
      for await (const _ of model['add']!(1, 2)) {
        t.fail()
      }
    },
    { instanceOf: TypeError, message: /add\(\) has given number, which cannot be iterated over/ },
  )
})

test.serial('.ref() leaves the result in Python: attributes, methods, items, iteration', async (t) => {
  const table = await model['table']!.ref(1, 2, 3)
  t.true(table instanceof PythonObject)
  t.is(await table['length'], 3)
  t.deepEqual(await (table['head'] as PythonFunction)(2), [1, 2])
  t.is(await (table['sum'] as PythonFunction).with({ factor: 10 })(), 60)
  t.is(await PythonObject.item(table, 1), 2)
  const seen: unknown[] = []
  for await (const row of table as unknown as AsyncIterable<number>) {
    seen.push(row)
  }
  t.deepEqual(seen, [1, 2, 3])
})

test.serial('a handle that is given to Python is the object itself', async (t) => {
  const table = await model['table']!.ref(1)
  t.is(await model['same']!(table, table), true)
  t.deepEqual(await model['rows_of']!(table), [1])
  const again = await model['echo']!.with({ table })()
  t.is((again as [unknown, { table: unknown }])[1].table, table)
})

test.serial('a member that is given to Python is that member: a function, a method, a value', async (t) => {
  t.is(await model['call']!(model['add'], 1, 2), 3)
  t.deepEqual(await model['echo']!.with({ limits: model['LIMITS'] })(), [[], { limits: { most: 10 } }])
  const table = await model['table']!.ref(3, 4)
  t.deepEqual(await model['call']!(table['head'], 2), [3, 4])
  t.deepEqual(await model['echo']!([table['length']]), [[[2]], {}])
  const error = (await t.throwsAsync(model['echo']!(table['nothing']))) as PythonError
  t.is(error.type, 'AttributeError')
})

test.serial('methods that a handle hides are called by name', async (t) => {
  const table = await model['table']!.ref(1)
  t.is(await PythonObject.method(table, 'close'), 'closed in Python')
  t.is(await PythonObject.attribute(table, 'closed'), true)
})

test.serial('a released handle is refused, by using, close() and PythonObject.close()', async (t) => {
  const table = await model['table']!.ref(1)
  const { length } = table
  ;(table as unknown as { close(): void }).close()
  await t.throwsAsync(async () => length, { code: 'AMPHIS_ERR_CLOSED', message: /released/ })
  let kept: object
  {
    using other = (await model['table']!.ref(1)) as object as Disposable
    kept = other
  }
  await t.throwsAsync(model['rows_of']!(kept), { message: /released/ })
})

test.serial('what was had from a handle or a module keeps it from being released', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const head = (await model['table']!.ref(1, 2))['head'] as PythonFunction
  const other = new Python(options)
  const { add } = await other.import<{ add: PythonFunction }>('model')
  const bound = (await other.import<Functions>('model'))['add']!.with({ b: 5 })
  for (let round = 0; round < 3; round++) {
    await turn()
    collect()
  }
  // Python hears of what was released.
  await model['add']!(1)
  t.deepEqual(await head(1), [1])
  t.is(await add(1), 2)
  t.is(await bound(1), 6)
  await other.close()
})

test.serial('handles answer then, toJSON, symbols and names with two underscores with undefined', async (t) => {
  const table = await model['table']!.ref(1)
  for (const name of ['then', 'toJSON', '__class__', '__dict__', Symbol.toPrimitive, Symbol.iterator]) {
    t.is((table as unknown as Record<string | symbol, unknown>)[name], undefined)
    t.is((model as unknown as Record<string | symbol, unknown>)[name], undefined)
  }
  t.throws(() => ((table as Record<string, unknown>)['rows'] = 1), { instanceOf: TypeError })
})

test.serial('an instance of a class is a handle, one of a dataclass a copy', async (t) => {
  const table = await model['Table']!([1, 2])
  t.true(table instanceof PythonObject)
  t.is(await (table as Record<string, unknown>)['length'], 2)
  t.deepEqual(await model['Point']!(1, 2), { x: 1, y: 2 })
})

test.serial('an exception is a PythonError with type, message, traceback and cause', async (t) => {
  for (const name of ['raises', 'raises_async']) {
    const error = (await t.throwsAsync(model[name]!('ValueError', 'no tea'))) as PythonError
    t.true(error instanceof PythonError)
    t.is(error.type, 'ValueError')
    t.is(error.message, 'no tea')
    t.regex(error.traceback, new RegExp(`model.py", line \\d+, in ${name}`))
    t.notRegex(error.traceback, /<amphis>/)
  }
  const error = (await t.throwsAsync(model['raises_from']!())) as PythonError
  t.is(error.type, 'RuntimeError')
  t.true(error.cause instanceof PythonError)
  t.is((error.cause as PythonError).type, 'KeyError')
})

test.serial('no exception ends the process, of whatever kind', async (t) => {
  for (const name of ['raises', 'raises_async']) {
    for (const kind of ['SystemExit', 'KeyboardInterrupt', 'GeneratorExit', 'StopIteration', 'BaseException']) {
      const error = (await t.throwsAsync(model[name]!(kind, 'stay'))) as PythonError
      t.true(error instanceof PythonError, `${name} ${kind}`)
    }
  }
  t.is(await model['add']!(1), 2)
})

test.serial('a module that is not there is named, with the nearest that is', async (t) => {
  const error = await t.throwsAsync(python.import('modell'), { instanceOf: AmphisError })
  t.is(error.code, 'AMPHIS_ERR_APP_NOT_FOUND')
  t.regex(error.message, /no Python module "modell".*Did you mean "model"\?/s)
})

test.serial('a module that raises says so with its traceback', async (t) => {
  const error = (await t.throwsAsync(python.import('broken'), { code: 'AMPHIS_ERR_APP_IMPORT' })) as PythonError
  t.regex(error.traceback, /this module cannot be imported/)
})

for (const name of ['', 'a b', './model.py', 'model:add', 'a..b']) {
  test.serial(`“${name}” is not the name of a module`, async (t) => {
    await t.throwsAsync(python.import(name), {
      code: 'AMPHIS_ERR_INVALID_OPTIONS',
      message: /not the name of a Python/,
    })
  })
}

test.serial('a function that is not there is named, with the nearest that is', async (t) => {
  const error = (await t.throwsAsync(model['ad_async']!(1))) as PythonError
  t.is(error.type, 'AttributeError')
  t.regex(error.message, /module 'model' has no attribute 'ad_async'\. Did you mean 'add_async'\?/)
})

test.serial('what cannot be called says what it is', async (t) => {
  const error = (await t.throwsAsync((model['LIMITS'] as PythonFunction)())) as PythonError
  t.is(error.type, 'TypeError')
  t.regex(error.message, /'dict' object is not callable/)
})

test.serial('arguments and results that cannot be passed are named by their place', async (t) => {
  await t.throwsAsync(model['echo']!({ user: { tags: [1, Symbol('x')] } }), {
    code: 'AMPHIS_ERR_CONVERSION',
    message: /args\[0\]\.user\.tags\[1\]/,
  })
  const error = await t.throwsAsync(model['unfit']!())
  t.regex(error.message, /result.*rows.*\[1\].*table/s)
  t.regex(error.message, /Table/)
  t.is((error as PythonError).code, 'AMPHIS_ERR_CONVERSION')
  t.is(await model['add']!(1), 2)
})

test.serial('wrong arguments are the TypeError that Python raises', async (t) => {
  const error = (await t.throwsAsync(model['add_async']!())) as PythonError
  t.is(error.type, 'TypeError')
  t.regex(error.message, /missing 1 required positional argument: 'a'/)
})

test.serial('aborting the signal rejects the call and cancels its task', async (t) => {
  const controller = new AbortController()
  const call = model['forever']!.with({}, { signal: controller.signal })()
  await model['add_async']!(1)
  controller.abort(new Error('enough'))
  await t.throwsAsync(call, { message: 'enough' })
  await event('cancelled')
  t.pass()
})

test.serial('a signal that is aborted already keeps it from being called', async (t) => {
  await t.throwsAsync(model['slow']!.with({}, { signal: AbortSignal.abort(new Error('before')) })(0), {
    message: 'before',
  })
  t.deepEqual(await events(), [])
})

test.serial('a timeout comes in time while Python is busy, and nothing is lost', async (t) => {
  const blocking = model['blocks_the_loop']!(0.5)
  const began = performance.now()
  await t.throwsAsync(model['add_async']!.with({}, { timeout: 20 })(1), { code: 'AMPHIS_ERR_CALL_TIMEOUT' })
  t.true(performance.now() - began < 400)
  const waiting = model['add_async']!(2)
  await blocking
  t.is(await waiting, 3)
})

test.serial('a timeout rejects the call and cancels its task', async (t) => {
  const error = await t.throwsAsync(model['forever']!.with({}, { timeout: 20 })(), { instanceOf: AmphisError })
  t.is(error.code, 'AMPHIS_ERR_CALL_TIMEOUT')
  await event('cancelled')
})

test.serial('what runs in a thread goes on after it was given up, and nobody hears of it', async (t) => {
  await t.throwsAsync(model['slow']!.with({}, { timeout: 10 })(0.1), { code: 'AMPHIS_ERR_CALL_TIMEOUT' })
  await event('slow is done')
  t.is(await model['add']!(1), 2)
})

test.serial(
  'a function of Python’s that is given to Python is the function itself, members of handles too',
  async (t) => {
    t.is(await model['same']!(model['add'], model['add']), true)
    t.is(await model['use']!(model['add'], 4), 5)
    const table = await model['table']!.ref(1, 2)
    t.deepEqual(await model['use']!(table['head'], 2), [1, 2])
  },
)

test.serial('a function of JavaScript’s can be given, and is called from a thread and from the loop', async (t) => {
  const double = (value: number) => value * 2
  t.is(await model['apply']!(double, 4), 8)
  t.deepEqual(await model['apply_async']!(double, 1, 2), [2, 4])
})

test.serial('a thousand calls at once are all answered, each with its own', async (t) => {
  const numbers = Array.from({ length: 1000 }, (_, number) => number)
  t.deepEqual(
    await Promise.all(numbers.map((number) => model['add_async']!(number))),
    numbers.map((n) => n + 1),
  )
  t.deepEqual(
    await Promise.all(numbers.map((number) => model['add']!(number))),
    numbers.map((n) => n + 1),
  )
})

test.serial('close() lets calls end, rejects those that do not, and refuses new ones', async (t) => {
  const other = new Python({ ...options, timeoutGracefulShutdown: 50 })
  const functions = await other.import<Functions>('model')
  const table = await functions['table']!.ref(1)
  const quick = functions['search']!('tea')
  const stubborn = functions['forever']!()
  const outcomes = Promise.allSettled([quick, stubborn])
  await other.close()
  const [first, second] = await outcomes
  t.is(first.status, 'fulfilled')
  t.is(second.status, 'rejected')
  t.is(((second as PromiseRejectedResult).reason as AmphisError).code, 'AMPHIS_ERR_CLOSED')
  await t.throwsAsync(functions['add']!(1), { code: 'AMPHIS_ERR_CLOSED' })
  await t.throwsAsync(async () => table['length'], { code: 'AMPHIS_ERR_CLOSED' })
  await t.throwsAsync(other.import('model'), { code: 'AMPHIS_ERR_CLOSED' })
  await other.close()
  t.is(await model['add']!(1), 2)
})

test.serial('a handle of one Python is not one of another', async (t) => {
  const other = new Python(options)
  const table = await (await other.import<Functions>('model'))['table']!.ref(1)
  await t.throwsAsync(model['rows_of']!(table), { code: 'AMPHIS_ERR_CONVERSION', message: /belongs to another/ })
  await other.close()
})

for (const [what, wrong] of [
  ['an option that there is not', { appdir: '.' }],
  ['a folder that is none', { appDir: 1 }],
  ['no threads', { threads: 0 }],
  ['another loop', { loop: 'trio' }],
  ['an option of a handler', { app: 'main:app' }],
] as const) {
  test.serial(`${what} is refused`, (t) => {
    t.throws(() => new Python(wrong as object), { code: 'AMPHIS_ERR_INVALID_OPTIONS' })
  })
}

test.serial('a signal that is none is refused, and the next call has its own answer', async (t) => {
  const wrong = { signal: {} as AbortSignal }
  await t.throwsAsync(async () => model['add']!.with({}, wrong)(1, 1), { instanceOf: TypeError })
  t.is(await model['add']!(2, 3), 5)
})

test.serial('the task of a call tells where it is', async (t) => {
  const call = model['wait_for_it']!('seen')
  t.deepEqual(await model['look_at']!('seen'), [
    ['CORO_SUSPENDED', true, 'wait_for_it', true],
    ['CORO_RUNNING', true, 'look_at', true],
  ])
  await model['let_go']!('seen')
  t.is(await call, 'seen')
})

test.serial('a coroutine that is closed from outside rejects the call', async (t) => {
  const call = model['wait_for_it']!('closed')
  await model['close_it']!('closed')
  t.is((await t.throwsAsync(call as Promise<unknown>, { instanceOf: PythonError })).type, 'GeneratorExit')
})

test.serial('one coroutine for two calls is awaited by one of them', async (t) => {
  const both = await Promise.allSettled([model['one_coroutine']!(), model['one_coroutine']!()])
  // Each is made in a thread, so either may be the first.
  const [first, second] = both.toSorted((one, other) => one.status.localeCompare(other.status))
  t.deepEqual(first, { status: 'fulfilled', value: 'slept' })
  t.is(second?.status, 'rejected')
  t.regex(String((second as PromiseRejectedResult).reason), /already/)
})
