import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from './harness/child.js'
import type { Context } from './harness/context.js'
import { installedVersion } from './harness/node-peers.js'
import { apps, bench, root, servers } from './harness/paths.js'
import { platformaticCommand, findPython310 } from './harness/platformatic.js'
import type { Answer, AppName } from './works.js'

/** What a contestant is told when it is started. */
export interface Start {
  readonly context: Context
  readonly app: AppName
  readonly port: number
  /** Port of the server named by `behind`. */
  readonly upstreamPort: number
  /** The right answer, for floors that answer without Python. */
  readonly answer: Answer
}

/** One way of answering. Adding one is one entry below; figures name the ones they compare. */
export interface Contestant {
  readonly title: string
  /** Over HTTP on a port, or called inside its own process through orders over IPC. */
  readonly reach: 'http' | 'in-process'
  /** A Node program of `servers/`, which takes orders such as to collect garbage. */
  readonly node?: boolean
  /** The contestant that must run for this one to work. */
  readonly behind?: string
  /** A sentence saying why it cannot run here, or undefined. */
  missing?(context: Context): string | undefined | Promise<string | undefined>
  command(start: Start): Command | Promise<Command>
}

const needsPackage = (name: string) => (context: Context) =>
  context.python.packages[name] === undefined ? `${name} is not installed in .venvs/bench` : undefined

const needsNodePackage = (name: string) => async () =>
  (await installedVersion(name)) === undefined ? `${name} is not installed in bench/node_modules` : undefined

const needsBuild = () =>
  ['binding.cjs', 'dist/index.js'].every((file) => existsSync(join(root, file)))
    ? undefined
    : 'amphis is not built (npm run build)'

/** A Node server of `servers/`; plain JavaScript, so that nothing stands between it and `node`. */
const nodeServer = (file: string, settings: Readonly<Record<string, unknown>>): Command => ({
  argv: [process.execPath, '--expose-gc', join(servers, file), JSON.stringify(settings)],
  cwd: bench,
  ipc: true,
})

export const contestants: Readonly<Record<string, Contestant>> = {
  bare: {
    title: 'bare node:http',
    reach: 'http',
    node: true,
    command: ({ port, answer }) => nodeServer('bare.js', { port, answer }),
  },
  amphis: {
    title: 'amphis under node:http',
    reach: 'http',
    node: true,
    missing: needsBuild,
    command: ({ context, app, port }) =>
      nodeServer('amphis.js', { port, appDir: join(apps, app), python: context.python.root }),
  },
  uvicorn: {
    title: 'uvicorn (uvloop, httptools)',
    reach: 'http',
    missing: needsPackage('uvicorn'),
    command: ({ context, app, port }) => ({
      argv: [
        context.python.executable,
        ...['-m', 'uvicorn', 'main:app', '--app-dir', join(apps, app), '--port', String(port)],
        ...['--loop', 'uvloop', '--http', 'httptools', '--no-access-log', '--log-level', 'warning'],
        // The proxies' connections to it must outlive the other contestants' turns.
        ...['--timeout-keep-alive', '60'],
      ],
    }),
  },
  granian: {
    title: 'granian (uvloop, one worker)',
    reach: 'http',
    missing: needsPackage('granian'),
    command: ({ context, app, port }) => ({
      argv: [
        context.python.executable,
        ...['-m', 'granian', 'main:app', '--working-dir', join(apps, app), '--port', String(port)],
        ...['--interface', 'asgi', '--loop', 'uvloop', '--http', '1', '--log-level', 'warning'],
      ],
    }),
  },
  'http-proxy': {
    title: 'http-proxy to uvicorn',
    reach: 'http',
    node: true,
    behind: 'uvicorn',
    missing: needsNodePackage('http-proxy'),
    command: ({ port, upstreamPort }) => nodeServer('http-proxy.js', { port, upstreamPort }),
  },
  'raw-proxy': {
    title: 'http.request (keep-alive) to uvicorn',
    reach: 'http',
    node: true,
    behind: 'uvicorn',
    command: ({ port, upstreamPort }) => nodeServer('raw-proxy.js', { port, upstreamPort }),
  },
  'amphis-handle': {
    title: 'amphis handle()',
    reach: 'in-process',
    node: true,
    missing: needsBuild,
    command: ({ context, app }) =>
      nodeServer('amphis-handle.js', { appDir: join(apps, app), python: context.python.root }),
  },
  platformatic: {
    title: '@platformatic/python-node 2.0.0',
    reach: 'in-process',
    node: true,
    missing: needsNodePackage('@platformatic/python-node'),
    command: ({ context, app }) => platformaticCommand(context.python, join(apps, app)),
  },
  'platformatic-3.10': {
    title: '@platformatic/python-node 2.0.0 on Python 3.10',
    reach: 'in-process',
    node: true,
    // Its published binary is linked against 3.10 and is several times faster there than on later versions.
    missing: async () =>
      (await needsNodePackage('@platformatic/python-node')()) ??
      ((await findPython310()) === undefined ? 'no Python 3.10 found (BENCH_PYTHON_310 names one)' : undefined),
    command: async ({ context, app }) =>
      platformaticCommand((await findPython310()) ?? context.python, join(apps, app)),
  },
}
