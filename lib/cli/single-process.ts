import { listen } from './listen.js'
import type { Configuration } from './configuration.js'
import { serve } from './serve.js'
import { firstSignal } from './signals.js'

/** Serves in this very process, until SIGINT or SIGTERM. */
export async function serveInThisProcess(configuration: Configuration): Promise<void> {
  await serve(configuration, {
    listen: (server) => listen(server, configuration.options),
    stop: firstSignal(),
  })
}
