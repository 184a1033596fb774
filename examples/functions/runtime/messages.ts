/** What the supervisor and its children tell each other over Node's channel. */

/** What went wrong, as Lambda's Runtime API has it. */
export interface InvocationError {
  errorType: string
  errorMessage: string
  stackTrace: string[]
}

export interface Invocation {
  requestId: string
  /** JSON. */
  payload: string
  /** Milliseconds since 1970. */
  deadline: number
  functionName: string
  memory: number
}

export type ChildMessage =
  | { kind: 'ready' }
  | { kind: 'failed'; error: InvocationError }
  | { kind: 'result'; requestId: string; body: string }
  | { kind: 'error'; requestId: string; error: InvocationError }

/** Ends the output of an invocation on both streams of a child; a NUL, for no text begins with one. */
export const endMark = (requestId: string) => `\0end ${requestId}`
