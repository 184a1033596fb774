import { execFile } from 'node:child_process'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { Python, PythonError, type PythonFunction } from '../index.js'
import * as here from '../fixtures/calls/host.mjs'
import { fixtures, loop, python as interpreter, shareHandler } from './helpers/python.js'

// Python calls the JavaScript of its host.

type Functions = Record<string, PythonFunction>

const appDir = `${fixtures}/calls`
const python = new Python({ appDir, python: interpreter, loop })
const host = await python.import<Functions>('host')

const call = async (name: string, ...args: unknown[]): Promise<unknown> => host[name]!(...args)

test.beforeEach(() => {
  here.takeLog()
})

test.serial('a function of a module is awaited', async (t) => {
  t.is(await call('greet', 'Ada'), 'Hello, Ada')
})

test.serial('a module has what it exports: its values are awaited, dir() lists them', async (t) => {
  const [version, settings, names] = (await call('members')) as [string, object, string[]]
  t.is(version, '3.1')
  t.deepEqual(settings, { theme: 'dark', sizes: [1, 2] })
  t.true(names.includes('default') && names.includes('Counter'))
})

test.serial('CommonJS and Node’s own modules can be imported', async (t) => {
  t.deepEqual(await call('packages'), [8, 'common', 'b.txt'])
})

test.serial('JSON can be imported', async (t) => {
  const [names, green, all] = (await call('data')) as [string[], string[], object]
  t.true(['black', 'default', 'green'].every((name) => names.includes(name)))
  t.deepEqual(green, ['sencha', 'longjing'])
  t.deepEqual(all, { green, black: ['assam'] })
})

test.serial('the sync form blocks the thread that calls it', async (t) => {
  t.is(await call('call_now', 'add', 1, 2), 3)
  t.is(await call('call_now', 'addLater', 1, 2), 3)
})

test.serial('the sync form is refused on a thread whose loop runs, and names the other', async (t) => {
  t.regex((await call('sync_on_the_loop')) as string, /whose event loop runs. Await the call instead/)
})

test.serial('async iterables are iterated over with backpressure', async (t) => {
  t.deepEqual(await call('rows', 3, 99), [{ row: 0 }, { row: 1 }, { row: 2 }])
  t.deepEqual(here.takeLog(), ['rows closed'])
  t.deepEqual(await call('rows', 1000, 1), [{ row: 0 }])
  // Not before Python's loop comes to it.
  while (here.takeLog().length === 0) await turn()
  t.deepEqual(await call('rows_closed'), ['rows closed'])
  t.deepEqual(await call('rows_now', 2), [{ row: 0 }, { row: 1 }])
})

test.serial('a ReadableStream is iterated over', async (t) => {
  t.deepEqual(
    await call('streamed', 3),
    [0, 1, 2].map((byte) => new Uint8Array([byte])),
  )
})

test.serial('an instance of a class is a handle with methods and properties, and comes home as itself', async (t) => {
  t.deepEqual(await call('counter'), [6, 16, 16, true, true])
  t.deepEqual(await call('counter_now'), [3, true])
})

test.serial('a member that is given to JavaScript is that member: a function, a method, a value', async (t) => {
  t.deepEqual(await call('given_members'), [3, 7, false, [{ theme: 'dark', sizes: [1, 2] }, [7], undefined], true])
  t.is(await call('given_getter'), 'this getter always throws')
})

test.serial('a function has members of its own', async (t) => {
  const [double, size, said] = (await call('members_of_functions')) as [number, number, string]
  t.deepEqual([double, size], [4, 3])
  t.regex(said, /withOwn is a member, which is awaited before its own are had: \(await .*withOwn\)\.double/)
  t.deepEqual(await call('members_of_functions_now'), [1, 4, 3])
})

