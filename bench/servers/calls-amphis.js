import { Python, PythonHandler } from '../../index.js'
import { loopDelay, oneAtATime, timed } from './call-timing.js'
import { collectGarbage, obey, settings } from './listen.js'

const { appDir, helloDir, python: interpreter } = settings
const handler = new PythonHandler({ app: 'main:app', appDir: helloDir, python: interpreter })
const python = new Python({ appDir, python: interpreter })
const functions = await python.import('functions')
const caller = await python.import('amphis_caller')

const hello = async () => {
  const { status, ...response } = await handler.handle({ method: 'GET', url: '/' })
  return status === 200 && response.rawHeaders.length > 0 ? 1 : status
}
const helloRead = async () => ofHello((await handler.handle({ method: 'GET', url: '/' })).text())
/** What a `fetch()` is held against: a function of the same shape, answering by itself. */
const bare = async (_request) => new Response('Hello, World!')
const responseOf = async (answer) => ofHello((await answer(new Request('http://localhost/'))).text())
const ofHello = async (text) => ((await text) === 'Hello, World!' ? 1 : text)
const document = makeDocument()
await caller.keep(document)

/** What one call costs, in microseconds unless it says another. */
const ways = {
  hello: (order) => timed(hello, order),
  'hello, read': (order) => timed(helloRead, order),
  'bare fetch': (order) => timed(() => responseOf(bare), order),
  'hello and bare fetch': (order) => timed(async () => (await helloRead()) && responseOf(bare), order),
  fetch: (order) => timed(() => responseOf(handler.fetch), order),
  def: (order) => timed(functions.same, order),
  'async def': (order) => timed(functions.same_async, order),
  awaited: ({ atATime, milliseconds }) => caller.awaited('same', atATime, milliseconds),
  'awaited async': ({ atATime, milliseconds }) => caller.awaited('sameLater', atATime, milliseconds),
  blocking: ({ milliseconds }) => caller.blocked('same', milliseconds),

  'to Python: nothing': ({ milliseconds }) => oneAtATime(functions.take, milliseconds, ignore),
  'to Python: value': ({ milliseconds }) => oneAtATime(() => functions.take(document), milliseconds, ignore),
  'to Python: JSON': ({ milliseconds }) =>
    oneAtATime(() => functions.take_json(JSON.stringify(document)), milliseconds, ignore),
  'to JavaScript: nothing': ({ milliseconds }) => caller.give('nothing', milliseconds),
  'to JavaScript: value': ({ milliseconds }) => caller.give('value', milliseconds),
  'to JavaScript: JSON': ({ milliseconds }) => caller.give('json', milliseconds),
  'array copied': ({ milliseconds }) => oneAtATime(functions.take, milliseconds, ignore, makeArray),
  'array given': ({ milliseconds }) =>
    oneAtATime(
      (array) => functions.take.with({}, { transfer: [array.buffer] })(array),
      milliseconds,
      ignore,
      makeArray,
    ),
  array: ({ milliseconds }) => oneAtATime(() => caller.numbers(), milliseconds, checkNumbers),

  // Milliseconds.
  'delay: idle': ({ milliseconds }) => loopDelay(undefined, undefined, milliseconds),
  'delay: computing': ({ milliseconds }) => loopDelay(functions.compute, undefined, milliseconds),
  'delay: computing, asked': ({ milliseconds }) => loopDelay(functions.compute, functions.same_async, milliseconds),
}

obey({
  measure: (order) => ways[order.what](order),
  /** Makes so many calls, and tells what is left of them. */
  many: async ({ what, calls }) => {
    await callMany(what, calls / 10)
    const before = await inUse()
    await callMany(what, calls)
    const after = await inUse()
    return Object.fromEntries(Object.entries(after).map(([key, value]) => [key, value - before[key]]))
  },
})

async function callMany(what, calls) {
  if (what === 'awaited') {
    await caller.many('same', calls)
  } else if (what === 'blocking') {
    await caller.many_blocked('same', calls)
  } else {
    const call = functions[what === 'def' ? 'same' : 'same_async']
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        for (let i = 0; i < calls / 100; i++) await call(1)
      }),
    )
  }
}

async function inUse() {
  await collectGarbage()
  const blocks = await caller.blocks()
  await collectGarbage()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed, external, blocks, rss }
}

function ignore() {}

const makeArray = () => new Float64Array(2 ** 23)

function checkNumbers(array) {
  if (!(array instanceof Float64Array) || array.length !== 2 ** 23 || array[12_345] !== 12_345) {
    throw new Error('the array is another')
  }
}

/** 10 KB of JSON, 900 values: what an API gives. */
function makeDocument() {
  const items = Array.from({ length: 64 }, (_, index) => ({
    id: 1000 + index,
    name: `lamp ${index}`,
    price: 19.5 + index / 4,
    isNew: index % 3 === 0,
    tags: ['light', index % 2 === 0 ? 'desk' : 'wall', 'büro'],
    size: { width: 10 + index, height: 20, depth: 7.5 },
    note: index % 5 === 0 ? null : 'übersetzt',
  }))
  return { page: 1, total: items.length, items }
}
