import { getEventListeners } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { Python, PythonHandler, type PythonFunction } from '../index.js'
import { fixtures, loop, python as interpreter } from './helpers/python.js'

// One signal for whatever runs: a server's that ends, a job's that was given up.

const python = new Python({ appDir: `${fixtures}/calls`, python: interpreter, loop })
const handler = new PythonHandler('main:app', { appDir: fixtures, python: interpreter, loop })
const many = 50

const warnings: Error[] = []
process.on('warning', (warning) => warnings.push(warning))

test.after.always(async () => {
  await Promise.all([python.close(), handler.close()])
})

test.serial('one signal serves any number of calls and requests, and nothing stays with it', async (t) => {
  const model = await python.import<Record<string, PythonFunction>>('model')
  const controller = new AbortController()
  const { signal } = controller
  const add = model['add_async']!.with({}, { signal })
  const calls = Array.from({ length: many }, async (_, index) => (await add(index, 1)) as number)
  const requests = Array.from({ length: many }, async () => (await handler.handle({ url: '/', signal })).text())
  await Promise.all([...calls, ...requests])
  t.is(getEventListeners(signal, 'abort').length, 0)

  const slow = Array.from({ length: many }, async () =>
    t.throwsAsync(async () => model['forever']!.with({}, { signal })() as Promise<unknown>, { message: 'over' }),
  )
  await turn()
  t.is(getEventListeners(signal, 'abort').length, 1)
  controller.abort(new Error('over'))
  await Promise.all(slow)
  t.is(getEventListeners(signal, 'abort').length, 0)
  t.deepEqual(warnings, [])
})
