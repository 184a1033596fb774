import type { End } from './worker.js'

/** How a worker has ended, to follow its name in a sentence. */
export function lastWords({ code, signal, silent }: End): string {
  if (silent !== undefined) {
    const loop = silent === 'node' ? 'Node.js' : 'Python'
    return `did not answer, for its ${loop} event loop was blocked, and was killed (see --timeout-worker-healthcheck)`
  }
  if (signal !== null) return `was killed by ${signal}`
  return code === 0 ? 'has ended' : `ended with exit code ${code}`
}
