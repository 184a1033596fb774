// A runtime client of the project's own: what Lambda's Node.js runtime does with a handler, as far as tests need it, and no
// more. `npm run test:lambda` has the real one, which takes minutes to compile.
import { Agent, request } from 'node:http'

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

/**
 * @param {string} api
 * @param {string} method
 * @param {string} path
 * @param {string} [body]
 * @returns {Promise<{ headers: import('node:http').IncomingHttpHeaders, text: string }>}
 */
export function ask(api, method, path, body) {
  return new Promise((done, fail) => {
    const call = request(`http://${api}/2018-06-01/runtime${path}`, { method, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece) => (text += piece))
      response.on('error', fail).on('end', () => done({ headers: response.headers, text }))
    })
    call.on('error', fail)
    call.end(body)
  })
}

/**
 * An error as the Runtime API takes it.
 *
 * @param {unknown} error
 */
export function described(error) {
  const { name = 'Error', message = String(error), stack = '' } = error instanceof Error ? error : {}
  return JSON.stringify({ errorType: name, errorMessage: message, trace: stack.split('\n') })
}

/**
 * The stream of a response: a request to the Runtime API; what goes wrong is in its trailers.
 *
 * @param {string} api
 * @param {string} id
 */
function openStream(api, id) {
  let answered
  const answer = new Promise((done) => (answered = done))
  const call = request(
    `http://${api}/2018-06-01/runtime/invocation/${id}/response`,
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

/**
 * Takes invocations one after the other, until the Runtime API is gone.
 *
 * @param {string} api host and port
 * @param {((event: unknown, ...rest: unknown[]) => Promise<unknown>) & { [STREAMING]?: string }} handler
 */
export async function serve(api, handler) {
  for (;;) {
    const { headers, text } = await ask(api, 'GET', '/invocation/next')
    const id = String(headers['lambda-runtime-aws-request-id'])
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
        await ask(api, 'POST', `/invocation/${id}/response`, JSON.stringify(result ?? null))
      } catch (error) {
        await ask(api, 'POST', `/invocation/${id}/error`, described(error))
      }
    } else {
      const stream = openStream(api, id)
      try {
        await handler(JSON.parse(text), stream.call, context)
      } catch (error) {
        stream.fail(error)
      }
      await stream.answer
    }
  }
}
