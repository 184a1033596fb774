import { Worker } from 'node:worker_threads'
import test from 'ava'
import { AmphisError, NdArray, Python, type PythonFunction } from '../index.js'
import { fixtures, loop, python as interpreter } from './helpers/python.js'

// JavaScript gives memory to Python, where asked: `fn.with({}, { transfer: [buffer] })`.

const python = new Python({ appDir: `${fixtures}/calls`, python: interpreter, loop })
const memory = await python.import<Record<string, PythonFunction>>('memory')

const keep = memory['keep']!
const giving = (...transfer: ArrayBuffer[]) => keep.with({}, { transfer })

test.afterEach(async () => {
  await memory['forget']!()
})

test.after.always(async () => {
  await python.close()
})

test.serial('what is given away is Python’s, and JavaScript has it no more', async (t) => {
  const array = new Float64Array(100_000).fill(1.5)
  t.deepEqual(await giving(array.buffer)(array), [['memoryview', 'd', 100_000]])
  t.is(array.byteLength, 0, 'detached')
  t.deepEqual(await memory['kept_values']!(0, 2), [1.5, 1.5])
  await memory['set_kept']!(0, 0, 7)
  t.deepEqual(await memory['kept_values']!(0, 2), [7, 1.5])
})

test.serial('small memory is given away as well, and bytes come as writable memory', async (t) => {
  const bytes = new Uint8Array([1, 2, 3])
  t.deepEqual(await giving(bytes.buffer)(bytes), [['memoryview', 'B', 3]])
  t.is(bytes.byteLength, 0)
})

test.serial('two views of one memory are two views of it in Python', async (t) => {
  const buffer = new ArrayBuffer(64 * 1024)
  const [bytes, ints] = [new Uint8Array(buffer, 8, 16), new Int32Array(buffer, 8, 4)]
  await giving(buffer)(bytes, ints)
  await memory['set_kept']!(1, 0, 0x01_02_03_04)
  t.deepEqual(await memory['kept_values']!(0, 4), [4, 3, 2, 1])
})

test.serial('what lies within values, and arrays of more dimensions, are given away', async (t) => {
  const image = new NdArray(new Float32Array(6).fill(2), [2, 3])
  const name = await memory['keep_nested']!.with(
    {},
    { transfer: [image.data.buffer] },
  )({
    name: 'tea',
    image,
  })
  t.is(name, 'tea')
  t.is(image.data.length, 0)
  t.deepEqual(await memory['kept_values']!(0, 1), [[2, 2, 2]])
})

test.serial('what was not asked for is copied', async (t) => {
  const [given, copied] = [new Float64Array(4), new Float64Array(4)]
  await giving(given.buffer)(given, copied)
  t.deepEqual([given.length, copied.length], [0, 4])
})

test.serial('memory that JavaScript cannot give away is copied', async (t) => {
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: new (of: object) => { buffer: ArrayBuffer } } })
    .WebAssembly
  const wasm = new Uint8Array(new Memory({ initial: 1 }).buffer)
  const pooled = Buffer.from('of the pool that all small buffers share')
  const resizable = new Uint8Array(Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]) as ArrayBuffer)
  for (const view of [wasm, pooled, resizable]) {
    const { length } = view
    await giving(view.buffer)(view)
    t.is(view.length, length)
  }
})

test.serial('memory of Python’s is not JavaScript’s to give away: it is copied', async (t) => {
  const lent = (await memory['lend']!()) as Float64Array
  t.deepEqual(await giving(lent.buffer as ArrayBuffer)(lent), [['memoryview', 'd', 10_000]])
  t.is(lent.length, 10_000)
  await memory['set_kept']!(1, 0, 7)
  t.deepEqual([lent[0], ...((await memory['kept_values']!(0, 1)) as number[])], [1.5, 1.5])
})

test.serial('nothing is given away by a call that is not made', async (t) => {
  const array = new Float64Array(8)
  await t.throwsAsync(async () => giving(array.buffer)(array, Symbol('no')) as Promise<unknown>, {
    code: 'AMPHIS_ERR_CONVERSION',
  })
  const aborted = AbortSignal.abort(new Error('no'))
  const call = keep.with({}, { transfer: [array.buffer], signal: aborted })
  await t.throwsAsync(async () => call(array) as Promise<unknown>, { message: 'no' })
  t.is(array.length, 8)
})

test.serial('what has been given away already is an error, and nothing else is given', async (t) => {
  const [gone, array] = [new Float64Array(8), new Float64Array(8)]
  await giving(gone.buffer)(gone)
  const { buffer } = gone
  await t.throwsAsync(async () => giving(array.buffer, buffer)(array) as Promise<unknown>, {
    code: 'AMPHIS_ERR_INVALID_OPTIONS',
    message: /transfer\[1\].*given away/,
  })
  t.is(array.length, 8)
})

test.serial('what is no ArrayBuffer cannot be in the list', (t) => {
  for (const wrong of [new SharedArrayBuffer(8), new Uint8Array(8), 'x', null]) {
    const error = t.throws(() => keep.with({}, { transfer: [wrong as never] }), { instanceOf: AmphisError })
    t.is(error.code, 'AMPHIS_ERR_INVALID_OPTIONS')
    t.regex(error.message, /transfer\[0\]/)
  }
  t.throws(() => keep.with({}, { transfer: new ArrayBuffer(8) as never }), { message: /transfer must be a list/ })
})

test.serial('options that a call does not have are named', (t) => {
  t.throws(() => keep.with({}, { time_out: 5 } as never), { message: /no option time_out.*Did you mean timeout\?/ })
  t.throws(() => keep.with({}, { timeout: '5' as never }), { message: /timeout must be/ })
  t.throws(() => keep.with({}, { timeout: -1 }), { message: /timeout must be/ })
  t.throws(() => keep.with({}, { signal: {} as never }), { message: /signal must be/ })
})

test.serial('Python keeps the memory of a worker that has ended', async (t) => {
  const source = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(workerData.amphis).then(async ({ Python }) => {
      const python = new Python(workerData.options)
      const memory = await python.import('memory')
      const array = new Float64Array(1 << 20).fill(3.5)
      await memory.keep.with({}, { transfer: [array.buffer] })(array)
      parentPort.postMessage(array.length)
      await python.close()
    })`
  const amphis = new URL('../index.js', import.meta.url).href
  const options = { appDir: `${fixtures}/calls`, python: interpreter, loop }
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(source, { eval: true, workerData: { amphis, options } })
    // It may end in the very turn in which its message comes.
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    const left = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    t.is(left, 0)
    void worker.terminate()
    await ended
  }
  for (let index = 0; index < 5; index++) {
    t.deepEqual(await memory['kept_values']!(index, 3), [3.5, 3.5, 3.5])
    await memory['set_kept']!(index, (1 << 20) - 1, 1)
  }
})

test.serial('memory that is given away and let go again is freed', async (t) => {
  const size = 64 << 20
  const before = process.memoryUsage.rss()
  for (let round = 0; round < 20; round++) {
    const array = new Uint8Array(size).fill(round)
    await giving(array.buffer)(array)
    await memory['forget']!()
  }
  t.true(process.memoryUsage.rss() - before < 5 * size, 'not 20 of them')
})