test.serial('what JavaScript throws has name, message, code, properties, stack and cause', async (t) => {
  const error = (await call('caught', 'fail', 'RangeError', 'too far')) as Record<string, unknown>
  t.is(error['name'], 'RangeError')
  t.is(error['message'], 'too far')
  t.is(error['code'], 'E_FAILED')
  t.deepEqual(error['properties'], { status: 418 })
  const [[name, file, line]] = error['frames'] as [[string, string, number]]
  t.regex(name, /fail/)
  t.regex(file, /host\.mjs$/)
  t.is(typeof line, 'number')
  t.regex(error['text'] as string, /^RangeError: too far\n +at (Module\.)?fail/)
  t.notRegex(error['text'] as string, /\/dist\//)
  const outer = (await call('caught', 'failLater')) as Record<string, unknown>
  t.deepEqual(outer['cause'], ['TypeError', 'inner'])
})

test.serial('what is thrown and is no error is told as it is', async (t) => {
  const error = (await call('caught', 'throwValue', 'a string')) as Record<string, unknown>
  t.is(error['name'], '')
  t.is(error['thrown'], 'a string')
  t.is(error['text'], "JavaScript threw 'a string'")
})

test.serial('an error that crosses back is the original, both ways', async (t) => {
  const error = await t.throwsAsync(call('raises_what_js_threw'), { instanceOf: RangeError })
  t.is((error as NodeJS.ErrnoException).code, 'E_FAILED')
  t.is(await call('python_error_through_js'), true)
})

test.serial('functions of Python’s that are given become async functions, def ones in threads', async (t) => {
  const [[value, thread], second] = (await call('callbacks')) as [[number, string], number]
  t.is(value, 1)
  t.regex(thread, /^amphis-call-/)
  t.is(second, 2)
})

test.serial('a function of JavaScript’s that is given to JavaScript is the function itself', async (t) => {
  t.deepEqual(await call('functions_given'), [true, 'Hello, Ada', 7])
})

test.serial('what they raise is a PythonError', async (t) => {
  t.deepEqual(await call('what_js_catches'), { name: 'PythonError', type: 'LookupError', message: 'from Python' })
})

test.serial('cancelling the task aborts the signal that the function has asked for', async (t) => {
  t.deepEqual(await call('cancelled'), ['aborted: AbortError'])
})

test.serial('modules that are not there, names that are not there, keywords', async (t) => {
  const [first, second, name, keywords] = (await call('errors_of_imports')) as string[]
  t.is(first, 'ERR_MODULE_NOT_FOUND')
  t.is(second, 'ERR_MODULE_NOT_FOUND')
  t.regex(name!, /exports no 'grete'\. Did you mean 'greet'\?|exports no 'grete'/)
  t.regex(keywords!, /no keyword arguments \(b\)/)
})

test.serial('a call is a coroutine to asyncio', async (t) => {
  t.deepEqual(await call('as_coroutines'), [3, [2, 4], 6])
})

test.serial('a promise inside of other data is awaited', async (t) => {
  t.is(await call('promised'), 42)
})

test.serial('undefined is amphis.undefined, null is None', async (t) => {
  t.deepEqual(await call('is_undefined'), [true, false, true])
})

test.serial('any thread can call, and any loop', async (t) => {
  t.deepEqual(await call('from_a_thread'), [3, 'Hello, thread'])
})

test.serial('a thread waits no longer than it wants to', async (t) => {
  t.regex((await call('times_out')) as string, /has not answered within 0.05 seconds/)
  t.deepEqual(here.takeLog(), ['waiting', 'aborted: AbortError'])
})

test.serial('a thousand calls at once are all answered', async (t) => {
  t.deepEqual(
    await call('many', 1000),
    Array.from({ length: 1000 }, (_, number) => number + 1),
  )
})

test.serial('an error of Python’s that JavaScript lets out is one PythonError', async (t) => {
  const error = await t.throwsAsync(call('call', 'rethrow', 'not a function'))
  t.true(error instanceof TypeError)
  t.false(error instanceof PythonError)
})

const asgi = shareHandler({ app: 'host:app', appDir })
const wsgi = shareHandler({ app: 'host:wsgi', appDir, interface: 'wsgi' })

test.serial('an ASGI app calls the JavaScript of its host', async (t) => {
  t.is(await (await asgi.handle({ url: '/asgi' })).text(), 'Hello, /asgi')
})

test.serial('a WSGI app does, from its threads', async (t) => {
  t.is(await (await wsgi.handle({ url: '/wsgi' })).text(), 'Hello, /wsgi')
})

test.serial('handler.python imports modules of its app', async (t) => {
  const functions = await asgi.python.import<Functions>('host')
  t.is(await functions['greet']!('handler'), 'Hello, handler')
})

test.serial('plain Python does, under amphis run: scripts, threads, loops of their own', async (t) => {
  const command = [`${fixtures}/../bin/amphis.js`, 'run', '--python', interpreter, `${appDir}/host.py`]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  t.deepEqual(JSON.parse(stdout), [3, 'Hello, run', [3, 'Hello, thread']])
})

test.serial('a child that Python has forked has no JavaScript, and says so', async (t) => {
  const command = [`${fixtures}/../bin/amphis.js`, 'run', '--python', interpreter, `${appDir}/forks.py`]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  t.is(
    stdout,
    'RuntimeError: this process was forked, and Node.js lives in its parent: call JavaScript there, or start the child anew\n',
  )
})
