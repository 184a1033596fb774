import { createServer } from 'node:http'

/** The settings the harness gave: one JSON argument; load generators have none. */
export const settings = JSON.parse(process.argv[2] ?? '{}')

/**
 * Carries out the harness's orders; each reply bears the order's id.
 *
 * @param {Record<string, (order: any) => unknown>} orders
 */
export function obey(orders = {}) {
  const all = { gc: collectGarbage, ...orders }
  const carryOut = async (order) => {
    try {
      process.send({ id: order.id, reply: await all[order.do](order) })
    } catch (error) {
      process.send({ id: order.id, error: String(error?.stack ?? error) })
    }
  }
  // Workers of a cluster are sent messages of its own as well, and none of the harness.
  if (process.env.BENCH_WORKER === undefined) {
    process.on('message', (order) => void carryOut(order))
  }
  // The harness is gone: nobody is left to end this process.
  process.once('disconnect', () => process.exit())
}

/**
 * Serves on the port of the settings.
 *
 * @param {import('node:http').RequestListener} listener
 * @returns {import('node:http').Server} for those that take upgrades as well
 */
export function listen(listener) {
  obey()
  // The default is what users run with; only the queue of connections is longer, for a thousand at once.
  return createServer(listener).listen({ port: settings.port, host: '127.0.0.1', backlog: 2048 })
}

export async function collectGarbage() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
