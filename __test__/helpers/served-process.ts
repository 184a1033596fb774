import type { ExecutionContext } from 'ava'
import { type Exit, type NodeProcess, runNode } from './node-process.js'
import { Probe } from './probe.js'
import type { HandlerOptions } from './python.js'

/** A server in a Node process of its own, for what would end or block the process of the tests. */
export interface ServedProcess {
  process: NodeProcess
  port: number
  url: string
  /** The probe of that process. */
  probe: Probe
  /** Lets it end, and gives how it did. */
  leave: () => Promise<Exit>
}

/**
 * Serves an app and the probe of its Python until the test ends.
 *
 * @param source makes `server` of `handler` with `serve`, which is the package's `createServer`, or with `http`
 */
export async function serveInProcess(
  t: ExecutionContext,
  options: HandlerOptions,
  source = 'const server = serve(handler)',
): Promise<ServedProcess> {
  const process = runNode(
    t,
    { lifespan: 'off', ...options },
    `import * as http from 'node:http'
     const { createServer: serve } = await import(publicFace)
     const handler = new PythonHandler(options)
     const probe = new PythonHandler({ ...options, app: 'probe:app', limitConcurrency: undefined })
     await Promise.all([handler.ready(), probe.ready()])
     ${source}
     const listen = (one) => new Promise((resolve) => {
       one.listen(0, '127.0.0.1', () => resolve(one.address().port))
     })
     console.log('ports ' + (await listen(server)) + ' ' + (await listen(http.createServer(probe.listener))) + ';')
     process.stdin.resume().on('end', () => process.exit(0))`,
  )
  const [port = 0, probePort = 0] = (await process.printsLine(/ports \d+ \d+;/)).match(/\d+/g)!.map(Number)
  const probe = new Probe({
    handle: async ({ url, ...request }) => fetch(`http://127.0.0.1:${probePort}${url}`, request),
  })
  const leave = async () => {
    process.child.stdin.end()
    return process.ends()
  }
  return { process, port, url: `http://127.0.0.1:${port}`, probe, leave }
}
