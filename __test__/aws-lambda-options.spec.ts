import { createRequire } from 'node:module'
import test from 'ava'
import * as esm from 'amphis/aws-lambda'
import { lambda } from '../lib/aws-lambda.js'
import { contextOf, functionUrlEvent } from './helpers/lambda/events.js'
import { createHandler, testOptions } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// `amphis/aws-lambda`: what it is made of.

const refused = (make: () => unknown) => {
  try {
    make()
  } catch (error) {
    const { code, message } = error as Error & { code: string }
    return code === 'AMPHIS_ERR_INVALID_OPTIONS' ? message : `${code}: ${message}`
  }
  return 'taken'
}

test('wrong options are refused by name, with the one that was meant', (t) => {
  const app = 'main:app'
  t.regex(
    refused(() => lambda(undefined as never)),
    /lambda takes an app such as 'main:app'.*got undefined/,
  )
  t.regex(
    refused(() => lambda({})),
    /needs an app, or a function for events/,
  )
  t.regex(
    refused(() => lambda(app, { timeoutMargn: 1 } as never)),
    /no option timeoutMargn of lambda. Did you mean timeoutMargin/,
  )
  t.regex(
    refused(() => lambda({ app, event: 'jobs:handler' } as never)),
    /Did you mean events/,
  )
  t.regex(
    refused(() => lambda(app, { timeoutMargin: -1 })),
    /timeoutMargin of lambda must be a number of milliseconds/,
  )
  t.regex(
    refused(() => lambda(app, { events: 'jobs' })),
    /events of lambda must be a function such as 'jobs:handler'/,
  )
  t.regex(
    refused(() => lambda(app, { basePath: 'v1' })),
    /basePath of lambda must be a path/,
  )
  t.regex(
    refused(() => lambda(app, { webSocketPath: 1 as never })),
    /webSocketPath of lambda must be a path/,
  )
  t.regex(
    refused(() => lambda(app, { managementEndpoint: 'example.org' })),
    /managementEndpoint of lambda must be a URL/,
  )
  t.regex(
    refused(() => lambda(app, { shutdown: 1 as never })),
    /shutdown of lambda must be true or false/,
  )
})

test('lambda.stream says where it works', (t) => {
  t.regex(
    refused(() => lambda.stream('main:app')),
    /Node\.js runtime of AWS Lambda alone.*aws-lambda-ric/,
  )
})

test('a handler of one’s own takes the options of lambda alone', async (t) => {
  const python = createHandler(t, 'lambda_app:app')
  t.regex(
    refused(() => esm.lambda(python, { appDir: '.' } as never)),
    /no option appDir of lambda beside a PythonHandler/,
  )
  const handler = esm.lambda(python, { timeoutMargin: 100 })
  await handler.ready()
  t.like(await handler(functionUrlEvent({ rawPath: '/empty/' }), contextOf()), { statusCode: 204 })
})

test('a start that has failed fails its invocation, and is tried again by the next', async (t) => {
  const folder = await scratchFolder(t, {
    'broken_once.py': `
import pathlib
mark = pathlib.Path(__file__).with_suffix(".mark")
if not mark.exists():
    mark.touch()
    raise RuntimeError("the first time")

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
`,
  })
  const handler = lambda(testOptions({ app: 'broken_once:app', appDir: folder }))
  t.teardown(() => handler.close())
  await t.throwsAsync(() => handler.ready(), { code: 'AMPHIS_ERR_APP_IMPORT' })
  t.like(await handler(functionUrlEvent(), contextOf()), { statusCode: 204 })
})

test('both kinds of modules have it', (t) => {
  const cjs = createRequire(import.meta.url)('amphis/aws-lambda') as typeof esm
  t.is(cjs.lambda, esm.lambda)
})
