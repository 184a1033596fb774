// The context of an invocation, for Python, and the time that is left of it.
import { AmphisError } from '../base/errors.js'

/** What this needs of the context that Lambda gives to a handler. */
export interface LambdaInvocation {
  callbackWaitsForEmptyEventLoop?: boolean
  readonly functionName?: string
  readonly functionVersion?: string
  readonly invokedFunctionArn?: string
  readonly memoryLimitInMB?: string
  readonly awsRequestId?: string
  readonly logGroupName?: string
  readonly logStreamName?: string
  readonly identity?: unknown
  readonly clientContext?: unknown
  getRemainingTimeInMillis?(): number
}

// oxlint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\u0000-\u007F]/
// oxlint-disable-next-line no-control-regex
const UNITS = /[^\u0000-\u007F]/g

/** What `LambdaContext` in Python is made of. */
function contextOf(context: LambdaInvocation, remaining: number): object {
  const { functionName, functionVersion, invokedFunctionArn, memoryLimitInMB } = context
  const { awsRequestId, logGroupName, logStreamName, identity, clientContext } = context
  return {
    functionName,
    functionVersion,
    invokedFunctionArn,
    memoryLimitInMB,
    awsRequestId,
    logGroupName,
    logStreamName,
    identity,
    clientContext,
    deadline: Date.now() + remaining,
  }
}

/** Event and context as JSON in ASCII. */
export function scopeKeys(event: unknown, context: LambdaInvocation, remaining: number): string {
  return inAscii(JSON.stringify({ event, context: contextOf(context, remaining) }))
}

/** The context as JSON. */
export function contextText(context: LambdaInvocation, remaining: number): string {
  return JSON.stringify(contextOf(context, remaining))
}

function inAscii(json: string): string {
  // Looking is quick, replacing is not.
  if (!BEYOND_ASCII.test(json)) {
    return json
  }
  return json.replaceAll(UNITS, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** How long an invocation may take that says nothing of it: as long as Lambda's longest. */
const LONGEST = 15 * 60_000

/** Milliseconds that are left. */
export function remainingOf(context: LambdaInvocation): number {
  const remaining = context.getRemainingTimeInMillis?.()
  return typeof remaining === 'number' && Number.isFinite(remaining) ? remaining : LONGEST
}

/** Ends what an invocation does before Lambda ends the environment with it. */
export class Deadline {
  readonly #timer: NodeJS.Timeout
  readonly #margin: number
  /** Made when it is asked for: it costs as much as all else of an invocation in JavaScript. */
  #controller: AbortController | undefined
  #error: Error | undefined
  #isReached = false
  readonly #told = new Set<(error: Error) => void>()

  /**
   * @param remaining milliseconds that are left of the invocation
   * @param margin of which it leaves so many; half of what is left where there is less
   */
  constructor(remaining: number, margin: number) {
    this.#margin = Math.min(margin, remaining / 2)
    this.#timer = setTimeout(this.#onTime, remaining - this.#margin)
  }

  get isReached(): boolean {
    return this.#isReached
  }

  /** Aborted when it is reached, or the invocation given up. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#error !== undefined) {
        this.#controller.abort(this.#error)
      }
    }
    return this.#controller.signal
  }

  /** Tells somebody when it is reached or the invocation given up, at once if it was. */
  tell(listener: (error: Error) => void): void {
    if (this.#error === undefined) {
      this.#told.add(listener)
    } else {
      listener(this.#error)
    }
  }

  /** That it was reached, as an error. */
  error(): AmphisError {
    return new AmphisError(
      'AMPHIS_ERR_REQUEST_TIMEOUT',
      `The app was not done ${Math.round(this.#margin)} ms before the end of the invocation, and was told that its client has left. ` +
        "Answer sooner, raise the function's timeout, or lower timeoutMargin.",
    )
  }

  /** Gives the invocation up, for another reason. */
  abort(error: Error): void {
    if (this.#error !== undefined) {
      return
    }
    this.#error = error
    this.#controller?.abort(error)
    for (const listener of this.#told) {
      listener(error)
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#told.clear()
  }

  readonly #onTime = (): void => {
    this.#isReached = true
    this.abort(this.error())
  }
}
