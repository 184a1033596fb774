// An answer piece by piece, as the app sends it.
import type { LambdaInvocation } from './context.js'
import { answerWhole } from './buffered.js'
import type { AnswerKind } from './events/request.js'
import { Invocation, type LambdaHost } from './invocation.js'
import { headOf } from './response.js'
import { awsLambda, type ResponseStream } from './runtime.js'

/** Sources that take a stream; for the others the answer is written as one that is whole. */
const STREAMED: ReadonlySet<AnswerKind> = new Set(['function-url', 'rest'])

/** Answers an event by a stream. */
export async function streamEvent(
  host: LambdaHost,
  event: unknown,
  stream: ResponseStream,
  context: LambdaInvocation,
): Promise<void> {
  const invocation = new Invocation(host, event, context)
  const { kind } = invocation
  try {
    if (!invocation.isRequest) {
      await writeWhole(stream, await invocation.runFunction())
    } else if (!STREAMED.has(kind!.answer(event as never)) || kind!.name.includes('WebSocket')) {
      await writeWhole(stream, await answerWhole(host, event, invocation))
    } else {
      await streamResponse(event, stream, invocation)
    }
  } finally {
    invocation.deadline.end()
  }
}

async function streamResponse(event: unknown, stream: ResponseStream, invocation: Invocation): Promise<void> {
  const shape = invocation.kind!.answer(event as never)
  await invocation.start()
  let response
  try {
    response = await invocation.ask()
  } catch (error) {
    const { body, ...head } = invocation.answerTo(error)
    const out = new Out(awsLambda().HttpResponseStream.from(stream, headOf(shape, head)))
    await out.write(body)
    await out.end()
    return
  }
  const head = headOf(shape, { status: response.status, headers: response.rawHeaders })
  const out = new Out(awsLambda().HttpResponseStream.from(stream, head), (error) => invocation.deadline.abort(error))
  try {
    // The head goes out by the first write, whether there is a body or not, and however long it takes.
    await out.write('')
    for await (const piece of response) {
      await out.write(piece)
    }
    await out.end()
  } catch (error) {
    // Thrown, it ends the stream as one that is not complete, and Lambda logs it.
    throw invocation.deadline.isReached ? invocation.deadline.error() : (out.failure ?? error)
  }
  await invocation.end()
}

async function writeWhole(stream: ResponseStream, answer: unknown): Promise<void> {
  stream.setContentType?.('application/json')
  const out = new Out(stream)
  await out.write(JSON.stringify(answer ?? null))
  await out.end()
}

/** A stream of Lambda's, written to one piece after the other. */
class Out {
  readonly #stream: ResponseStream
  #failure: Error | undefined
  #isOver = false
  #wake: (() => void) | undefined

  /** @param failed told when it takes no more */
  constructor(stream: ResponseStream, failed?: (error: Error) => void) {
    this.#stream = stream
    const fail = (error: Error): void => {
      this.#failure ??= error
      this.#wake?.()
      failed?.(error)
    }
    stream.on('error', fail)
    stream.on('drain', () => this.#wake?.())
    stream.on('finish', () => {
      this.#isOver = true
      this.#wake?.()
    })
    stream.on('close', () => {
      if (!this.#isOver) {
        fail(new Error('The stream of the response was closed before its end.'))
      }
    })
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves when more can be written. */
  async write(piece: string | Uint8Array): Promise<void> {
    this.#check()
    if (!this.#stream.write(piece)) {
      await this.#next()
      this.#check()
    }
  }

  /** Resolves when all of it has gone. */
  async end(): Promise<void> {
    this.#check()
    const finished = this.#next()
    this.#stream.end()
    await finished
    this.#check()
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #check(): void {
    if (this.#failure !== undefined) {
      throw this.#failure
    }
  }
}
