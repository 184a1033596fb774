// The options of `lambda()`, and what is left of them for the handler of the app.
import { wrongArgument, type AmphisError } from '../base/errors.js'
import { nearestOption, unknownOption } from '../base/nearest.js'
import { consoleLogger } from '../base/options.js'
import { kindOf } from '../base/shown.js'
import type { Logger, PythonHandlerOptions } from '../base/types.js'
import { PythonHandler } from '../python-handler.js'

/** Options of a handler of AWS Lambda's. */
export interface LambdaOptions {
  /**
   * The Python function that events go to which are no requests of HTTP (SQS, S3, EventBridge): `module:function`, `def` or
   * `async def`. It is called with the event and a context, as in Lambda's own Python runtime.
   * @default none: such events are refused
   */
  events?: string | undefined
  /**
   * What comes first in every path and is the app's `root_path`, such as `/v1` of a domain of your own. For `''` nothing is
   * cut off.
   * @default the stage of an API, where the client's URL has it
   */
  basePath?: string | undefined
  /**
   * Where the messages of a WebSocket API come to, each as a POST to the name of its route: `/websocket/$connect`.
   * @default '/websocket'
   */
  webSocketPath?: string | undefined
  /**
   * Where answers to messages of a WebSocket API go to: the `@connections` endpoint without that word.
   * @default that of the event's domain and stage
   */
  managementEndpoint?: string | undefined
  /**
   * Milliseconds before the end of an invocation at which the app is told that its client has left, and the caller gets a
   * 504; half of what is left where there is less.
   * @default 500
   */
  timeoutMargin?: number | undefined
  /**
   * Whether an invocation ends only when the app has returned, background tasks included: what is not done by then is frozen
   * with the environment, until another invocation thaws it. A caller that is not streamed to waits as long.
   * @default true
   */
  waitForBackgroundTasks?: boolean | undefined
  /**
   * Whether Lambda is asked to tell of the end of the environment, so that the app's lifespan shutdown runs, within 300 ms.
   * @default true
   */
  shutdown?: boolean | undefined
}

/** The same, and those of a `PythonHandler`; `app` may be left out where there is `events`. */
export type LambdaAppOptions = LambdaOptions & Partial<PythonHandlerOptions>

/** What `lambda()` works with. */
export interface ResolvedLambdaOptions {
  readonly events: string | undefined
  readonly basePath: string | undefined
  readonly webSocketPath: string
  readonly managementEndpoint: string | undefined
  readonly timeoutMargin: number
  readonly waitForBackgroundTasks: boolean
  readonly shutdown: boolean
  readonly logger: Logger
  /** Whether requests have an app to go to. */
  readonly hasApp: boolean
  /** Makes the handler of the app, or gives the one that the user has. */
  readonly makeHandler: () => PythonHandler
  /** Whether it is made here, and may be made anew. */
  readonly isOwn: boolean
}

const OWN = [
  'events',
  'basePath',
  'webSocketPath',
  'managementEndpoint',
  'timeoutMargin',
  'waitForBackgroundTasks',
  'shutdown',
] as const satisfies readonly (keyof LambdaOptions)[]

/** Milliseconds that requests have at the end of an environment: Lambda gives 300 for all of it. */
const GRACE = 100

/** An app for whoever has only functions: it is never called. */
const NO_APP = 'amphis.aws_lambda:_no_app'

/** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS` */
export function resolveLambdaOptions(
  app: string | LambdaAppOptions | PythonHandler,
  more: LambdaAppOptions,
): ResolvedLambdaOptions {
  const given = isHandler(app) ? undefined : appOptions(app, more)
  const options = given ?? more
  const { webSocketPath = '/websocket', timeoutMargin = 500, waitForBackgroundTasks = true, shutdown = true } = options
  const { events, basePath, managementEndpoint } = options
  check(events === undefined || /^[^:]+:[^:]+$/.test(events), 'events', "a function such as 'jobs:handler'", events)
  checkPath('basePath', basePath ?? '')
  checkPath('webSocketPath', webSocketPath)
  check(
    managementEndpoint === undefined || /^https?:\/\/[^/]/.test(managementEndpoint),
    'managementEndpoint',
    'a URL',
    managementEndpoint,
  )
  check(
    typeof timeoutMargin === 'number' && timeoutMargin >= 0 && timeoutMargin <= 900_000,
    'timeoutMargin',
    'a number of milliseconds from 0 to 900,000',
    timeoutMargin,
  )
  checkFlag('waitForBackgroundTasks', waitForBackgroundTasks)
  checkFlag('shutdown', shutdown)
  const resolved = {
    events,
    basePath: basePath?.replace(/\/+$/, ''),
    webSocketPath: webSocketPath.replace(/\/+$/, ''),
    managementEndpoint: managementEndpoint?.replace(/\/+$/, ''),
    timeoutMargin,
    waitForBackgroundTasks,
    shutdown,
    logger: options.logger ?? consoleLogger,
  }
  if (given === undefined) {
    assertKnown(more)
    return { ...resolved, hasApp: true, isOwn: false, makeHandler: () => app as PythonHandler }
  }
  const own = withoutOwn(given)
  const hasApp = own.app !== undefined
  if (!hasApp && events === undefined) {
    throw wrong(
      "lambda needs an app, or a function for events: lambda('main:app'), lambda({ events: 'jobs:handler' }).",
    )
  }
  const makeHandler = (): PythonHandler =>
    new PythonHandler({
      timeoutGracefulShutdown: GRACE,
      ...own,
      ...(!hasApp && { lifespan: 'off' as const }),
      app: own.app ?? NO_APP,
    })
  return { ...resolved, hasApp, isOwn: true, makeHandler }
}

function isHandler(app: unknown): app is PythonHandler {
  return typeof app === 'object' && app !== null && 'handle' in app && typeof app.handle === 'function'
}

function appOptions(app: unknown, more: LambdaAppOptions): LambdaAppOptions {
  if (typeof app === 'string') {
    return { ...more, app }
  }
  if (typeof app !== 'object' || app === null || Array.isArray(app)) {
    throw wrong(`lambda takes an app such as 'main:app', options or a PythonHandler, but it got ${kindOf(app)}.`)
  }
  return { ...more, ...(app as LambdaAppOptions) }
}

/** Those of the app's handler, which refuses what it does not know; words near to ours are ours. */
function withoutOwn(options: LambdaAppOptions): Partial<PythonHandlerOptions> {
  const own: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (!OWN.includes(name as (typeof OWN)[number])) {
      const meant = nearestOption(name, OWN)
      if (meant !== undefined && name !== 'app') {
        throw wrong(`There is no option ${name} of lambda. Did you mean ${meant}?`)
      }
      own[name] = value
    }
  }
  return own
}

function assertKnown(options: object): void {
  const known = [...OWN, 'logger']
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw wrong(unknownOption(name, known, ' of lambda beside a PythonHandler'))
    }
  }
}

function checkPath(name: string, value: unknown): void {
  check(typeof value === 'string' && /^(?:\/[^?#]*)?$/.test(value), name, "a path such as '/v1'", value)
}

function checkFlag(name: string, value: unknown): void {
  check(typeof value === 'boolean', name, 'true or false', value)
}

function check(holds: boolean, name: string, what: string, value: unknown): void {
  if (!holds) {
    throw wrong(`Option ${name} of lambda must be ${what}, but it is ${JSON.stringify(value) ?? kindOf(value)}.`)
  }
}

function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
