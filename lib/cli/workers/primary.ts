// `--workers`: the parent of the workers binds the socket and obeys signals.
import { randomBytes } from 'node:crypto'
import { bind } from '../listen/bound-socket.js'
import { openLog } from '../log/log.js'
import type { Configuration } from '../options/configuration.js'
import { sayStopping, showBanner } from '../serve/banner.js'
import { beforeSignal, firstSignal, onHangUp } from '../serve/signals.js'
import { WorkerPool } from './pool.js'
import { Worker, type WorkerSettings } from './worker.js'

/** What Node encrypts sessions of TLS with, in bytes. */
const TICKET_KEYS = 48

/**
 * Serves in several processes on one socket, until SIGINT or SIGTERM. This process takes no connections; it starts the
 * workers, looks after them, and obeys signals: SIGHUP replaces the workers, SIGTTIN and SIGTTOU change how many there
 * are.
 *
 * @throws {AmphisError} when Python or the app does not start
 * @throws {ServeError} when a file or the address cannot be used
 */
export async function serveInWorkers(configuration: Configuration): Promise<void> {
  const { app, options } = configuration
  const log = openLog(app, options)
  const socket = await bind(options)
  const settings: WorkerSettings = {
    configuration,
    socket: socket.fd,
    ticketKeys: randomBytes(TICKET_KEYS).toString('base64'),
  }
  const pool = new WorkerPool((number) => new Worker(number, settings), {
    info: (message) => log.info(message),
    warn: (message) => log.warn(message),
    failure: (error) => log.error(error),
  })
  process.on('SIGTTIN', () => pool.grow())
  process.on('SIGTTOU', () => pool.shrink())
  const stop = Promise.race([firstSignal(), onHangUp(() => pool.reload())]).then(() => 'stop' as const)
  void stop.then(() => beforeSignal(() => pool.kill()))
  try {
    const start = await Promise.race([pool.start(options.workers), stop])
    if (start !== 'stop' && start !== undefined) {
      showBanner(log, { app, options, ...start })
      await stop
      sayStopping(log)
    }
  } finally {
    // First: the kernel would keep connections waiting for nobody.
    socket.close()
  }
  await pool.stop()
}
