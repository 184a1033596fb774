import test from 'ava'
import { lambda } from '../lib/aws-lambda.js'
import { bucketEvent, contextOf, functionUrlEvent, queueEvent, scheduleEvent } from './helpers/lambda/events.js'
import { testOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/aws-lambda`: events that are no requests go to a function of Python's.

const { app: _, ...python } = testOptions({ app: 'lambda_app:app', logger: new Recorder() })
const of = (name: string) => {
  const handler = lambda({ ...python, events: `lambda_app:${name}` })
  test.after.always(() => handler.close())
  return handler
}
const plain = of('handler')
const later = of('handler_async')
const forever = of('handler_forever')
const raises = of('handler_raises')
const set = of('handler_set')
const echo = of('echo')
const both = lambda({ ...python, app: 'lambda_app:app', events: 'lambda_app:handler' })
test.after.always(() => both.close())

test('the messages of a queue that fail are named, and the others are done', async (t) => {
  t.deepEqual(await plain(queueEvent('ok', 'fail', 'ok', 'fail'), contextOf()), {
    batchItemFailures: [{ itemIdentifier: 'message-1' }, { itemIdentifier: 'message-3' }],
  })
})

test('a bucket, a schedule: a def gets the event and the context', async (t) => {
  t.deepEqual(await plain(bucketEvent, contextOf()), { key: 'a+key' })
  t.deepEqual(await plain(scheduleEvent, contextOf()), { source: 'aws.events', id: 'request-1' })
})

test('an async def knows how much time is left', async (t) => {
  t.deepEqual(await later({}, contextOf()), { remaining: true, name: 'function' })
})

test('beside an app, requests go to it', async (t) => {
  t.like(await both(functionUrlEvent({ rawPath: '/empty/' }), contextOf()), { statusCode: 204 })
  t.deepEqual(await both(scheduleEvent, contextOf()), { source: 'aws.events', id: 'request-1' })
})

test('without an app, requests go to the function as well', async (t) => {
  const event = functionUrlEvent()
  t.deepEqual(await echo(event, contextOf()), event)
})

test('values are those of JSON', async (t) => {
  const event = { big: 2 ** 60, small: 0.1, none: null, list: [[], {}], text: '\u2028 \u{1F600} ü' }
  t.deepEqual(await echo(event, contextOf()), event)
})

test('what a function raises is an error of the invocation', async (t) => {
  await t.throwsAsync(() => raises({}, contextOf()), { code: 'AMPHIS_ERR_PYTHON', message: /no such job/ })
})

test('a result that is no JSON is refused in words of Python', async (t) => {
  await t.throwsAsync(() => set({}, contextOf()), { message: /Object of type set is not JSON serializable/ })
})

test('near the deadline an async def is cancelled, and the invocation fails by name', async (t) => {
  await forever.ready()
  await t.throwsAsync(() => forever({}, contextOf(400)), {
    code: 'AMPHIS_ERR_REQUEST_TIMEOUT',
    message: /timeoutMargin/,
  })
})

test('a function that is not there, or none, keeps it from starting', async (t) => {
  const make = (events: string) => lambda({ ...python, events }).ready()
  await t.throwsAsync(() => make('lambda_app:nothing'), {
    code: 'AMPHIS_ERR_APP_ATTRIBUTE',
    message: /Option events of lambda names 'lambda_app:nothing', but the module lambda_app has no nothing/,
  })
  await t.throwsAsync(() => make('lambda_app:not_a_function'), { code: 'AMPHIS_ERR_APP_NOT_CALLABLE' })
  await t.throwsAsync(() => make('no_such_module:x'), { code: 'AMPHIS_ERR_APP_NOT_FOUND' })
})
