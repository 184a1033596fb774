import { createServer } from 'node:http'

/** The settings the harness gave: one JSON argument. */
export const settings = JSON.parse(process.argv[2])

/**
 * Carries out the harness's orders; each reply bears the order's id.
 *
 * @param {Record<string, (order: any) => unknown>} orders
 */
export function obey(orders = {}) {
  const all = { gc: collectGarbage, ...orders }
  process.on('message', async (order) => {
    try {
      process.send({ id: order.id, reply: await all[order.do](order) })
    } catch (error) {
      process.send({ id: order.id, error: String(error?.stack ?? error) })
    }
  })
  // The harness is gone: nobody is left to end this process.
  process.once('disconnect', () => process.exit())
}

/**
 * Serves on the port of the settings.
 *
 * @param {import('node:http').RequestListener} listener
 */
export function listen(listener) {
  // The default is what users run with; only the queue of connections is longer, for a thousand at once.
  createServer(listener).listen({ port: settings.port, host: '127.0.0.1', backlog: 2048 })
  obey()
}

async function collectGarbage() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
