import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Command } from './harness/child.js'
import type { Context } from './harness/context.js'
import { nativePeerProblem } from './harness/native-peers.js'
import { installedVersion } from './harness/node-peers.js'
import { apps, bench, root, servers } from './harness/paths.js'
import { platformaticCommand, findPython310 } from './harness/platformatic.js'
import { runCommand } from './harness/run-command.js'
import type { Answer, AppName } from './works.js'

/** What a contestant is told when it is started. */
export interface Start {
  readonly context: Context
  readonly app: AppName
  /** The folder of its module. */
  readonly appDir: string
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

/** An addon in C++ that has to be compiled for the Python of all the others. */
const needsNativePeer = (name: string) => async () =>
  (await needsNodePackage(name)()) ?? (await nativePeerProblem(name))

/** A Node server of `servers/`; plain JavaScript, so that nothing stands between it and `node`. */
const nodeServer = (file: string, settings: Readonly<Record<string, unknown>>): Command => ({
  argv: [process.execPath, '--expose-gc', join(servers, file), JSON.stringify(settings)],
  cwd: bench,
  ipc: true,
})

/** As with users: without the companion in C that `ws` is at its best with, which amphis has no use for. */
const WITHOUT_BUFFERUTIL = { WS_NO_BUFFER_UTIL: '1' }

const uvicornCommand = (...more: readonly string[]) => uvicornServing('main:app', ...more)

const uvicornServing =
  (target: string, ...more: readonly string[]) =>
  ({ context, appDir, port }: Start): Command => ({
    argv: [
      context.python.executable,
      ...['-m', 'uvicorn', target, '--app-dir', appDir, '--port', String(port)],
      ...['--loop', 'uvloop', '--http', 'httptools', '--no-access-log', '--log-level', 'warning'],
      // The proxies' connections to it must outlive the other contestants' turns.
      ...['--timeout-keep-alive', '60', ...more],
    ],
  })

/** What a floor is told of its answer: where that is large, it makes it itself, of the request or a file. */
const told = (answer: Answer): Answer => (answer.body.length > 4096 ? { ...answer, body: '' } : answer)

/** amphis in a Node server of `servers/`. */
const amphisServer = (file: string, title: string): Contestant => ({
  title,
  reach: 'http',
  node: true,
  missing: needsBuild,
  command: ({ context, app, port }) => nodeServer(file, { port, appDir: join(apps, app), python: context.python.root }),
})

/** amphis by its command line. */
const commandLine = (title: string, ...more: readonly string[]): Contestant => ({
  title,
  reach: 'http',
  missing: needsBuild,
  command: ({ context, appDir, port }) => ({
    logs: !more.includes('--no-access-log'),
    argv: [
      process.execPath,
      join(root, 'bin', 'amphis.js'),
      ...['main:app', '--app-dir', appDir, '--port', String(port), '--python', context.python.root, ...more],
    ],
  }),
})

/** Workers of node:cluster, each with one of the servers of `servers/`. */
const cluster = (of: Contestant, server: string, workers: number, pinned = false): Contestant => ({
  title: `${of.title}, ${workers} cluster ${workers === 1 ? 'worker' : 'workers'}${pinned ? ' of one core each' : ''}`,
  reach: 'http',
  node: true,
  missing: async (context) => (await of.missing?.(context)) ?? (pinned ? await needsTaskset(workers) : undefined),
  command: ({ context, app, port, answer }) =>
    nodeServer('cluster.js', {
      ...{ workers, pinned, server: `./${server}`, port, answer: told(answer) },
      ...{ appDir: join(apps, app), python: context.python.root },
    }),
})

const needsTaskset = async (cores: number) =>
  cpus().length < cores
    ? `there are fewer than ${cores} cores`
    : runCommand(['taskset', '--version']).then(
        () => undefined,
        () => 'there is no taskset here to bind a process to a core',
      )

/** A peer that calls plain Python functions from inside Node. */
const functionCall = (title: string, file: string, of: PlainCall): Contestant => ({
  title,
  reach: 'in-process',
  node: true,
  missing: of.missing,
  command: ({ context }) => {
    const appDir = join(apps, of.app ?? 'plain')
    const { argv, cwd, ipc } = nodeServer(file, { appDir, sync: of.sync ?? false })
    const { executable, basePrefix, root: environment } = context.python
    return {
      ...{ argv, cwd, ipc },
      env: {
        // Each finds the Python it was compiled for, the app and its interpreter in a way of its own.
        [process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: join(basePrefix, 'lib'),
        PYTHONPATH: appDir,
        VIRTUAL_ENV: environment,
        PYTHON_BIN: executable,
      },
    }
  },
})

interface PlainCall {
  readonly missing: NonNullable<Contestant['missing']>
  readonly sync?: boolean
  /** The folder of its functions. @default 'plain' */
  readonly app?: string
}

/** A peer that is a Python program and calls JavaScript: it takes orders as those in Node do. */
const pythonCaller = (
  title: string,
  distribution: string,
  file: string,
  env: Readonly<Record<string, string>> = {},
): Contestant => ({
  title,
  reach: 'in-process',
  missing: needsPackage(distribution),
  command: ({ context }) => ({
    argv: [context.python.executable, join(apps, 'calls', file)],
    cwd: join(apps, 'calls'),
    env: { NODE_BIN: process.execPath, ...env },
    ipc: true,
  }),
})

/** Isolated runtimes of JavaScript in Python: `apps/runtimes/measure.py` with one of its engines. */
const runtimes = (title: string, engine: string, distribution: string): Contestant => ({
  title,
  reach: 'in-process',
  missing: needsPackage(distribution),
  command: ({ context }) => ({
    argv: [context.python.executable, join(apps, 'runtimes', 'measure.py'), engine],
    ipc: true,
  }),
})

/** The same inside amphis, whose Node would take the channel for its own: it gets another name on the way. */
const amphisRuntimes = (title: string, engine: string): Contestant => ({
  title,
  reach: 'in-process',
  missing: needsBuild,
  command: ({ context }) => {
    const program = [process.execPath, join(root, 'bin/amphis.js'), 'run', '--python', context.python.root]
    const script = 'BENCH_CHANNEL_FD=$NODE_CHANNEL_FD; export BENCH_CHANNEL_FD; unset NODE_CHANNEL_FD; exec "$@"'
    return { argv: ['sh', '-c', script, 'sh', ...program, join(apps, 'runtimes', 'measure.py'), engine], ipc: true }
  },
})

/** uvicorn with one of its implementations of WebSocket, of which none is the fastest at everything. */
const uvicornWithWebSockets = (implementation: string, distribution: string): Contestant => ({
  title: `uvicorn --ws ${implementation}`,
  reach: 'http',
  missing: (context) => needsPackage('uvicorn')(context) ?? needsPackage(distribution)(context),
  command: uvicornCommand('--ws', implementation),
})

const bare: Contestant = {
  title: 'bare node:http',
  reach: 'http',
  node: true,
  command: ({ port, answer }) => nodeServer('bare.js', { port, answer: told(answer) }),
}
const amphis = amphisServer('amphis.js', 'amphis under node:http')
const amphisWs = amphisServer('amphis-ws.js', 'amphis under node:http (attach)')
const uvicorn: Contestant = {
  title: 'uvicorn (uvloop, httptools)',
  reach: 'http',
  missing: needsPackage('uvicorn'),
  command: uvicornCommand(),
}

const granian = (speaking: string, title: string): Contestant => ({
  title,
  reach: 'http',
  missing: needsPackage('granian'),
  command: ({ context, app, port }) => ({
    argv: [
      context.python.executable,
      ...['-m', 'granian', 'main:app', '--working-dir', join(apps, app), '--port', String(port)],
      ...['--interface', speaking, '--loop', 'uvloop', '--http', '1', '--log-level', 'warning'],
    ],
  }),
})

export const contestants: Readonly<Record<string, Contestant>> = {
  bare,
  express: {
    title: 'bare Express 5',
    reach: 'http',
    node: true,
    missing: needsNodePackage('express'),
    command: ({ port, answer }) => nodeServer('express.js', { port, answer: told(answer) }),
  },
  amphis,
  'amphis-pathsend': amphisServer('amphis-pathsend.js', 'amphis under node:http with pathsend'),
  'amphis-express': {
    ...amphisServer('amphis-express.js', 'amphis under Express 5'),
    missing: async () => needsBuild() ?? (await needsNodePackage('express')()),
  },
  'bare-ws': {
    title: 'bare ws on node:http, bufferutil installed',
    reach: 'http',
    node: true,
    command: ({ port }) => nodeServer('bare-ws.js', { port }),
  },
  'amphis-ws': {
    ...amphisWs,
    command: async (start) => ({ ...(await amphisWs.command(start)), env: WITHOUT_BUFFERUTIL }),
  },
  uvicorn,
  'uvicorn-websockets': uvicornWithWebSockets('websockets', 'websockets'),
  'uvicorn-sansio': uvicornWithWebSockets('websockets-sansio', 'websockets'),
  'uvicorn-wsproto': uvicornWithWebSockets('wsproto', 'wsproto'),
  'uvicorn-a2wsgi': {
    title: 'uvicorn, the app wrapped by a2wsgi',
    reach: 'http',
    missing: (context) => needsPackage('uvicorn')(context) ?? needsPackage('a2wsgi')(context),
    command: uvicornServing('main:asgi'),
  },
  granian: granian('asgi', 'granian (uvloop, one worker)'),
  'granian-wsgi': granian('wsgi', 'granian --interface wsgi (one worker)'),
  hypercorn: {
    title: 'hypercorn (uvloop, one worker)',
    reach: 'http',
    missing: needsPackage('hypercorn'),
    command: ({ context, app, port }) => ({
      argv: [
        context.python.executable,
        ...['-m', 'hypercorn', 'main:app', '--bind', `127.0.0.1:${port}`, '--worker-class', 'uvloop'],
        // Its queue of connections is a twentieth of the others', and a thousand come at once.
        ...['--workers', '1', '--log-level', 'warning', '--keep-alive', '60', '--backlog', '2048'],
        ...['--config', join(servers, 'hypercorn.toml')],
      ],
      cwd: join(apps, app),
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
  'amphis-server': amphisServer('amphis-server.js', 'amphis under its own createServer'),
  'amphis-cli': commandLine('amphis by the command line', '--no-access-log'),
  'amphis-cli-log': commandLine('amphis by the command line, access log on'),
  'uvicorn-log': {
    ...uvicorn,
    title: 'uvicorn, access log on',
    command: (start) => ({ ...uvicornCommand('--access-log', '--log-level', 'info')(start), logs: true }),
  },
  'amphis-reload': commandLine('amphis --reload', '--reload', '--no-access-log'),
  'uvicorn-reload': {
    ...uvicorn,
    title: 'uvicorn --reload',
    command: (start) => uvicornCommand('--reload', '--reload-dir', start.appDir)(start),
  },
  'amphis-workers-2': commandLine('amphis --workers 2', '--workers', '2', '--no-access-log'),
  'bare-cluster-1': cluster(bare, 'bare.js', 1),
  'bare-cluster-2': cluster(bare, 'bare.js', 2),
  'amphis-cluster-1': cluster(amphis, 'amphis.js', 1),
  'amphis-cluster-2': cluster(amphis, 'amphis.js', 2),
  'amphis-pinned-1': cluster(amphis, 'amphis.js', 1, true),
  'amphis-pinned-2': cluster(amphis, 'amphis.js', 2, true),
  'uvicorn-1': { ...uvicorn, title: 'uvicorn --workers 1', command: uvicornCommand('--workers', '1') },
  'uvicorn-2': { ...uvicorn, title: 'uvicorn --workers 2', command: uvicornCommand('--workers', '2') },
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
  'node-calls-python': functionCall('node-calls-python, call', 'node-calls-python.js', {
    missing: needsNativePeer('node-calls-python'),
  }),
  'node-calls-python-sync': functionCall('node-calls-python, callSync', 'node-calls-python.js', {
    missing: needsNativePeer('node-calls-python'),
    sync: true,
  }),
  pymport: functionCall('pymport, call (blocks)', 'pymport.js', { missing: needsNativePeer('pymport') }),
  pythonia: functionCall('pythonia (a Python process)', 'pythonia.js', { missing: needsNodePackage('pythonia') }),
  'calls-amphis': {
    title: 'amphis',
    reach: 'in-process',
    node: true,
    missing: (context) => needsBuild() ?? needsPackage('numpy')(context),
    command: ({ context }) =>
      nodeServer('calls-amphis.js', {
        appDir: join(apps, 'calls'),
        helloDir: join(apps, 'raw'),
        python: context.python.root,
      }),
  },
  'lambda-amphis': {
    title: 'amphis/aws-lambda',
    reach: 'in-process',
    node: true,
    missing: needsBuild,
    command: ({ context }) =>
      nodeServer('lambda-amphis.js', {
        appDir: join(apps, 'calls'),
        helloDir: join(apps, 'raw'),
        python: context.python.root,
      }),
  },
  'lambda-mangum': pythonCaller('Mangum', 'mangum', 'mangum_caller.py', {
    BENCH_EVENTS: readFileSync(join(servers, 'lambda-events.json'), 'utf8'),
  }),
  'calls-node-calls-python': functionCall('node-calls-python', 'calls-node-calls-python.js', {
    missing: needsNativePeer('node-calls-python'),
    app: 'calls',
  }),
  'calls-pymport': functionCall('pymport', 'calls-pymport.js', { missing: needsNativePeer('pymport'), app: 'calls' }),
  'calls-pythonia': functionCall('pythonia (a Python process)', 'calls-pythonia.js', {
    missing: needsNodePackage('pythonia'),
    app: 'calls',
  }),
  'runtimes-amphis': amphisRuntimes('amphis.js', 'amphis'),
  'runtimes-processes': amphisRuntimes('amphis.js, process=True', 'processes'),
  'runtimes-jsrun': runtimes('jsrun', 'jsrun', 'jsrun'),
  'runtimes-mini-racer': runtimes('mini-racer', 'mini-racer', 'mini-racer'),
  'calls-pythonmonkey': pythonCaller('PythonMonkey', 'pythonmonkey', 'pythonmonkey_caller.py'),
  'calls-jspybridge': pythonCaller('JSPyBridge (a Node process)', 'javascript', 'jspybridge_caller.py'),
}
