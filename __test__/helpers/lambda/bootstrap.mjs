// A runtime client of the project's own: what Lambda's Node.js runtime does with a handler, as far as tests need it, and no
// more. `npm run test:lambda` has the real one, which takes minutes to compile. Started as
// `node bootstrap.mjs FILE.EXPORT`, with AWS_LAMBDA_RUNTIME_API.
import { Agent, request } from 'node:http'
import { pathToFileURL } from 'node:url'
import { resolve } from 'node:path'

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming')
const BEFORE_FIRST_WRITE = Symbol('beforeFirstWrite')

globalThis.awslambda = {
  streamifyResponse(handler) {
    handler[STREAMING] = 'response'
    return handler
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType('application/vnd.awslambda.http-integration-response')
      stream[BEFORE_FIRST_WRITE] = (write) => {
        write(JSON.stringify(prelude))
        write(new Uint8Array(8))
      }
      return stream
    },
  },
}

const API = process.env.AWS_LAMBDA_RUNTIME_API
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

/**
 * @param {string} method
 * @param {string} path
 * @param {string} [body]
 * @returns {Promise<{ headers: import('node:http').IncomingHttpHeaders, text: string }>}
 */
function ask(method, path, body) {
  return new Promise((done, fail) => {
    const call = request(`http://${API}/2018-06-01/runtime${path}`, { method, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece) => (text += piece))
      response.on('error', fail).on('end', () => done({ headers: response.headers, text }))
    })
    call.on('error', fail)
    call.end(body)
  })
}

/** @param {unknown} error */
function described(error) {
  const { name = 'Error', message = String(error), stack = '' } = error instanceof Error ? error : {}
  return JSON.stringify({ errorType: name, errorMessage: message, trace: stack.split('\n') })
}

/** The stream of a response: a request to the Runtime API, which ends with what came of the error in its trailers. */
function openStream(id) {
  let answered
  const answer = new Promise((done) => (answered = done))
  const call = request(
    `http://${API}/2018-06-01/runtime/invocation/${id}/response`,
    {
      method: 'POST',
      agent: new Agent(),
      headers: {
        'lambda-runtime-function-response-mode': 'streaming',
        trailer: ['Lambda-Runtime-Function-Error-Type', 'Lambda-Runtime-Function-Error-Body'],
        'content-type': 'application/octet-stream',
      },
    },
    (response) => response.resume().on('close', answered),
  )
  call.on('error', answered)
  call.setContentType = (type) => call.setHeader('content-type', type)
  const write = call.write.bind(call)
  call.write = (...args) => {
    call[BEFORE_FIRST_WRITE]?.(write)
    call[BEFORE_FIRST_WRITE] = undefined
    return write(...args)
  }
  const fail = (error) => {
    call.addTrailers({
      'Lambda-Runtime-Function-Error-Type': error?.name ?? 'Error',
      'Lambda-Runtime-Function-Error-Body': Buffer.from(described(error)).toString('base64'),
    })
    call.end()
  }
  return { call, answer, fail }
}

async function load() {
  const [file, name] = process.argv[2].split('#')
  return (await import(pathToFileURL(resolve(file)).href))[name]
}

let handler
try {
  handler = await load()
} catch (error) {
  console.error(error)
  await ask('POST', '/init/error', described(error))
  process.exit(1)
}

for (;;) {
  const { headers, text } = await ask('GET', '/invocation/next')
  const id = headers['lambda-runtime-aws-request-id']
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionName: 'function',
    functionVersion: '$LATEST',
    memoryLimitInMB: '128',
    logGroupName: '/aws/lambda/function',
    logStreamName: 'stream',
    awsRequestId: id,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    getRemainingTimeInMillis: () => Number(headers['lambda-runtime-deadline-ms']) - Date.now(),
  }
  if (handler[STREAMING] === undefined) {
    try {
      const result = await handler(JSON.parse(text), context)
      await ask('POST', `/invocation/${id}/response`, JSON.stringify(result ?? null))
    } catch (error) {
      await ask('POST', `/invocation/${id}/error`, described(error))
    }
  } else {
    const stream = openStream(id)
    try {
      await handler(JSON.parse(text), stream.call, context)
    } catch (error) {
      stream.fail(error)
    }
    await stream.answer
  }
}
