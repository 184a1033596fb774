// Events that are no requests go to a function of Python's.
import { AmphisError } from '../base/errors.js'
import type { Python } from '../calls/python.js'
import { contextText, type LambdaInvocation } from './context.js'

type Call = ((module: string, name: string, event: string, context: string) => Promise<string>) & {
  with(keywords: object, options: { signal: AbortSignal }): Call
}

interface Support {
  _open(module: string, name: string): Promise<boolean>
  readonly _call: Call
  readonly _call_async: Call
}

/** A function of Python's that takes an event and a context. */
export class EventFunction {
  readonly #module: string
  readonly #name: string
  readonly #call: Call

  private constructor(module: string, name: string, call: Call) {
    this.#module = module
    this.#name = name
    this.#call = call
  }

  /**
   * Imports it.
   *
   * @param target `module:function`
   * @throws {AmphisError} `AMPHIS_ERR_APP_NOT_FOUND`, `AMPHIS_ERR_APP_IMPORT`, `AMPHIS_ERR_APP_ATTRIBUTE`,
   *   `AMPHIS_ERR_APP_NOT_CALLABLE`
   */
  static async open(python: Python, target: string): Promise<EventFunction> {
    const [module = '', name = ''] = target.split(':', 2)
    await python.import(module)
    const support = await python.import<Support>('amphis.aws_lambda')
    try {
      const isAsync = await support._open(module, name)
      return new EventFunction(module, name, isAsync ? support._call_async : support._call)
    } catch (error) {
      const { message, type } = error as { message: string; type?: string }
      const isMissing = type === 'AttributeError'
      throw new AmphisError(
        isMissing ? 'AMPHIS_ERR_APP_ATTRIBUTE' : 'AMPHIS_ERR_APP_NOT_CALLABLE',
        `Option events of lambda names '${target}', but ${isMissing ? `the module ${module} has no ${name}` : message}. ` +
          "Name a function that takes an event and a context: events: 'jobs:handler'.",
        { cause: error },
      )
    }
  }

  /**
   * Calls it. Both ways the data goes as JSON, as between Lambda and its own Python runtime: numbers are what they are there,
   * and what is no JSON is refused in Python's words.
   *
   * @throws {PythonError} what it raised
   */
  async run(event: unknown, context: LambdaInvocation, remaining: number, signal: AbortSignal): Promise<unknown> {
    const call = this.#call.with({}, { signal })
    const result = await call(this.#module, this.#name, JSON.stringify(event), contextText(context, remaining))
    return JSON.parse(result)
  }
}
