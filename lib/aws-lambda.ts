// `amphis/aws-lambda`: a Python app as a function of AWS Lambda.
import { answerEvent } from './aws-lambda/buffered.js'
import type { LambdaInvocation } from './aws-lambda/context.js'
import type { LambdaHost } from './aws-lambda/invocation.js'
import { Life } from './aws-lambda/life.js'
import { resolveLambdaOptions, type LambdaAppOptions, type LambdaOptions } from './aws-lambda/options.js'
import { awsLambda, type ResponseStream } from './aws-lambda/runtime.js'
import { streamEvent } from './aws-lambda/streamed.js'
import { seenFrom } from './base/errors.js'
import type { PythonHandler } from './python-handler.js'

export type { LambdaAppOptions, LambdaInvocation, LambdaOptions }

/** What belongs to a handler besides being called. */
export interface LambdaLife {
  /**
   * Ends when the app has started. Await it where the handler is made, so that it is a part of Lambda's init: 10 s, which
   * are not a caller's, and the only time at which Lambda can be asked to tell of the environment's end.
   *
   * @throws {AmphisError} what kept the app from starting
   */
  ready(): Promise<void>
  /** Ends the app, as the end of the environment does. */
  close(): Promise<void>
}

/** A handler of events, as Lambda's Node.js calls it. */
export type LambdaHandler = ((event: unknown, context: LambdaInvocation) => Promise<unknown>) & LambdaLife

/** A handler that streams, as Lambda's Node.js calls it. */
export type LambdaStreamHandler = ((
  event: unknown,
  stream: ResponseStream,
  context: LambdaInvocation,
) => Promise<void>) &
  LambdaLife

type Given = string | LambdaAppOptions | PythonHandler

/**
 * Makes a handler of AWS Lambda's of a Python app: events of API Gateway (REST, HTTP and WebSocket APIs), Function URLs,
 * load balancers and VPC Lattice are requests to it, and others go to a Python function. The app finds the event and the
 * context as `scope['aws.event']` and `scope['aws.context']`. It starts at once, and runs its lifespan once in an execution
 * environment.
 *
 * @param app `module:attribute`, all options, or a handler of yours
 * @param options those of `lambda`, and for an app those of a `PythonHandler`
 *
 * @example
 * import { lambda } from 'amphis/aws-lambda'
 *
 * export const handler = lambda('main:app')
 * await handler.ready()
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function lambda(app: string, options?: LambdaAppOptions): LambdaHandler
export function lambda(app: LambdaAppOptions | PythonHandler, options?: LambdaOptions): LambdaHandler
export function lambda(app: Given, options: LambdaAppOptions = {}): LambdaHandler {
  const host = open(app, options, lambda)
  return withLife(host, (event: unknown, context: LambdaInvocation) => answerEvent(host, event, context))
}

/**
 * The same for a function whose responses are streamed: a Function URL with `RESPONSE_STREAM`, or a REST API that streams.
 * Other sources get their answer as a whole.
 *
 * @example
 * export const handler = lambda.stream('main:app')
 * await handler.ready()
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`, also where this is no Node.js of Lambda's
 */
lambda.stream = stream

function stream(app: string, options?: LambdaAppOptions): LambdaStreamHandler
function stream(app: LambdaAppOptions | PythonHandler, options?: LambdaOptions): LambdaStreamHandler
function stream(app: Given, options: LambdaAppOptions = {}): LambdaStreamHandler {
  const runtime = awsLambda()
  const host = open(app, options, stream)
  const handler = runtime.streamifyResponse((event: unknown, out: ResponseStream, context: LambdaInvocation) =>
    streamEvent(host, event, out, context),
  )
  return withLife(host, handler)
}

function open(app: Given, given: LambdaAppOptions, from: (...args: never[]) => unknown): LambdaHost {
  try {
    const options = resolveLambdaOptions(app, given)
    return { options, life: new Life(options) }
  } catch (error) {
    throw seenFrom(error, from)
  }
}

function withLife<Handler extends object>({ life }: LambdaHost, handler: Handler): Handler & LambdaLife {
  return Object.assign(handler, { ready: () => life.ready(), close: () => life.close() })
}
