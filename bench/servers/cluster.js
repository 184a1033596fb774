import { execFileSync } from 'node:child_process'
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { obey, settings } from './listen.js'

// Workers of node:cluster that each run one of the other servers, on one port.

if (cluster.isPrimary) {
  obey()
  for (let index = 0; index < settings.workers; index++) {
    cluster.fork({ BENCH_WORKER: String(index) })
  }
  cluster.on('exit', () => process.exit(1))
} else {
  if (settings.pinned) {
    // All threads of this worker share one core; those that are started later are born there.
    execFileSync('taskset', ['-acp', process.env.BENCH_WORKER, String(process.pid)])
  }
  await import(fileURLToPath(new URL(settings.server, import.meta.url)))
}
