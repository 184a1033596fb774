import test, { type ExecutionContext } from 'ava'
import { defaults } from '../lib/cli/options/configuration.js'
import { handlerOptions } from '../lib/cli/options/handler-options.js'
import { createHandler, type HandlerOptions } from './helpers/python.js'

interface State {
  /** Objects that collections pass by. */
  frozen: number
  /** How many there were when the app had frozen them by itself. */
  own: number
  /** How many of a thousand objects that the module keeps are seen by collections. */
  kept: number
  /** Whether garbage of the start is still there. */
  forgotten: boolean
}

/** The tests are serial: all apps of a process have one collector. */
function start(t: ExecutionContext, options: Partial<HandlerOptions> = {}) {
  const handler = createHandler(t, { app: 'collector:app', ...options })
  return {
    close: () => handler.close(),
    state: async () => (await (await handler.handle({ url: '/' })).json()) as State,
  }
}

test.serial('gcFreeze: false leaves everything to the collector', async (t) => {
  const { state } = start(t, { gcFreeze: false })
  t.is((await state()).kept, 1000)
})

test.serial('what the start has made is collected once, and then passed by', async (t) => {
  const { state } = start(t, { app: 'collector:leaves_garbage', factory: true })
  const { frozen, kept, forgotten } = await state()
  t.true(frozen > 1000)
  t.is(kept, 0)
  t.false(forgotten)
})

test.serial('the last app to close gives all back to the collector', async (t) => {
  const observer = start(t, { gcFreeze: false })
  const [first, second] = [start(t), start(t)]
  await first.state()
  await second.state()
  await first.close()
  t.is((await observer.state()).kept, 0)
  await second.close()
  t.is((await observer.state()).kept, 1000)
})

test.serial('an app that freezes by itself is left to it', async (t) => {
  const { state } = start(t, { app: 'collector:freezes', factory: true })
  const { frozen, own } = await state()
  // References that are counted free what is frozen too.
  t.true(frozen > 1000)
  t.true(frozen <= own)
  await start(t, { app: 'collector:enables', factory: true, gcFreeze: false }).state()
})

test.serial('an app that has turned the collector off is left to it', async (t) => {
  const { state } = start(t, { app: 'collector:disables', factory: true })
  t.is((await state()).kept, 1000)
  await start(t, { app: 'collector:enables', factory: true, gcFreeze: false }).state()
})

test('--no-gc-freeze says the same, and with --reload it is off', (t) => {
  const given = (options: Partial<ReturnType<typeof defaults>>) =>
    handlerOptions('main:app', { ...defaults(), ...options }).gcFreeze
  t.true(given({}))
  t.false(given({ 'gc-freeze': false }))
  t.false(given({ reload: true }))
})
