import { listen } from '../listen/listen.js'
import { openLog } from '../log/log.js'
import type { Configuration } from '../options/configuration.js'
import { serve } from './serve.js'
import { firstSignal, onHangUp } from './signals.js'

/** Serves in this very process, until SIGINT or SIGTERM. */
export async function serveInThisProcess(configuration: Configuration): Promise<void> {
  const hurry = new AbortController()
  const signal = firstSignal()
  const log = openLog(configuration.app, configuration.options)
  const hangUp = onHangUp(() => {
    log.warn('SIGHUP has workers replaced, and there are none. Start with --workers 2 or more, or end with SIGTERM.')
  })
  await serve(configuration, {
    listen: (server) => listen(server, configuration.options),
    stop: Promise.race([signal, hangUp]).then(() => hurry.abort()),
    hurry: hurry.signal,
  })
}
