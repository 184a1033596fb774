// `--reload`: starts the app again when a file has changed, and says what happens.
import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { relative, resolve } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { AmphisError, type AmphisErrorCode, PythonError } from '../../base/errors.js'
import { ServeError } from '../errors/serve-error.js'
import { UsageError } from '../errors/usage-error.js'
import { listen } from '../listen/listen.js'
import { currentLog } from '../log/log.js'
import { report, warn } from '../log/report.js'
import { configFiles } from '../options/config-file.js'
import type { Configuration } from '../options/configuration.js'
import { milliseconds } from '../options/handler-options.js'
import { isDebugging, sayStopping, showBanner } from '../serve/banner.js'
import { beforeSignal, firstSignal } from '../serve/signals.js'
import { AppProcess, type Ended, type Outcome } from './app-process.js'
import { type Anew, configureAnew, type Origin } from './configure-anew.js'
import { HeldConnections } from './held-connections.js'
import { ProblemServer } from './problem-server.js'
import { FileFilter } from './watch/file-filter.js'
import { Watcher } from './watch/watcher.js'

/**
 * How long a new process waits for the end of the one before, in milliseconds, so that it finds free what only one can
 * have: a port, a lock on a file.
 */
const HANDOVER_LIMIT = 100

/** What is read once, when amphis is started. */
const FIXED = [
  'host',
  'port',
  'uds',
  'fd',
  'workers',
  'reload',
  'http2',
  'ssl-certfile',
  'ssl-keyfile',
  'ssl-keyfile-password',
  'ssl-ca-certs',
  'ssl-cert-reqs',
] as const

/** Errors that a change of the app's files can mend. */
const OF_THE_APP: ReadonlySet<AmphisErrorCode> = new Set([
  'AMPHIS_ERR_APP_NOT_FOUND',
  'AMPHIS_ERR_APP_IMPORT',
  'AMPHIS_ERR_APP_ATTRIBUTE',
  'AMPHIS_ERR_APP_NOT_CALLABLE',
  'AMPHIS_ERR_APP_FACTORY',
  'AMPHIS_ERR_APP_COLLISION',
  'AMPHIS_ERR_LIFESPAN_FAILED',
  'AMPHIS_ERR_STARTUP_TIMEOUT',
  'AMPHIS_ERR_PYTHON',
])

/** Exceptions that the code itself has made: they come again at once. */
const OF_THE_CODE = new Set([
  'SyntaxError',
  'IndentationError',
  'TabError',
  'ImportError',
  'ModuleNotFoundError',
  'NameError',
  'UnboundLocalError',
  'AttributeError',
  'TypeError',
  'AssertionError',
  'NotImplementedError',
])

/**
 * Serves an app in a process of its own, which is replaced each time a file has changed, until SIGINT or SIGTERM. This
 * process has the socket that listens and all connections; they wait while there is no app to answer them.
 *
 * @throws {UsageError} when there is nothing to watch, or with workers
 * @throws {ServeError} when a file or the address cannot be used
 * @throws {AmphisError} when Python does not start
 */
export async function serveWithReload(configuration: Configuration, origin: Origin): Promise<void> {
  const { options } = configuration
  if (options.workers > 1) {
    throw new UsageError(
      `--reload serves from one process, and --workers ${options.workers} asks for more. Leave out one of them.`,
    )
  }
  const filter = new FileFilter(options)
  const problems = await ProblemServer.create(options)
  const signal = firstSignal()
  const listener = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true })
  const address = await listen(listener, options)
  const supervisor = new Supervisor(configuration, origin, { listener, address, problems })
  try {
    await Promise.race([supervisor.start(filter), signal])
    beforeSignal(() => supervisor.kill())
  } finally {
    await supervisor.stop()
  }
}

/** What it needs to serve. */
interface Front {
  listener: Server
  /** For the user. */
  address: string
  problems: ProblemServer
}

