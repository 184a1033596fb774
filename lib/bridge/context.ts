// What those who send requests to Python need of the handler.
import type { ConcurrencyLimit } from '../base/concurrency-limit.js'
import type { ResolvedOptions } from '../base/options.js'
import type { Binding, Bridge } from './bridge.js'

/** What an exchange needs of the handler that it belongs to. */
export interface ExchangeContext {
  readonly bridge: Bridge
  readonly native: InstanceType<Binding['PythonHandler']>
  readonly options: ResolvedOptions
  readonly concurrency: ConcurrencyLimit
}

/** The handler as those see it who take requests for it; some need more of its context than others. */
export interface ExchangeHost<Context extends ExchangeContext = ExchangeContext> {
  readonly options: ResolvedOptions
  /** What requests run on, once Python and the app are there. */
  readonly context: Context | undefined
  /** Starts what is missing. */
  start(): Promise<Context>
}
