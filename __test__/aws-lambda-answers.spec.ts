import test from 'ava'
import { lambda } from '../lib/aws-lambda.js'
import type { Answer } from '../lib/aws-lambda/response.js'
import {
  contextOf,
  firstLatticeEvent,
  functionUrlEvent,
  httpApiEvent,
  loadBalancerEvent,
  multiValueEvent,
  restEvent,
} from './helpers/lambda/events.js'
import { shareProbe, unique } from './helpers/probe.js'
import { testOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/aws-lambda`: what the app answers, as a whole, in the shape that each source expects.

const logger = new Recorder()
const app = testOptions({ app: 'lambda_app:app', logger })
const handler = lambda(app)
const hasty = lambda(app, { waitForBackgroundTasks: false })
test.after.always(() => Promise.all([handler.close(), hasty.close()]))
// A start takes of the time of the first invocation.
test.before(() => Promise.all([handler.ready(), hasty.ready()]))
const probe = shareProbe()

const answer = async (event: object, milliseconds?: number, by = handler) =>
  (await by(event, contextOf(milliseconds))) as Answer
const get = (path: string, query = '', milliseconds?: number) =>
  answer(functionUrlEvent({ rawPath: path, rawQueryString: query }), milliseconds)
const post = (body: Buffer, query: Record<string, string>) =>
  answer(
    functionUrlEvent(
      {
        rawPath: '/typed/',
        rawQueryString: new URLSearchParams(query).toString().replaceAll('+', '%20'),
        body: body.toString('base64'),
        isBase64Encoded: true,
      },
      { method: 'POST' },
    ),
  )

test('cookies and headers of one name, as each source takes them', async (t) => {
  const at = '/cookies/'
  const cookies = ['a=1; Path=/', 'b=2']
  const v2 = { statusCode: 201, body: 'cookies', isBase64Encoded: false, cookies }
  const headers = { 'content-length': '7', 'content-type': 'text/plain', vary: 'a, b' }
  t.deepEqual(await get(at), { ...v2, headers })
  t.deepEqual(await answer(httpApiEvent({ rawPath: at })), { ...v2, headers })
  const multiValueHeaders = {
    'content-length': ['7'],
    'content-type': ['text/plain'],
    'set-cookie': cookies,
    vary: ['a', 'b'],
  }
  const whole = { statusCode: 201, body: 'cookies', isBase64Encoded: false }
  t.deepEqual(await answer(restEvent({ path: at, requestContext: {} })), { ...whole, multiValueHeaders })
  t.deepEqual(await answer(multiValueEvent({ path: at })), {
    ...whole,
    statusDescription: '201 Created',
    multiValueHeaders,
  })
  const cased = { ...headers, 'set-cookie': 'a=1; Path=/', 'Set-cookie': 'b=2' }
  const single = { ...whole, statusDescription: '201 Created', headers: cased }
  t.deepEqual(await answer(loadBalancerEvent({ path: at })), single)
  t.deepEqual(await answer(firstLatticeEvent({ raw_path: at })), single)
})

test('base64 where the type, the coding, the charset or the bytes ask for it', async (t) => {
  const text = Buffer.from('Grüße')
  const textual = [
    'text/html; charset=utf-8',
    'application/json',
    'application/problem+json',
    'image/svg+xml',
    'text/csv',
  ]
  for (const type of textual) {
    t.like(await post(text, { 'content-type': type }), { isBase64Encoded: false, body: 'Grüße' }, type)
  }
  const encoded = { isBase64Encoded: true, body: text.toString('base64') }
  t.like(await post(text, { 'content-type': 'image/png' }), encoded)
  t.like(await post(text, { 'content-type': 'text/html', 'content-encoding': 'gzip' }), encoded)
  t.like(await post(text, { 'content-type': 'text/html; charset=iso-8859-1' }), encoded)
  t.like(await post(text, {}), encoded)
  t.like(await post(Buffer.from([0xff]), { 'content-type': 'text/plain' }), { isBase64Encoded: true, body: '/w==' })
})

test('a response without a body has an empty one', async (t) => {
  t.like(await get('/empty/'), { statusCode: 204, body: '', isBase64Encoded: false, headers: { 'x-empty': 'yes' } })
})

test('beyond 6 MB it is a 413, and a line in the log names streaming', async (t) => {
  t.is((await get(`/bytes/${6 * 2 ** 20 - 4096}`)).statusCode, 200)
  const large = await get(`/bytes/${6 * 2 ** 20 + 4096}`)
  t.like(large, { statusCode: 413, body: 'Content Too Large' })
  await logger.waitFor('error', /GET \/bytes\/6295552 is larger than the 6 MB .* lambda\.stream/)
  // 5 MB are too much where they are base64.
  t.is((await answer(functionUrlEvent({ rawPath: '/bytes/5242880' }))).statusCode, 200)
  const balanced = await answer(loadBalancerEvent({ path: `/bytes/${2 ** 20}` }))
  t.is(balanced.statusCode, 413)
  t.is(balanced.statusDescription, '413 Payload Too Large')
})

test('what is raised before the response is a 500 and is logged', async (t) => {
  t.like(await get('/raise/'), { statusCode: 500, body: 'Internal Server Error' })
  const failed = logger.errors().find(({ message }) => message.includes('as it was asked to'))
  t.truthy(failed)
  t.like(await get('/raise-late/'), { statusCode: 500, body: 'Internal Server Error' })
})

test('an answer waits for the background tasks of the app', async (t) => {
  const name = unique()
  let isAnswered = false
  const answered = get(`/task/${name}`).then((it) => {
    isAnswered = true
    return it
  })
  await probe.tell(`${name}:go`)
  await probe.wait(`${name}:done`)
  t.like(await answered, { statusCode: 200, body: Buffer.from('answered').toString('base64') })
  t.true(isAnswered)
})

test('… unless it is not to', async (t) => {
  const name = unique()
  t.is((await answer(functionUrlEvent({ rawPath: `/task/${name}` }), undefined, hasty)).statusCode, 200)
  await probe.tell(`${name}:go`)
  t.is(await probe.wait(`${name}:done`), null)
})

test('near the deadline the app hears that its client has left, and the caller gets a 504', async (t) => {
  const name = unique()
  const late = await get(`/hang/${name}`, '', 1000)
  t.like(late, { statusCode: 504, body: 'Gateway Timeout' })
  t.is(await probe.wait(`${name}:left`), null)
  await logger.waitFor('error', /was not done 500 ms before the end of the invocation.*timeoutMargin/s)
  const half = await get(`/half/${name}2`, '', 800)
  t.is(half.statusCode, 504)
  t.is(await probe.wait(`${name}2:left`), null)
})

test('tasks that are not done at the deadline do not keep the answer', async (t) => {
  const name = unique()
  t.is((await get(`/task/${name}`, '', 1000)).statusCode, 200)
  await logger.waitFor('warn', new RegExp(`GET /task/${name} was not done at the end`))
  await probe.tell(`${name}:go`)
  t.is(await probe.wait(`${name}:done`), null)
})

test('an idle connection of the app is no reason for Lambda to wait', async (t) => {
  const context = contextOf()
  await handler(functionUrlEvent(), context)
  t.false(context.callbackWaitsForEmptyEventLoop)
})
