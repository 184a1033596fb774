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
  secondLatticeEvent,
} from './helpers/lambda/events.js'
import { testOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/aws-lambda`: events of HTTP become requests, by the shape of the event.

const logger = new Recorder()
const handler = lambda(testOptions({ app: 'lambda_app:app', logger }))
const cut = lambda(testOptions({ app: 'lambda_app:app', logger }), { basePath: '/v1/' })
test.after.always(() => Promise.all([handler.close(), cut.close()]))

interface Seen {
  method: string
  path: string
  raw_path: { bytes: string }
  root_path: string
  query_string: { bytes: string }
  scheme: string
  http_version: string
  client: { tuple: unknown[] } | null
  server: { tuple: unknown[] } | null
  headers: { tuple: [{ bytes: string }, { bytes: string }] }[]
  body: string
  event: unknown
  request_id: string
  memory: string
  has_time: boolean
}

async function seenBy(event: object, by = handler): Promise<Seen & { fields: [string, string][] }> {
  const { statusCode, body } = (await by(event, contextOf())) as Answer
  if (statusCode !== 200) throw new Error(`${statusCode} ${body}`)
  const seen = JSON.parse(body!) as Seen
  return { ...seen, fields: seen.headers.map(({ tuple: [name, value] }) => [name.bytes, value.bytes]) }
}

const valuesOf = (fields: [string, string][], name: string) =>
  fields.filter(([one]) => one === name).map(([, it]) => it)

test('a REST API: decoded paths and queries are encoded again, all values are there, the stage is the root path', async (t) => {
  const event = restEvent()
  const seen = await seenBy(event)
  t.like(seen, {
    method: 'POST',
    path: '/prod/a b/ü',
    raw_path: { bytes: '/prod/a%20b/%C3%BC' },
    root_path: '/prod',
    query_string: { bytes: 'name=Ada%20%26%20Bob&tag=1&tag=2' },
    scheme: 'https',
    http_version: '1.1',
    client: { tuple: ['198.51.100.7', 0] },
    server: { tuple: ['abc123.execute-api.eu-central-1.amazonaws.com', 443] },
    body: '{"name":"Ada"}',
  })
  t.deepEqual(valuesOf(seen.fields, 'accept'), ['text/html', 'application/json'])
  t.deepEqual(valuesOf(seen.fields, 'cookie'), ['a=1; b=2'])
  t.deepEqual(seen.event, event)
  t.is(seen.request_id, 'request-1')
  t.is(seen.memory, '128')
  t.true(seen.has_time)
})

test('a REST API: what was written as a percent sign, a question mark or a hash stays one', async (t) => {
  const path = '/100%/50%25/why?/#1'
  const seen = await seenBy(restEvent({ path, requestContext: { path: `/prod${path}`, identity: {} } }))
  t.is(seen.raw_path.bytes, '/prod/100%25/50%2525/why%3F/%231')
  t.is(seen.path, `/prod${path}`)
})

test('a REST API: single values do where there are no others, and nulls are none', async (t) => {
  const event = restEvent({ multiValueHeaders: null, multiValueQueryStringParameters: null, body: null })
  const seen = await seenBy(event)
  t.is(seen.query_string.bytes, 'name=Ada%20%26%20Bob&tag=2')
  t.deepEqual(valuesOf(seen.fields, 'accept'), ['text/html'])
  t.is(seen.body, '')
  const bare = await seenBy(
    restEvent({
      headers: null,
      multiValueHeaders: null,
      queryStringParameters: null,
      multiValueQueryStringParameters: null,
    }),
  )
  t.is(bare.query_string.bytes, '')
  t.is(bare.server, null)
})

test('an HTTP API: the path is as it was asked for, the stage is the root path, cookies are one header', async (t) => {
  const event = httpApiEvent()
  const seen = await seenBy(event)
  t.like(seen, {
    method: 'POST',
    path: '/dev/a b/ü',
    raw_path: { bytes: '/dev/a%20b/%C3%BC' },
    root_path: '/dev',
    query_string: { bytes: 'name=Ada%20%26%20Bob&tag=1&tag=2' },
    client: { tuple: ['198.51.100.7', 0] },
    body: '{"name":"Ada"}',
  })
  t.deepEqual(valuesOf(seen.fields, 'cookie'), ['a=1; b=2'])
  t.deepEqual(seen.event, event)
})

test('an HTTP API with payloads of version 1.0 is read as a REST API', async (t) => {
  const seen = await seenBy(restEvent({ version: '1.0' }))
  t.is(seen.root_path, '/prod')
})

test('a Function URL has no stage, and HTTP is of the version that it says', async (t) => {
  const seen = await seenBy(functionUrlEvent({ rawPath: '/x' }, { path: '/x', protocol: 'HTTP/2' }))
  t.like(seen, { method: 'GET', root_path: '', path: '/x', http_version: '2', body: '' })
})

test('a load balancer: queries are as they were asked for, the client is whom the balancer has seen', async (t) => {
  const seen = await seenBy(loadBalancerEvent())
  t.like(seen, {
    path: '/a b/ü',
    raw_path: { bytes: '/a%20b/%C3%BC' },
    query_string: { bytes: 'name=Ada%20%26%20Bob&tag=2' },
    scheme: 'http',
    client: { tuple: ['203.0.113.9', 0] },
    server: { tuple: ['function-123.eu-central-1.elb.amazonaws.com', 80] },
    body: '{"name":"Ada"}',
  })
  const multi = await seenBy(multiValueEvent())
  t.is(multi.query_string.bytes, 'name=Ada%20%26%20Bob&tag=1&tag=2')
  t.deepEqual(valuesOf(multi.fields, 'accept'), ['text/html', 'application/json'])
})

test('VPC Lattice, both versions', async (t) => {
  const first = await seenBy(firstLatticeEvent())
  t.like(first, { method: 'POST', path: '/a b/ü', query_string: { bytes: 'name=Ada' }, body: '{"name":"Ada"}' })
  const second = await seenBy(secondLatticeEvent())
  t.like(second, { path: '/a b/ü', query_string: { bytes: 'name=Ada&tag=1&tag=2' }, client: null })
  t.deepEqual(valuesOf(second.fields, 'accept'), ['text/html', 'application/json'])
})

test('a base path is cut off where a path is below it', async (t) => {
  const below = await seenBy(functionUrlEvent({ rawPath: '/v1/x' }), cut)
  t.like(below, { root_path: '/v1', path: '/v1/x' })
  const exactly = await seenBy(functionUrlEvent({ rawPath: '/v1' }), cut)
  t.like(exactly, { root_path: '/v1', path: '/v1/' })
  const beside = await seenBy(functionUrlEvent({ rawPath: '/v10/x' }), cut)
  t.like(beside, { root_path: '', path: '/v10/x' })
})

test('a body that is not base64, and control characters in headers, are a 400', async (t) => {
  for (const more of [{ body: 'no/base64!', isBase64Encoded: true }, { headers: { 'x-bad': 'a\r\nb: c' } }]) {
    const answer = (await handler(functionUrlEvent(more), contextOf())) as Answer
    t.like(answer, { statusCode: 400, body: 'Bad Request' })
  }
  t.regex(String(logger.errors().map(({ message }) => message)), /not: it has characters beyond base64/)
})

test('headers beyond ASCII come as UTF-8', async (t) => {
  const { fields } = await seenBy(functionUrlEvent({ headers: { 'x-name': 'Ü€' } }))
  t.is(Buffer.from(valuesOf(fields, 'x-name')[0]!, 'latin1').toString(), 'Ü€')
})

test('text of any alphabet in an event reaches the scope', async (t) => {
  const body = 'Grüße, 世界 \u2028 \u{1F600} \0'
  const { event } = await seenBy(functionUrlEvent({ body }, { method: 'POST' }))
  t.is((event as { body: string }).body, body)
})

test('an event of no known shape is refused, with what was tried', async (t) => {
  const error = await t.throwsAsync(() => handler({ Records: [], other: 1 }, contextOf()), {
    code: 'AMPHIS_ERR_INVALID_REQUEST',
  })
  t.regex(error.message, /it has Records, other\. Tried: API Gateway HTTP API.*VPC Lattice.*events: 'jobs:handler'/s)
  await t.throwsAsync(() => handler('text', contextOf()), { message: /it has string/ })
  await t.throwsAsync(() => handler({ requestContext: null }, contextOf()), { code: 'AMPHIS_ERR_INVALID_REQUEST' })
})
