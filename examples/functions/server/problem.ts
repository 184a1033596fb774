/** An error that a client is told: a status, a code for programs, words for people. */
export class ProblemError extends Error {
  readonly status: number
  readonly code: string
  readonly details: Record<string, unknown>

  constructor(status: number, code: string, message: string, details: Record<string, unknown> = {}) {
    super(message)
    this.name = 'ProblemError'
    this.status = status
    this.code = code
    this.details = details
  }
}
