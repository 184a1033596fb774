// An execution environment from its start to its end: the app starts once, with the environment, and shuts down with it.
import { AmphisError } from '../base/errors.js'
import type { PythonHandler } from '../python-handler.js'
import { EventFunction } from './functions.js'
import type { ResolvedLambdaOptions } from './options.js'
import { registerExtension } from './runtime.js'

/** What invocations run on. */
export interface Started {
  readonly python: PythonHandler
  readonly events: EventFunction | undefined
}

/** The life of the app in this environment. */
export class Life {
  readonly #options: ResolvedLambdaOptions
  #started: Started | undefined
  #starting: Promise<Started> | undefined
  #registering: Promise<void> | undefined
  #closing: Promise<void> | undefined

  /** Begins at once: what Lambda gives an environment to start with, it does not give an invocation. */
  constructor(options: ResolvedLambdaOptions) {
    this.#options = options
    const api = process.env['AWS_LAMBDA_RUNTIME_API']
    if (options.shutdown && api !== undefined && api !== '') {
      this.#registering = this.#register(api)
    }
    // Whoever waits for it hears of it.
    this.start().catch(() => {})
  }

  /** What has started; `undefined` before. */
  get started(): Started | undefined {
    return this.#started
  }

  /**
   * Starts the app; after a start that has failed, anew.
   *
   * @throws {AmphisError} what kept it from starting
   */
  start(): Promise<Started> {
    if (this.#closing !== undefined) {
      return Promise.reject(
        new AmphisError('AMPHIS_ERR_CLOSED', 'The handler is closed: its environment is at its end.'),
      )
    }
    return (this.#starting ??= this.#start())
  }

  /** Ends when the app has started and Lambda knows of the extension: what has to be done before the first invocation. */
  async ready(): Promise<void> {
    await this.#registering
    await this.start()
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #start(): Promise<Started> {
    const { events, isOwn, makeHandler } = this.#options
    const python = makeHandler()
    try {
      await python.ready()
      this.#started = {
        python,
        events: events === undefined ? undefined : await EventFunction.open(python.python, events),
      }
      return this.#started
    } catch (error) {
      if (isOwn) {
        this.#starting = undefined
        await python.close().catch(() => {})
      }
      throw error
    }
  }

  async #close(): Promise<void> {
    const started = await this.#starting?.catch(() => undefined)
    await started?.python.close()
  }

  async #register(api: string): Promise<void> {
    try {
      await registerExtension(api)
      process.once('SIGTERM', this.#onSigterm)
    } catch (error) {
      this.#options.logger.debug("Lambda will not tell of the environment's end.", error)
    }
  }

  readonly #onSigterm = (): void => {
    this.close()
      .catch((error: unknown) => this.#options.logger.error(error))
      .finally(() => process.exit(0))
  }
}
