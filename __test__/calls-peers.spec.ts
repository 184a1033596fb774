import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import chalk from 'chalk'
import { NdArray, Python, type PythonFunction, type PythonObject } from '../index.js'
import { program } from './helpers/command-line.js'
import { fixtures, python as interpreter } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// What the READMEs of node-calls-python, pymport, pythonia (JSPyBridge) and PythonMonkey show, done with amphis.

type Functions = Record<string, PythonFunction>
type Handle = PythonObject & Functions

const appDir = `${fixtures}/calls`
const python = new Python({ appDir, python: interpreter })
const peers = await python.import<Functions>('peers')
const host = await python.import<Functions>('peers_host')

test('node-calls-python: calling a function', async (t) => {
  t.deepEqual(await peers['multiply']!([1, 2, 3, 4], [2, 3, 4, 5]), [2, 6, 12, 20])
})

test('node-calls-python: calling it synchronously is awaiting it', async (t) => {
  t.deepEqual(await peers['multiply']!([1], [2]), [2])
})

test('node-calls-python: creating objects, calling their methods', async (t) => {
  const calculator = (await peers['Calculator']!([1.5, 5.5])) as Handle
  t.deepEqual(await calculator['multiply_add']!(2, [10.5, 50.5]), [13.5, 61.5])
})

test('node-calls-python: exec and eval are functions of a module', async (t) => {
  t.is(await peers['run_my_code']!(1, 2, 3), 6)
})

test('node-calls-python: importing a module again', async (t) => {
  const folder = await scratchFolder(t, { 'changing.py': 'def version():\n    return 1\n' })
  const own = new Python({ appDir: folder, python: interpreter })
  t.teardown(() => own.close())
  const changing = await own.import<Functions>('changing')
  t.is(await changing['version']!(), 1)
  await writeFile(join(folder, 'changing.py'), 'def version():\n    return "another"\n')
  const { reload } = await own.import<Functions>('importlib')
  const again = (await reload!.ref(changing)) as Handle
  t.is(await again['version']!(), 'another')
  t.is(await changing['version']!(), 'another')
})

test('node-calls-python: keyword arguments', async (t) => {
  t.deepEqual(await peers['named']!.with({ name1: 1, name2: 2 })('one', 'two'), ['one', 'two', { name1: 1, name2: 2 }])
})

test('node-calls-python: machine learning', async (t) => {
  const rows = [
    [1, 2],
    [2, 1],
    [8, 9],
    [9, 8],
  ]
  const classifier = (await peers['Classifier']!(rows, [0, 0, 1, 1])) as Handle
  const [low, high] = (await classifier['predict']!([
    [1, 1],
    [9, 9],
  ])) as Float64Array
  t.true(low! < 0.1 && high! > 0.9)
})

test('node-calls-python: the packages of a virtual environment are those of the option python', async (t) => {
  const { prefix } = await python.import<{ prefix: string }>('sys')
  t.is(prefix, interpreter)
})

test('pymport: numpy', async (t) => {
  const np = await python.import<Functions>('numpy')
  const a = (await ((await np['arange']!.ref(15)) as Handle)['reshape']!.ref(3, 5)) as Handle
  t.deepEqual(await (a['shape'] as unknown as Promise<number[]>), [3, 5])
  const copied = (await a['copy']!()) as NdArray
  t.true(copied instanceof NdArray)
  t.deepEqual([copied.shape, copied.dtype, copied.data.at(-1)], [[3, 5], 'int64', 14n])
  const b = (await np['ones']!.with({ dtype: np['int16'] })([2, 3])) as NdArray
  t.deepEqual([b.shape, b.dtype, b.data], [[2, 3], 'int16', new Int16Array(6).fill(1)])
})

test('pythonia: objects as arguments, with keywords', async (t) => {
  const root = (await peers['Window']!()) as Handle
  const label = (await peers['Label']!.with({ text: 'Hello World' })(root)) as Handle
  await label['pack']!()
  t.deepEqual(await root['mainloop']!(), ['Hello World'])
})

test('pythonia: a file of one’s own', async (t) => {
  const now = (await peers['what_time_is_it']!()) as Date
  t.true(Math.abs(now.getTime() - Date.now()) < 60_000)
})

test('pythonia: iterating', async (t) => {
  const names: unknown[] = []
  for await (const name of peers['files_of']!(appDir)) {
    names.push(name)
  }
  t.deepEqual(names, readdirSync(appDir).toSorted())
})

test('JSPyBridge: packages of npm, and modules of Node.js', async (t) => {
  const file = join(await scratchFolder(t), 'HelloWorld.txt')
  t.is(await host['packages']!(file), chalk.red('world!'))
  t.is(await readFile(file, 'utf8'), 'hi!')
})

test('JSPyBridge: a file of one’s own', async (t) => {
  t.regex((await host['file_beside']!()) as string, /\d/)
})

test('JSPyBridge: an event emitter', async (t) => {
  t.deepEqual(await host['event_emitter']!(), [1])
})

test('JSPyBridge: a class of ES5', async (t) => {
  t.is(await host['old_class']!(), 3)
})

test('JSPyBridge: iteration', async (t) => {
  t.deepEqual(await host['iteration']!(), [5, 6, 7, 8])
})

test('JSPyBridge: a callback', async (t) => {
  t.deepEqual(await host['callback']!(), [44])
})

test('PythonMonkey: console.log, from a script', async (t) => {
  const command = [program, 'run', '--python', interpreter, '-c', 'import peers_host; peers_host.console()']
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: appDir })
  t.is(stdout, 'hello, world\n')
})

test('PythonMonkey: what is evaluated is a function of a module', async (t) => {
  t.deepEqual(await host['functions']!(), ['Hello from V8!', 'you said this string came from Python'])
})

test('PythonMonkey: a module of Python’s in JavaScript', async (t) => {
  t.is(await (peers['today'] as unknown as Promise<string>), '2024-02-29')
})

test('PythonMonkey: new is calling a class', async (t) => {
  t.true(await host['constructed']!())
})

test('PythonMonkey: typeof, and integers that are a bigint', async (t) => {
  t.deepEqual(await host['type_of']!(), ['number', 'bigint', 'string', 'object', 'undefined', 'boolean', 'function'])
})

test('PythonMonkey: functions of Python’s that JavaScript wraps', async (t) => {
  t.is(await host['exits']!(), 2)
})

test('PythonMonkey: promises are awaitables, and the other way round', async (t) => {
  t.deepEqual(await host['promises_and_awaitables']!(), [[42, 'abc'], 'slept'])
})

test('PythonMonkey: typed arrays share their memory', async (t) => {
  t.deepEqual(await host['shared_memory']!(), [3, 5])
})