class Supervisor {
  #configuration: Configuration
  #env: NodeJS.ProcessEnv = { ...process.env }
  readonly #origin: Origin
  readonly #front: Front
  readonly #connections = new HeldConnections()
  readonly #ticketKeys = randomBytes(48).toString('base64')
  #watcher: Watcher | undefined
  /** What is watched. */
  #folders: readonly string[] = []
  /** Who has the app, or is to have it. */
  #app: AppProcess | undefined
  /** The next one, as far as it can be without the app. */
  #spare: AppProcess | undefined
  readonly #ending = new Set<AppProcess>()
  /** Counts the starts of the app: only the last one matters. */
  #turn = 0
  /** When the change was seen that led to it. */
  #changedAt: number | undefined
  #isAnnounced = false
  #isStopping = false
  #onFatal: (error: Error) => void = () => {}

  constructor(configuration: Configuration, origin: Origin, front: Front) {
    this.#configuration = configuration
    this.#origin = origin
    this.#front = front
    front.listener.on('connection', (socket) => this.#connections.add(socket))
  }

  /** Serves, and never resolves; rejects when the app cannot be started at all. */
  async start(filter: FileFilter): Promise<never> {
    this.#watch(filter)
    const fatal = new Promise<never>((_, reject) => (this.#onFatal = reject))
    void this.#restart()
    return fatal
  }

  /** Ends everything in good order. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#watcher?.close()
    this.#front.listener.close()
    this.#front.problems.close()
    this.#connections.answerBy((socket) => socket.destroy())
    this.#spare?.kill()
    if (this.#app !== undefined) this.#dismiss(this.#app)
    if (this.#isAnnounced) sayStopping(currentLog())
    await this.#settle()
    this.#connections.closeAll()
  }

  /** Ends every process at once. */
  kill(): void {
    for (const app of [this.#app, this.#spare, ...this.#ending]) app?.kill()
  }

  /** Starts the app in a new process, which takes the place of the one there is. */
  async #restart(): Promise<void> {
    const turn = ++this.#turn
    this.#connections.answerBy(undefined)
    if (this.#app !== undefined) this.#dismiss(this.#app)
    const [isFresh] = await Promise.all([this.#spare?.isFresh(), this.#settle(HANDOVER_LIMIT)])
    if (turn !== this.#turn || this.#isStopping) return

    const app = this.#takeSpare(isFresh === true)
    this.#app = app
    const others = [...this.#ending]
    const server = this.#front.listener.address()
    const outcome = await app.serve(
      typeof server === 'string' ? server : null,
      this.#ticketKeys,
      this.#connections.eventsOf(app),
    )
    if (turn !== this.#turn || this.#isStopping) return
    if (outcome.type === 'ready') {
      this.#serve(app, outcome)
      return
    }
    this.#dismiss(app)
    if (outcome.type === 'failed' && others.length > 0 && mayBeHeldUp(outcome.error)) {
      await Promise.all(others.map(({ ended }) => ended))
      if (turn === this.#turn) void this.#restart()
      return
    }
    if (outcome.type === 'ended') this.#giveUp(crash(outcome))
    else if (this.#isAnnounced || isOfTheApp(outcome.error)) this.#giveUp(outcome.error)
    else this.#onFatal(outcome.error)
  }

  /** The app runs. */
  #serve(app: AppProcess, { versions }: Extract<Outcome, { type: 'ready' }>): void {
    if (!this.#isAnnounced) {
      this.#isAnnounced = true
      const { app: name, options } = this.#configuration
      showBanner(currentLog(), { app: name, options, address: this.#front.address, versions })
      currentLog().info(
        `Watching ${this.#folders.map((folder) => relative('.', folder) || 'this folder').join(', ')} for changes.`,
      )
    } else if (this.#changedAt !== undefined) {
      currentLog().info(`Ready in ${Math.round(performance.now() - this.#changedAt)} ms.`)
    }
    this.#changedAt = undefined
    this.#connections.answerBy(app)
    this.#front.problems.settle()
    void app.worn.then(() => {
      if (this.#app !== app || this.#isStopping) return
      currentLog().info('The app has had as many requests as --limit-max-requests allows, starting it again')
      void this.#restart()
    })
    void app.ended.then((end) => {
      if (this.#app === app && !this.#isStopping) {
        this.#app = undefined
        this.#giveUp(crash(end))
      }
    })
  }

  /** There is no app until something changes. */
  #giveUp(error: Error): void {
    report(error)
    currentLog().info(`Waiting for a change of a file. Until then ${this.#front.address} tells of this error.`)
    this.#showProblem(error)
    this.#connections.answerBy(this.#front.problems.take)
  }

  /** Answers with an error until something changes. */
  #showProblem(error: Error): void {
    const { app, options } = this.#configuration
    this.#front.problems.show({ id: `${process.pid}-${this.#turn}`, app, error, isShown: isDebugging(options) })
  }

  /** Has a process end; what it was not reading yet waits for the next one. */
  #dismiss(app: AppProcess): void {
    if (this.#app === app) this.#app = undefined
    this.#ending.add(app)
    app.end()
  }

  /** Resolves when no process is on its way out, or after so many milliseconds. */
  async #settle(limit?: number): Promise<void> {
    const ended = Promise.all(Array.from(this.#ending, (app) => app.ended))
    await (limit === undefined ? ended : Promise.race([ended, after(limit, undefined, { ref: false })]))
  }

  /** The process for the app, with another one after it. */
  #takeSpare(isFresh: boolean): AppProcess {
    if (!isFresh) this.#spare?.kill()
    const app = (isFresh ? this.#spare : undefined) ?? this.#makeProcess()
    this.#spare = this.#makeProcess()
    return app
  }

  #makeProcess(): AppProcess {
    const app = new AppProcess(this.#configuration, this.#env)
    void app.ended.then(() => {
      if (this.#spare === app) this.#spare = undefined
      this.#ending.delete(app)
      this.#connections.reclaim(app)
    })
    return app
  }

  #watch(filter: FileFilter): void {
    this.#watcher?.close()
    this.#folders = filter.folders
    this.#watcher = new Watcher({
      filter,
      files: settingFiles(this.#configuration),
      delay: milliseconds(this.#configuration.options['reload-delay']),
      since: Date.now(),
      onChange: (paths, at) => void this.#change(paths, at),
      onWarning: warn,
    })
  }

  async #change(paths: readonly string[], changedAt: number): Promise<void> {
    const files = settingFiles(this.#configuration)
    const others = paths.filter((path) => !files.includes(path))
    if (others.length < paths.length && !(await this.#configure()) && others.length === 0) return
    if (this.#isStopping) return
    this.#changedAt = changedAt
    currentLog().info(`${describeFiles(paths)} changed, reloading`)
    await this.#restart()
  }

  /** Reads the configuration anew; false when it is the same, or wrong. */
  async #configure(): Promise<boolean> {
    try {
      const { configuration, env } = await configureAnew(this.#origin)
      const { options } = this.#configuration
      const fixed = FIXED.filter((name) => configuration.options[name] !== options[name])
      if (fixed.length > 0) {
        warn(`To change ${fixed.map((name) => `--${name}`).join(', ')}, start amphis again.`)
        Object.assign(configuration.options, Object.fromEntries(FIXED.map((name) => [name, options[name]])))
      }
      if (isSame({ configuration, env }, { configuration: this.#configuration, env: this.#env })) return false
      const filter = new FileFilter(configuration.options)
      this.#configuration = configuration
      this.#env = env
      this.#spare?.kill()
      this.#spare = undefined
      this.#watch(filter)
      return true
    } catch (error) {
      report(error)
      return false
    }
  }
}

/** The files of configuration and of variables, whether they exist or not. */
function settingFiles({ options }: Configuration): string[] {
  const envFile = options['env-file']
  return [...configFiles(process.cwd()), ...(envFile === undefined ? [] : [resolve(envFile)])]
}

function describeFiles(paths: readonly string[]): string {
  const [first = '', second] = paths.map((path) => relative('.', path))
  if (second === undefined) return first
  return paths.length === 2 ? `${first} and ${second}` : `${first} and ${paths.length - 1} more files`
}

function crash({ code, signal }: Ended): ServeError {
  return new ServeError(
    signal === null ? `The app ended its process with exit code ${code}.` : `The app's process was ended by ${signal}.`,
  )
}

function isOfTheApp(error: Error): boolean {
  return error instanceof AmphisError && OF_THE_APP.has(error.code)
}

/** Whether an app may have failed to start for what the process before it has not let go of yet. */
function mayBeHeldUp(error: Error): boolean {
  return error instanceof PythonError && !OF_THE_CODE.has(error.type)
}

function isSame(one: Anew, other: Anew): boolean {
  const text = ({ configuration, env }: Anew): string =>
    JSON.stringify([configuration, Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))])
  return text(one) === text(other)
}
