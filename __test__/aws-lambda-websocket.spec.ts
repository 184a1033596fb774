import { createServer } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import { lambda } from '../lib/aws-lambda.js'
import { signatureHeaders } from '../lib/aws-lambda/signature.js'
import { contextOf, webSocketEvent } from './helpers/lambda/events.js'
import { text } from './helpers/lambda/runtime-api.js'
import { listen } from './helpers/listen.js'
import { shareProbe } from './helpers/probe.js'
import { testOptions } from './helpers/python.js'
import { Recorder } from './helpers/recorder.js'

// `amphis/aws-lambda`: WebSocket APIs of API Gateway, where each message is an invocation.

const probe = shareProbe()

interface Sent {
  method: string
  url: string
  authorization: string
  token: string
  body: string
}

/** A management API, which answers with this status. */
async function manage(t: ExecutionContext, status = 200) {
  const sent: Sent[] = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { authorization = '', 'x-amz-security-token': token = '' } = request.headers
      sent.push({ method: request.method!, url: request.url!, authorization, token: String(token), body })
      response.writeHead(status).end()
    })
  })
  const { url } = await listen(t, server)
  const logger = new Recorder()
  const handler = lambda(testOptions({ app: 'lambda_app:app', logger }), { managementEndpoint: `${url}/prod` })
  t.teardown(() => handler.close())
  return { sent, handler, logger }
}

test.before(() => {
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIDEXAMPLE'
  process.env['AWS_SECRET_ACCESS_KEY'] = 'secret'
  process.env['AWS_SESSION_TOKEN'] = 'token'
  process.env['AWS_REGION'] = 'eu-central-1'
})

test.serial('a handshake, messages and the end are requests to their routes', async (t) => {
  const { sent, handler } = await manage(t)
  const connect = webSocketEvent('$connect', {
    multiValueHeaders: { Host: ['ws'], 'Sec-WebSocket-Protocol': ['chat'] },
    multiValueQueryStringParameters: { token: ['good'] },
  })
  t.like(await handler(connect, contextOf()), {
    statusCode: 200,
    multiValueHeaders: { 'sec-websocket-protocol': ['chat'] },
  })
  t.like(await handler(webSocketEvent('$connect'), contextOf()), { statusCode: 403 })
  t.deepEqual(sent, [])
  const said = webSocketEvent('say it', { body: '{"action":"say it"}' })
  t.deepEqual(await handler(said, contextOf()), { statusCode: 200 })
  t.like(sent[0], {
    method: 'POST',
    url: '/prod/%40connections/BFHPhfCWIAMCKlQ%3D',
    token: 'token',
    body: 'you said {"action":"say it"}',
  })
  t.regex(
    sent[0]!.authorization,
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-central-1\/execute-api\/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
  )
  t.deepEqual(await handler(webSocketEvent('silent', { body: 'x' }), contextOf()), { statusCode: 204 })
  t.is(sent.length, 1)
  t.like(await handler(webSocketEvent('$disconnect'), contextOf()), { statusCode: 200 })
  const marks = (await probe.marks('websocket')) as [string, string, string][]
  t.deepEqual(
    marks.map(([route]) => route),
    ['$connect', '$connect', 'say it', 'silent', '$disconnect'],
  )
  t.true(marks.every(([, connection]) => connection === 'BFHPhfCWIAMCKlQ='))
})

test.serial('a client that has left, an answer that is not taken, one that is too large', async (t) => {
  const gone = await manage(t, 410)
  t.deepEqual(await gone.handler(webSocketEvent('$default', { body: 'x' }), contextOf()), { statusCode: 410 })
  const forbidden = await manage(t, 403)
  t.like(await forbidden.handler(webSocketEvent('$default', { body: 'x' }), contextOf()), { statusCode: 500 })
  t.regex(String(forbidden.logger.errors()[0]), /management API .* said 403.*execute-api:ManageConnections/)
  const { handler, logger, sent } = await manage(t)
  t.like(await handler(webSocketEvent('large', { body: 'x' }), contextOf()), { statusCode: 413 })
  t.deepEqual(sent, [])
  await logger.waitFor('warn', /128 KB/)
})

test('a request is signed as botocore signs it', (t) => {
  const headers = signatureHeaders(
    {
      host: 'ws123.execute-api.eu-central-1.amazonaws.com',
      path: '/prod/%40connections/BFHPhfCWIAMCKlQ%3D',
      body: Buffer.from('hello'),
      region: 'eu-central-1',
      service: 'execute-api',
      date: new Date('2026-11-30T00:00:00Z'),
    },
    { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' },
  )
  // What botocore's SigV4Auth says of the same.
  const signature = '6f643f111e323e888d20f9b2ccbe99c8216d8347a0d02a92824cdb57d715e670'
  t.is(headers['x-amz-date'], '20261130T000000Z')
  t.true(headers['authorization']?.endsWith(`Signature=${signature}`))
})
