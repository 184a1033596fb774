// An answer as a whole.
import type { HandleResponse } from '../handle/handle.js'
import type { LambdaInvocation } from './context.js'
import type { AnswerKind, EventKind } from './events/request.js'
import { webSocket, type WebSocketEvent } from './events/websocket.js'
import { Invocation, textAnswer, type LambdaHost } from './invocation.js'
import { answerOf, headOf, mostBytes, type Answer } from './response.js'
import { answerMessage } from './websocket-answer.js'

/** Answers an event as a whole. */
export async function answerEvent(host: LambdaHost, event: unknown, context: LambdaInvocation): Promise<unknown> {
  const invocation = new Invocation(host, event, context)
  try {
    if (!invocation.isRequest) {
      return await invocation.runFunction()
    }
    return await answerWhole(host, event, invocation)
  } finally {
    invocation.deadline.end()
  }
}

/** Answers a request as a whole. */
export async function answerWhole(host: LambdaHost, event: unknown, invocation: Invocation): Promise<Answer> {
  const kind = invocation.kind!
  const shape = kind.answer(event as never)
  // Errors of the start are the environment's: Lambda hears of them.
  await invocation.start()
  let answer: Answer
  try {
    const response = await invocation.ask()
    const head = { status: response.status, headers: response.rawHeaders }
    const body = await wholeBody(response, mostBytes(shape))
    if (kind === (webSocket as EventKind)) {
      answer = await answerMessage(host.options, event as WebSocketEvent, head, body, invocation.deadline)
    } else {
      answer = (body === undefined ? undefined : answerOf(shape, head, body)) ?? tooLarge(host, shape, invocation)
    }
  } catch (error) {
    const { body, ...head } = invocation.answerTo(error)
    answer = answerOf(shape, head, body) ?? headOf(shape, head)
  }
  await invocation.end()
  return answer
}

/** All of a body; `undefined`, and the app's client is gone, when it is more than there can be. */
async function wholeBody(response: HandleResponse, most: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  let length = 0
  const body = response[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await body.next()
    if (done === true) {
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    }
    length += value.length
    if (length > most) {
      await body.return?.()
      return undefined
    }
    pieces.push(value)
  }
}

function tooLarge({ options }: LambdaHost, shape: AnswerKind, invocation: Invocation): Answer {
  const isBalancer = shape.startsWith('load-balancer')
  options.logger.error(
    `The response to ${invocation.words} is larger than the ${isBalancer ? '1 MB that a load balancer takes' : '6 MB that AWS Lambda takes of one that is not streamed'}. ` +
      'Stream it: export lambda.stream(…) and use a Function URL with RESPONSE_STREAM, or a REST API that streams.',
  )
  const { body, ...head } = textAnswer(413, 'Content Too Large')
  return answerOf(shape, head, body)!
}
