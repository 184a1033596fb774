import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import test from 'ava'
import { lambda } from '../lib/aws-lambda.js'
import { request } from './helpers/client.js'
import {
  functionUrlEvent,
  httpApiEvent,
  loadBalancerEvent,
  queueEvent,
  restEvent,
  webSocketEvent,
} from './helpers/lambda/events.js'
import { serveFunctionUrl } from './helpers/lambda/function-url.js'
import { serve } from './helpers/lambda/runtime.mjs'
import { RuntimeApi, text } from './helpers/lambda/runtime-api.js'
import { shareProbe, unique } from './helpers/probe.js'
import { testOptions } from './helpers/python.js'
import { Recorder, textOf } from './helpers/recorder.js'
import { settled } from './helpers/settled.js'

// `amphis/aws-lambda`: streamed responses, through a Function URL, the Runtime API and a runtime client. One invocation runs
// at a time, as on Lambda.

const logger = new Recorder()
const handler = lambda.stream(testOptions({ app: 'lambda_app:app', logger }), { events: 'lambda_app:handler' })
const probe = shareProbe()
let api: RuntimeApi
let front: Awaited<ReturnType<typeof serveFunctionUrl>>
let hasty: typeof front

test.before(async () => {
  api = await RuntimeApi.start()
  front = await serveFunctionUrl(api)
  hasty = await serveFunctionUrl(api, 1000)
  await handler.ready()
  serve(api.address, handler).catch(() => {})
})
test.after.always(async () => {
  await front.close()
  await hasty.close()
  await api.close()
  await handler.close()
})

async function open(path: string, url = front.url) {
  const [response] = (await once(get(url + path), 'response')) as [IncomingMessage]
  // Of a response that breaks off the error says no more than `complete` does.
  response.on('error', () => {})
  const isComplete = new Promise<boolean>((resolve) => response.on('close', () => resolve(response.complete)))
  return { response, isComplete }
}

/** The next piece of a body. */
async function piece(response: IncomingMessage): Promise<string> {
  const [data] = (await once(response, 'data')) as [Buffer]
  return data.toString()
}

test.serial('events of an event stream come one by one, after a head that comes before the first', async (t) => {
  const name = unique()
  const { response, isComplete } = await open(`/events/${name}`)
  t.is(response.statusCode, 200)
  t.is(response.headers['content-type'], 'text/event-stream')
  t.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2'])
  for (let number = 0; number < 3; number++) {
    const next = piece(response)
    await probe.tell(`${name}:${number}`)
    t.is(await next, `data: ${number}\n\n`)
  }
  t.true(await isComplete)
})

test.serial('whole responses, those without a body and errors have their head as well', async (t) => {
  const seen = await request(`${front.url}/seen/x?y=1`)
  t.like(seen.json(), { path: '/seen/x', query_string: { bytes: 'y=1' } })
  t.is((seen.json() as { event: { version: string } }).event.version, '2.0')
  const empty = await request(`${front.url}/empty/`)
  t.is(empty.status, 204)
  t.is(empty.headers['x-empty'], 'yes')
  const failed = await request(`${front.url}/raise/`)
  t.is(failed.status, 500)
  t.is(failed.text, 'Internal Server Error')
  t.is((await request(`${front.url}/bytes/7000000`)).body.length, 7_000_000)
})

test.serial('an app that fails in the middle ends the stream as one that is not complete', async (t) => {
  const { response, isComplete } = await open('/raise-late/')
  t.is(await piece(response), 'so far')
  t.false(await isComplete)
  await logger.waitFor('error', /in the middle/)
})

test.serial('a reader that is slow slows the app down', async (t) => {
  const name = unique()
  const { body } = await api.invoke(functionUrlEvent({ rawPath: `/flood/${name}` }))
  body.pause()
  const accepted = (await settled(() => probe.peek(name))) as number
  t.true(accepted > 0 && accepted < 64, `${accepted} MiB`)
  // Then the connection breaks, which the app hears of.
  body.destroy()
  t.is(await probe.wait(`${name}:left`), null)
})

test.serial(
  'near the deadline the app hears that its client has left, and the stream ends as not complete',
  async (t) => {
    const name = unique()
    const { response, isComplete } = await open(`/half/${name}`, hasty.url)
    t.is(await piece(response), 'half')
    t.false(await isComplete)
    t.is(await probe.wait(`${name}:left`), null)
    const early = await request(`${hasty.url}/hang/${name}2`)
    t.is(early.status, 504)
  },
)

test.serial(
  'the client has all of a response before the background tasks are done, and the next call waits for them',
  async (t) => {
    const name = unique()
    t.is((await request(`${front.url}/task/${name}`)).text, 'answered')
    let isIdle = false
    const idle = api.idle().then(() => (isIdle = true))
    await probe.tasks()
    t.false(isIdle)
    await probe.tell(`${name}:go`)
    t.is(await probe.wait(`${name}:done`), null)
    await idle
    t.false(logger.at('warn').some((entry) => textOf(entry).includes(name)))
  },
)

test.serial('a REST API that streams has several headers of a name', async (t) => {
  const outcome = await api.invoke(restEvent({ path: '/cookies/', requestContext: {} }))
  t.is(outcome.contentType, 'application/vnd.awslambda.http-integration-response')
  const [head = '', body] = (await text(outcome.body)).split('\0'.repeat(8))
  t.deepEqual(JSON.parse(head), {
    statusCode: 201,
    multiValueHeaders: {
      'content-length': ['7'],
      'content-type': ['text/plain'],
      'set-cookie': ['a=1; Path=/', 'b=2'],
      vary: ['a', 'b'],
    },
  })
  t.is(body, 'cookies')
})

test.serial(
  'sources that take no stream get their answer as a whole, and events the result of their function',
  async (t) => {
    const connect = await api.invoke(webSocketEvent('$connect', { queryStringParameters: { token: 'good' } }))
    t.like(JSON.parse(await text(connect.body)), { statusCode: 200 })
    for (const event of [httpApiEvent({ rawPath: '/cookies/' }), loadBalancerEvent({ path: '/cookies/' })]) {
      const outcome = await api.invoke(event)
      t.is(outcome.contentType, 'application/json')
      t.like(JSON.parse(await text(outcome.body)), { statusCode: 201, body: 'cookies' })
    }
    const outcome = await api.invoke(queueEvent('ok', 'fail'))
    t.deepEqual(JSON.parse(await text(outcome.body)), { batchItemFailures: [{ itemIdentifier: 'message-1' }] })
  },
)
