// What every event of HTTP has, whatever it came by: the request that the app is given, and how it is answered.

/** Shapes of answers: who has cookies apart, who takes several headers of a name. */
export type AnswerKind = 'rest' | 'http-api' | 'function-url' | 'load-balancer' | 'load-balancer-multi' | 'lattice'

/** A request as `handle()` takes it. */
export interface EventRequest {
  readonly method: string
  /** Path, percent-encoded, and query. */
  readonly url: string
  readonly rootPath: string
  /** Names and values in turn. */
  readonly headers: string[]
  readonly body: Buffer | undefined
  readonly scheme: string
  readonly httpVersion: string
  readonly client: readonly [host: string, port: number] | null
  readonly server: readonly [host: string, port: number | null] | null
}

/** A kind of event, told by its shape. */
export interface EventKind<Event = never> {
  /** For words. */
  readonly name: string
  /** What it is known by, for words. */
  readonly knownBy: string
  /** Whether an event, which is an object, is one of these. */
  is(event: object): boolean
  /**
   * @param basePath what is cut off its path, and becomes the `root_path`; `undefined` to find it out
   * @throws {AmphisError} `AMPHIS_ERR_INVALID_REQUEST` for a body that is not base64
   */
  read(event: Event, basePath: string | undefined): EventRequest
  /** Which shape its answer has. */
  answer(event: Event): AnswerKind
}

/** Headers as events have them. */
export type EventHeaders = Readonly<Record<string, string | readonly string[] | null | undefined>> | null | undefined
