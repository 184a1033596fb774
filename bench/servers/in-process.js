import { obey } from './listen.js'

/**
 * Lets the harness have an app called within this process.
 *
 * @param {(work: { method: string, path: string }) => Promise<{ status: number, contentType: () => string, body: Buffer }>} ask
 *   resolves when the whole response is there
 */
export function callInProcess(ask) {
  obey({
    ask: async ({ work }) => {
      const { status, contentType, body } = await ask(work)
      return { status, contentType: contentType(), body: body.toString('latin1') }
    },
    load: ({ work, concurrency, milliseconds }) => load(ask, work, concurrency, milliseconds),
    hold: ({ work, count }) => {
      for (let i = 0; i < count; i++) {
        // Never answered; what is measured is what it costs meanwhile.
        ask(work).catch(() => {})
      }
    },
  })
}

async function load(ask, work, concurrency, milliseconds) {
  const expected = Buffer.from(work.answer.body, 'latin1')
  const start = performance.now()
  const end = start + milliseconds
  let requests = 0
  let wrong = 0
  const lane = async () => {
    while (performance.now() < end) {
      const { status, body } = await ask(work)
      requests++
      // Every length, and every 64th body whole.
      if (
        status !== work.answer.status ||
        body.length !== expected.length ||
        ((requests & 63) === 0 && !expected.equals(body))
      ) {
        wrong++
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return { requests, wrong, seconds: (performance.now() - start) / 1000 }
}
