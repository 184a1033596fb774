import { cpus } from 'node:os'
import { join } from 'node:path'
import { calls, type CallsRow } from './figures/calls.js'
import { callsMemory } from './figures/calls-memory.js'
import { coldStart } from './figures/cold-start.js'
import type { Figure } from './figures/figure.js'
import { fileTransfer } from './figures/file-transfer.js'
import { httpThroughput } from './figures/http-throughput.js'
import { idleStreams } from './figures/idle-streams.js'
import { idleWebSockets } from './figures/idle-websockets.js'
import { inProcessThroughput } from './figures/in-process-throughput.js'
import { lambdaColdStart } from './figures/lambda-cold-start.js'
import { reload } from './figures/reload.js'
import { serverSentEvents } from './figures/server-sent-events.js'
import { streams } from './figures/streams.js'
import { waitingCpu } from './figures/waiting-cpu.js'
import { webSocketEcho } from './figures/websocket-echo.js'
import type { Context } from './harness/context.js'
import { apps } from './harness/paths.js'
import { runCommand } from './harness/run-command.js'
import { works, type WorkName } from './works.js'

const proxies = ['http-proxy', 'raw-proxy']
const nodeless = ['uvicorn', 'granian', 'hypercorn']
const amphis = ['amphis', 'amphis-express']
/** Every server that speaks HTTP, the floors first. */
const servers = ['bare', 'express', ...amphis, ...nodeless, ...proxies]
const without = (...names: readonly string[]) => servers.filter((name) => !names.includes(name))

/** Those with an adapter, or none to need. */
const frameworks = ['express', 'fastify', 'koa', 'hono']

/** A quick run leaves it out. */
const slow = (figure: Figure): Figure => ({ ...figure, slow: true })

const echo = (work: WorkName) =>
  slow(
    httpThroughput(work, {
      work,
      connections: [32],
      contestants: without('express', 'http-proxy'),
      base: 'uvicorn',
      targets: [],
    }),
  )

const uvicornsWithWebSockets = ['uvicorn-websockets', 'uvicorn-sansio', 'uvicorn-wsproto']
const echoes = {
  connections: [1, 64],
  contestants: ['bare-ws', 'amphis-ws', ...uvicornsWithWebSockets, 'granian'],
  base: { title: 'best uvicorn', names: uvicornsWithWebSockets },
  targets: [
    { of: 'amphis-ws', over: uvicornsWithWebSockets, atLeast: 1.5 },
    { of: 'amphis-ws', over: 'granian', atLeast: 1 },
  ],
}

/** Rows of the figures of calls: name, title, contestant, what its program calls it, calls under way. */
const callRow = (name: string, title: string, contestant: string, what: string, atATime = 1): CallsRow => ({
  ...{ name, title, contestant: `calls-${contestant}`, what, atATime },
})

/** Rows of the figure of AWS Lambda: name, title, contestant, what its program calls it. */
const lambdaRow = (name: string, title: string, contestant: string, what = name): CallsRow => ({
  ...{ name, title, contestant: `lambda-${contestant}`, what },
})

/** A value that one language gives the other: nothing, itself, and by way of JSON. */
const valueRows = (to: 'Python' | 'JavaScript', json: string): CallsRow[] => [
  callRow(`to ${to}: nothing`, `to ${to}: a number, so the call alone`, 'amphis', `to ${to}: nothing`),
  {
    ...callRow(`to ${to}: value`, `to ${to}: the object as it is`, 'amphis', `to ${to}: value`),
    less: `to ${to}: nothing`,
  },
  { ...callRow(`to ${to}: JSON`, `to ${to}: ${json}`, 'amphis', `to ${to}: JSON`), less: `to ${to}: nothing` },
]

/** What each of the engines of isolated runtimes takes for it. */
const runtimeRows = (what: string, title: string, ...engines: readonly string[]): CallsRow[] =>
  ['amphis', ...engines].map((engine) => ({
    name: `${what}: ${engine}`,
    title: `${title}: ${engine === 'processes' ? 'amphis, process=True' : engine}`,
    contestant: `runtimes-${engine}`,
    what,
  }))

/** What isolates are made of where there are several: src/engine/snapshot.cc. */
const usesV8sSnapshot = Number(process.versions.modules) >= 127

const ofJsrun = (what: string, atMost: number) =>
  ({ of: `${what}: amphis`, over: `${what}: jsrun`, relation: 'ratio', atMost }) as const

/** Every figure the benchmark takes, in the order it takes them, with what it is to reach. */
export const figures: readonly Figure[] = [
  inProcessThroughput('in-process', {
    work: 'hello',
    concurrency: 32,
    contestants: ['amphis-handle', 'platformatic-3.10', 'platformatic'],
    base: ['platformatic-3.10', 'platformatic'],
    targets: [{ of: 'amphis-handle', over: ['platformatic-3.10', 'platformatic'], atLeast: 75 }],
  }),
  slow(
    calls('fetch', {
      title:
        'python.fetch(request), hello world in raw ASGI, beside its parts: a whole request without a socket, and a Response',
      rows: [
        callRow('hello, read', 'amphis handle()', 'amphis', 'hello, read'),
        callRow('bare fetch', 'async (request) => new Response(text)', 'amphis', 'bare fetch'),
        callRow('parts', 'one after the other', 'amphis', 'hello and bare fetch'),
        callRow('fetch', 'amphis fetch()', 'amphis', 'fetch'),
        callRow('parts 10', 'one after the other, 10 under way', 'amphis', 'hello and bare fetch', 10),
        callRow('fetch 10', 'amphis fetch(), 10 under way', 'amphis', 'fetch', 10),
      ],
      base: 'parts',
      targets: [{ of: 'fetch', over: 'parts', relation: 'ratio', atMost: 1.3 }],
      notes: ['each with its own Request, and the body read as text'],
    }),
  ),
  slow(
    inProcessThroughput('function-call', {
      work: 'hello',
      concurrency: 32,
      contestants: [
        ...['amphis-handle', 'platformatic-3.10', 'platformatic'],
        ...['node-calls-python', 'node-calls-python-sync', 'pymport', 'pythonia'],
      ],
      base: ['amphis-handle'],
      baseTitle: 'amphis',
      targets: [],
    }),
  ),
  slow(
    calls('call-python', {
      title: 'JavaScript calls a function of Python: f(1)',
      rows: [
        callRow('hello', 'amphis handle(), hello world, one at a time', 'amphis', 'hello'),
        callRow('hello 1000', 'amphis handle(), hello world, 1,000 under way', 'amphis', 'hello', 1000),
        callRow('async def', 'amphis, async def, one at a time', 'amphis', 'async def'),
        callRow('async def 1000', 'amphis, async def, 1,000 under way', 'amphis', 'async def', 1000),
        callRow('def', 'amphis, def (in a thread), one at a time', 'amphis', 'def'),
        callRow('def 1000', 'amphis, def, 1,000 under way', 'amphis', 'def', 1000),
        callRow('node-calls-python', 'node-calls-python, call, one at a time', 'node-calls-python', 'call'),
        callRow(
          'node-calls-python 1000',
          'node-calls-python, call, 1,000 under way',
          'node-calls-python',
          'call',
          1000,
        ),
        callRow('node-calls-python sync', 'node-calls-python, callSync (blocks)', 'node-calls-python', 'callSync'),
        callRow('pymport', 'pymport, callAsync, one at a time', 'pymport', 'callAsync'),
        callRow('pymport 1000', 'pymport, callAsync, 1,000 under way', 'pymport', 'callAsync', 1000),
        callRow('pymport sync', 'pymport, call (blocks)', 'pymport', 'call'),
        callRow('pythonia', 'pythonia (a Python process), one at a time', 'pythonia', 'call'),
        callRow('pythonia 1000', 'pythonia, 1,000 under way', 'pythonia', 'call', 1000),
        callRow('pythonmonkey', 'PythonMonkey (SpiderMonkey in Python, blocks)', 'pythonmonkey', 'called'),
      ],
      base: 'hello',
      targets: [
        { of: 'async def', over: 'hello', relation: 'ratio', atMost: 2 },
        { of: 'async def 1000', over: 'async def', relation: 'ratio', atMost: 0.35 },
        { of: 'async def', over: 'node-calls-python', relation: 'ratio', atMost: 1 },
        { of: 'async def 1000', over: 'node-calls-python 1000', relation: 'ratio', atMost: 1 },
      ],
      notes: [
        'what blocks does so to the event loop that it is called on; amphis, call and callAsync do not',
        'the functions of the peers are def',
      ],
    }),
  ),
  slow(
    calls('call-javascript', {
      title: 'Python calls a function of JavaScript: f(1)',
      rows: [
        callRow('await', 'amphis, await f(1), one at a time', 'amphis', 'awaited'),
        callRow('await 1000', 'amphis, await f(1), 1,000 under way', 'amphis', 'awaited', 1000),
        callRow('await async', 'amphis, async function, one at a time', 'amphis', 'awaited async'),
        callRow('await async 1000', 'amphis, async function, 1,000 under way', 'amphis', 'awaited async', 1000),
        callRow('blocking', 'amphis, node.sync, one at a time', 'amphis', 'blocking'),
        callRow('pythonmonkey', 'PythonMonkey (SpiderMonkey, on the thread itself)', 'pythonmonkey', 'same'),
        callRow('pythonmonkey async', 'PythonMonkey, async function, one at a time', 'pythonmonkey', 'sameLater'),
        callRow('pythonmonkey async 1000', 'PythonMonkey, 1,000 under way', 'pythonmonkey', 'sameLater', 1000),
        callRow('jspybridge', 'JSPyBridge (a Node process, blocks)', 'jspybridge', 'same'),
        callRow('jspybridge async', 'JSPyBridge, async function (blocks)', 'jspybridge', 'sameLater'),
      ],
      base: 'await',
      targets: [
        { of: 'await 1000', over: 'await', relation: 'ratio', atMost: 0.5 },
        { of: 'blocking', over: 'jspybridge', relation: 'ratio', atMost: 0.2 },
        { of: 'await async', over: 'pythonmonkey async', relation: 'ratio', atMost: 1 },
      ],
      notes: ['PythonMonkey has no Node: an engine of its own, without npm packages that need more than the language'],
    }),
  ),
  slow(
    calls('runtimes', {
      title: 'isolated JavaScript runtimes in Python',
      rows: [
        ...runtimeRows('create', 'make, eval 1 + 1, close', 'processes', 'jsrun', 'mini-racer'),
        ...runtimeRows('spare', 'make one after a pause', 'jsrun', 'mini-racer'),
        ...runtimeRows('eval', 'eval 1 + 1', 'processes', 'jsrun', 'mini-racer'),
        ...runtimeRows('callback', 'JavaScript calls a function of Python', 'processes', 'jsrun'),
        ...runtimeRows('result', 'a result of 10 KB', 'processes', 'jsrun', 'mini-racer'),
        ...runtimeRows('argument', 'an argument of 10 KB', 'processes', 'jsrun', 'mini-racer'),
        ...runtimeRows('threads', 'eval 1 + 1 in eight threads with a runtime each', 'jsrun', 'mini-racer'),
      ],
      targets: [
        ofJsrun('create', usesV8sSnapshot ? 0.2 : 0.6),
        ofJsrun('spare', 0.05),
        ofJsrun('eval', 0.3),
        ofJsrun('callback', 0.15),
        ofJsrun('result', 0.35),
        ofJsrun('argument', 0.2),
        ofJsrun('threads', 1 / 3),
      ],
      notes: ['mini-racer has no synchronous callbacks; its results are proxies, which copy nothing'],
    }),
  ),
  slow(
    calls('runtimes-async', {
      title: 'asynchronous calls of isolated JavaScript runtimes in Python, on asyncio',
      rows: [
        ...runtimeRows('eval_async', 'await eval_async of 1 + 1', 'jsrun'),
        ...runtimeRows('coroutine', 'JavaScript awaits a coroutine of Python', 'jsrun'),
        ...runtimeRows('coroutines', 'twenty of them at once', 'jsrun'),
        ...runtimeRows('timer', 'a setTimeout of 0 awaited', 'jsrun'),
      ],
      targets: [
        ofJsrun('eval_async', 0.5),
        ofJsrun('coroutine', 0.6),
        ofJsrun('coroutines', 0.3),
        ofJsrun('timer', 0.1),
      ],
    }),
  ),
  slow(
    calls('runtimes-library', {
      title: 'an isolated runtime with a library of half a MB',
      rows: [...runtimeRows('library', 'loaded anew', 'jsrun'), ...runtimeRows('snapshot', 'from a snapshot', 'jsrun')],
      targets: [{ of: 'snapshot: amphis', over: 'library: amphis', relation: 'ratio', atMost: 0.5 }],
    }),
  ),
  slow(
    calls('runtimes-memory', {
      title: 'memory of each of fifty isolated runtimes',
      unit: 'MB',
      rows: runtimeRows('memory', 'resident', 'jsrun', 'mini-racer'),
      targets: [ofJsrun('memory', usesV8sSnapshot ? 0.4 : 1.1)],
    }),
  ),
  slow(
    calls('call-values', {
      title: 'a nested object of 10 KB given to the other language, one at a time',
      rows: [
        ...valueRows('Python', 'JSON.stringify and json.loads'),
        ...valueRows('JavaScript', 'json.dumps and JSON.parse'),
      ],
      targets: (['Python', 'JavaScript'] as const).map((to) => ({
        of: `to ${to}: JSON`,
        over: `to ${to}: value`,
        relation: 'ratio',
        atLeast: 1.5,
        quantity: 'the call alone taken off',
      })),
      notes: [
        'the function that is given it does nothing but to parse, where it is text',
        'ratios are of what it takes above the call alone',
      ],
    }),
  ),
  slow(
    calls('call-array', {
      title: 'an array of 64 MB: of numpy that Python returns, and a Float64Array that Python is given',
      rows: [
        callRow('array', 'amphis, from Python, the call included', 'amphis', 'array'),
        callRow('given', 'amphis, to Python, given away', 'amphis', 'array given'),
        callRow('copied', 'amphis, to Python, copied', 'amphis', 'array copied'),
      ],
      base: 'copied',
      targets: [
        { of: 'array', atMost: 1000 },
        { of: 'given', over: 'copied', relation: 'ratio', atMost: 0.1 },
      ],
      notes: [
        'V8 takes it for 64 MB of its own and collects garbage with about each: most of the time, and more on a busy machine',
      ],
    }),
  ),
  slow(
    calls('call-delay', {
      title: "the event loop's delay in Node, 99th percentile, while Python computes",
      unit: 'ms',
      rows: [
        callRow('idle', 'amphis, Python idle', 'amphis', 'delay: idle'),
        callRow('computing', 'amphis, Python computes', 'amphis', 'delay: computing'),
        callRow(
          'asked',
          'amphis, the same, and another function is called every 5 ms',
          'amphis',
          'delay: computing, asked',
        ),
        callRow('node-calls-python', 'node-calls-python, call', 'node-calls-python', 'delay: computing'),
        callRow(
          'node-calls-python asked',
          'the same, and another function is called every 5 ms',
          'node-calls-python',
          'delay: computing, asked',
        ),
        callRow('node-calls-python sync', 'node-calls-python, callSync', 'node-calls-python', 'delay: callSync'),
      ],
      targets: [
        { of: 'computing', over: 'idle', relation: 'difference', atMost: 2, unit: 'ms' },
        { of: 'asked', over: 'idle', relation: 'difference', atMost: 2, unit: 'ms' },
      ],
      notes: ['as monitorEventLoopDelay tells it, which looks every millisecond: 1 ms is none at all'],
    }),
  ),
  slow(
    callsMemory('call-memory', {
      contestant: 'calls-amphis',
      calls: 1_000_000,
      ways: [
        { what: 'async def', title: 'JavaScript calls an async def, 100 at a time' },
        { what: 'def', title: 'JavaScript calls a def, 100 at a time' },
        { what: 'awaited', title: 'Python awaits a function of JavaScript, 100 at a time' },
        { what: 'blocking', title: 'Python waits for one in a thread' },
      ],
      // A bit of a byte for each call.
      atMost: { heap: 512 * 1024, blocks: 2000 },
    }),
  ),
  slow(
    calls('lambda', {
      title: 'one warm invocation of AWS Lambda in process, event in and response out: hello world (raw ASGI)',
      rows: [
        lambdaRow('handle', 'amphis, handle() with the same headers', 'amphis'),
        lambdaRow('function url', 'amphis/aws-lambda, event of a Function URL', 'amphis'),
        lambdaRow('rest', 'amphis/aws-lambda, event of a REST API', 'amphis'),
        lambdaRow('first byte', "amphis/aws-lambda, from the app's send to Lambda's stream", 'amphis'),
        lambdaRow('mangum function url', 'Mangum, event of a Function URL', 'mangum', 'function url'),
        lambdaRow('mangum rest', 'Mangum, event of a REST API', 'mangum', 'rest'),
      ],
      base: 'handle',
      targets: [
        { of: 'function url', over: 'handle', relation: 'ratio', atMost: 3 },
        { of: 'function url', over: 'mangum function url', relation: 'ratio', atMost: 0.2 },
        { of: 'first byte', atMost: 5000 },
      ],
      notes: ['without the connection to Lambda, which is the same for all; one at a time, as Lambda invokes'],
    }),
  ),
  lambdaColdStart('lambda-cold-start'),
  httpThroughput('hello', {
    work: 'hello',
    connections: [1, 32, 128, 512],
    contestants: servers,
    base: 'bare',
    targets: [
      { at: 1, of: 'amphis', over: 'uvicorn', atLeast: 0.85, ambition: 1 },
      { at: 32, of: 'amphis', over: 'bare', atLeast: 0.85, ambition: 1 },
      { at: 128, of: 'amphis', over: 'bare', atLeast: 0.9, ambition: 1 },
      { at: 32, of: 'amphis', over: proxies, atLeast: 3 },
      { at: 128, of: 'amphis', over: proxies, atLeast: 3 },
      { at: 32, of: 'amphis', over: 'uvicorn', atLeast: 1.3 },
      { at: 128, of: 'amphis', over: 'uvicorn', atLeast: 1.5 },
      { at: 32, of: 'amphis', over: 'granian', atLeast: 1.05 },
      { at: 128, of: 'amphis', over: 'granian', atLeast: 1.05 },
      { at: 32, of: 'amphis-express', over: 'express', atLeast: 0.9 },
    ],
    quick: {
      connections: [32],
      contestants: ['bare', 'express', 'amphis', 'amphis-express', 'uvicorn', 'granian', 'raw-proxy'],
    },
  }),
  slow(
    httpThroughput('hosts', {
      title: 'frameworks of Node.js with amphis in them, and answering by themselves: hello world (raw ASGI)',
      work: 'hello',
      connections: [32],
      contestants: ['amphis', ...frameworks.flatMap((name) => [name, `amphis-${name}`])],
      base: 'amphis',
      targets: [
        { of: 'amphis-express', over: 'express', atLeast: 0.8 },
        ...['fastify', 'koa', 'hono'].map((name) => ({ of: `amphis-${name}`, over: 'amphis', atLeast: 0.9 })),
      ],
    }),
  ),
  slow(
    httpThroughput('cli', {
      title: 'the command line beside servers written by hand: hello world (raw ASGI)',
      work: 'hello',
      connections: [32],
      contestants: ['amphis', 'amphis-server', 'amphis-cli', 'amphis-cli-log', 'uvicorn', 'uvicorn-log'],
      base: 'amphis-server',
      targets: [
        { of: 'amphis-cli', over: 'amphis-server', atLeast: 0.95 },
        { of: 'amphis-cli', over: 'amphis', atLeast: 0.95 },
      ],
    }),
  ),
  slow(
    httpThroughput('latency', {
      title: 'latency over one connection at equal load: hello world (raw ASGI)',
      work: 'hello',
      connections: [1],
      contestants: ['bare', 'amphis', ...nodeless],
      base: 'uvicorn',
      pauseMs: 1,
      seconds: 3,
      targets: [{ of: 'amphis', over: 'uvicorn', atMost: 1, measure: 'p99.9' }],
    }),
  ),
  slow(
    httpThroughput('starlette', {
      work: 'starlette',
      connections: [32],
      contestants: without('express'),
      base: 'uvicorn',
      targets: [
        { of: 'amphis', over: 'uvicorn', atLeast: 1.4 },
        { of: 'amphis', over: 'granian', atLeast: 1.05 },
      ],
    }),
  ),
  httpThroughput('fastapi', {
    work: 'fastapi',
    connections: [1, 32, 128, 512],
    contestants: without('express'),
    base: 'uvicorn',
    targets: [
      { at: 32, of: 'amphis', over: 'uvicorn', atLeast: 1.6 },
      { at: 32, of: 'amphis', over: 'granian', atLeast: 1.15 },
      { at: 32, of: 'amphis', over: proxies, atMost: 0.7, measure: 'CPU' },
    ],
    quick: { connections: [32], contestants: ['amphis', 'uvicorn', 'granian', 'raw-proxy'] },
  }),
  slow(
    httpThroughput('fastapi-get', {
      work: 'fastapi-get',
      connections: [32],
      contestants: ['amphis', 'uvicorn', 'granian'],
      base: 'uvicorn',
      targets: [],
    }),
  ),
  slow(
    httpThroughput('fastapi-await', {
      work: 'fastapi-await',
      connections: [256],
      contestants: ['amphis', ...nodeless, 'raw-proxy'],
      base: 'uvicorn',
      targets: [],
      notes: ['an endpoint that waits for something, as most do: 256 requests are under way at a time'],
    }),
  ),
  slow(
    httpThroughput('fastapi-sync', {
      work: 'fastapi-sync',
      connections: [32],
      contestants: ['amphis', ...nodeless, 'raw-proxy'],
      base: 'uvicorn',
      targets: [{ of: 'amphis', over: 'uvicorn', atLeast: 1.1 }],
      floor: { title: "anyio's hand-over to a thread alone", measure: threadHandovers },
      notes: ['the floor: how many such calls a thread pool makes in a Python process that does nothing else'],
    }),
  ),
  slow(
    httpThroughput('wsgi-flask', {
      work: 'wsgi-flask',
      connections: [32],
      contestants: ['amphis', 'uvicorn-a2wsgi', 'granian-wsgi'],
      base: 'uvicorn-a2wsgi',
      targets: [{ of: 'amphis', over: 'uvicorn-a2wsgi', atLeast: 1.6 }],
    }),
  ),
  echo('echo-1k'),
  echo('echo-16k'),
  echo('echo-256k'),
  slow(
    httpThroughput('await-10ms', {
      work: 'await-10ms',
      connections: [1000],
      contestants: ['bare', 'amphis', ...nodeless, 'raw-proxy'],
      base: 'bare',
      seconds: 2,
      limit: { requestsPerSecond: 1000 / 0.01, contestant: 'bare', title: 'limit' },
      targets: [{ of: 'amphis', over: 'limit', atLeast: 0.95 }],
      notes: ['the limit: 1,000 requests each 10 ms, or what bare Node reaches on this machine where that is less'],
    }),
  ),
  streams('stream-down', {
    direction: 'down',
    mebibytes: 256,
    quickMebibytes: 32,
    contestants: without('express', 'http-proxy'),
    base: 'bare',
    targets: [{ of: 'amphis', over: 'bare', atLeast: 0.9 }],
    quick: { contestants: ['bare', 'amphis', 'uvicorn', 'granian'] },
  }),
  streams('stream-up', {
    direction: 'up',
    mebibytes: 256,
    quickMebibytes: 32,
    contestants: without('express', 'http-proxy'),
    base: 'bare',
    targets: [
      { of: 'amphis', over: 'bare', atLeast: 0.9 },
      { of: 'amphis', over: 'uvicorn', atLeast: 1.1 },
    ],
    quick: { contestants: ['bare', 'amphis', 'uvicorn', 'granian'] },
  }),
  slow(
    serverSentEvents('sse', {
      clients: 1000,
      gapMs: 250,
      contestants: ['bare', 'amphis', ...nodeless, 'raw-proxy'],
      base: 'uvicorn',
    }),
  ),
  slow(
    httpThroughput('static', {
      work: 'static',
      connections: [32],
      contestants: [
        { contestant: 'bare', work: 'pathsend', how: 'fs.createReadStream().pipe(res)' },
        { contestant: 'express', work: 'static', how: 'express.static' },
        { contestant: 'amphis-pathsend', work: 'pathsend', how: 'raw ASGI' },
        { contestant: 'amphis', work: 'static', how: 'Starlette StaticFiles' },
        { contestant: 'uvicorn', work: 'static', how: 'Starlette StaticFiles' },
        { contestant: 'granian', work: 'pathsend', how: 'pathsend' },
        { contestant: 'granian', work: 'static', how: 'Starlette StaticFiles' },
        { contestant: 'hypercorn', work: 'static', how: 'Starlette StaticFiles' },
      ],
      base: 'bare pathsend',
      targets: [
        { of: 'amphis-pathsend pathsend', over: 'bare pathsend', atLeast: 1 },
        { of: 'amphis static', over: 'uvicorn static', atLeast: 1 },
      ],
    }),
  ),
  slow(
    httpThroughput('files-10k', {
      title: 'a file of 10 KiB, read by the app',
      work: 'static-10k',
      connections: [32],
      contestants: [
        { contestant: 'bare', work: 'pathsend-10k', how: 'fs.createReadStream().pipe(res)' },
        { contestant: 'amphis', work: 'static-10k', how: 'Starlette StaticFiles' },
        { contestant: 'uvicorn', work: 'static-10k', how: 'Starlette StaticFiles' },
        { contestant: 'granian', work: 'static-10k', how: 'Starlette StaticFiles, which it offers pathsend' },
        { contestant: 'amphis', work: 'file-10k', how: 'Starlette FileResponse' },
        { contestant: 'uvicorn', work: 'file-10k', how: 'Starlette FileResponse' },
        { contestant: 'granian', work: 'file-10k', how: 'Starlette FileResponse, which it offers pathsend' },
      ],
      base: 'uvicorn static-10k',
      targets: [
        { of: 'amphis static-10k', over: 'uvicorn static-10k', atLeast: 1 },
        { of: 'amphis file-10k', over: 'uvicorn file-10k', atLeast: 1 },
      ],
      notes: ["the app stats, opens, reads and closes the file in anyio's threads, one hand-over each"],
    }),
  ),
  slow(
    httpThroughput('scale-out', {
      title: 'scale-out: FastAPI, JSON validated in and out, 1 and 2 workers',
      work: 'fastapi',
      connections: [64],
      contestants: [
        ...['amphis-cluster-1', 'amphis-cluster-2', 'amphis-workers-2', 'amphis-pinned-1', 'amphis-pinned-2'],
        ...['bare-cluster-1', 'bare-cluster-2', 'uvicorn-1', 'uvicorn-2'],
      ],
      base: 'uvicorn-1',
      cores: true,
      targets: [
        { of: 'amphis-cluster-2', over: 'amphis-cluster-1', atLeast: 1.7 },
        { of: 'amphis-pinned-2', over: 'amphis-pinned-1', atLeast: 1.7 },
      ],
      notes: [
        `on ${cpus().length} cores, of which the load takes its part: a worker of amphis has two busy threads and can use`,
        'more than one core by itself; with workers bound to a core each, two have twice what one has',
      ],
    }),
  ),
  slow(webSocketEcho('ws-64', { ...echoes, message: { kind: 'text', bytes: 64 } })),
  slow(webSocketEcho('ws-64k', { ...echoes, message: { kind: 'binary', bytes: 64 * 1024 } })),
  slow(
    fileTransfer('pathsend-100m', {
      mebibytes: 100,
      connections: [1, 8],
      senders: [
        { contestant: 'bare', app: 'raw', how: 'fs.createReadStream().pipe(res)' },
        { contestant: 'amphis-pathsend', app: 'raw', how: 'raw ASGI' },
        { contestant: 'granian', app: 'raw', how: 'pathsend' },
      ],
      base: { title: 'pipe', name: 'bare raw' },
      targets: [{ of: 'amphis-pathsend raw', over: 'bare raw', atLeast: 0.8 }],
    }),
  ),
  slow(
    fileTransfer('files-100m', {
      title: 'a file of 100 MiB, read by the app',
      mebibytes: 100,
      connections: [1, 8],
      senders: [
        { contestant: 'bare', app: 'raw', how: 'fs.createReadStream().pipe(res)' },
        { contestant: 'amphis', app: 'fastapi', how: 'FileResponse' },
        { contestant: 'uvicorn', app: 'fastapi', how: 'FileResponse' },
        { contestant: 'granian', app: 'fastapi', how: 'FileResponse, which it offers pathsend' },
      ],
      base: { title: 'uvicorn', name: 'uvicorn fastapi' },
      targets: [{ of: 'amphis fastapi', over: 'uvicorn fastapi', atLeast: 1 }],
    }),
  ),
  slow(
    waitingCpu('waiting', {
      // One of platformatic's is enough to see it poll, and four keep it from answering at all.
      requests: {
        bare: 100,
        amphis: 100,
        'amphis-handle': 100,
        uvicorn: 100,
        granian: 100,
        'platformatic-3.10': 1,
        platformatic: 1,
      },
      // "No CPU", to the step of the clock that tells.
      targets: { amphis: 5, 'amphis-handle': 5 },
    }),
  ),
  slow(
    idleStreams('idle-streams', {
      streams: 1000,
      pairs: [
        { contestant: 'bare', app: 'raw' },
        { contestant: 'amphis', app: 'raw' },
        { contestant: 'amphis', app: 'fastapi' },
        { contestant: 'uvicorn', app: 'raw' },
        { contestant: 'uvicorn', app: 'fastapi' },
        { contestant: 'granian', app: 'raw' },
        { contestant: 'granian', app: 'fastapi' },
      ],
      targets: { 'amphis raw': 32, 'amphis fastapi': 48 },
    }),
  ),
  slow(
    idleWebSockets('ws-idle', {
      sockets: 10_000,
      quickSockets: 2000,
      pairs: [
        { contestant: 'bare-ws', app: 'raw' },
        { contestant: 'amphis-ws', app: 'raw' },
        { contestant: 'amphis-ws', app: 'fastapi' },
        { contestant: 'uvicorn-sansio', app: 'raw' },
        { contestant: 'uvicorn-sansio', app: 'fastapi' },
        { contestant: 'granian', app: 'raw' },
      ],
      floor: 'bare-ws raw',
      holders: ['amphis-ws raw', 'amphis-ws fastapi'],
    }),
  ),
  coldStart('cold-start', {
    work: works.hello,
    contestants: ['bare', 'amphis', 'uvicorn', 'granian'],
    targets: { amphis: 150 },
  }),
  slow(
    coldStart('cold-start-fastapi', {
      work: works.fastapi,
      contestants: ['amphis', 'uvicorn', 'granian'],
      targets: { amphis: 150 },
    }),
  ),
  slow(
    reload('reload', {
      pairs: [
        { contestant: 'amphis-reload', app: 'raw' },
        { contestant: 'uvicorn-reload', app: 'raw' },
        { contestant: 'amphis-reload', app: 'starlette' },
        { contestant: 'uvicorn-reload', app: 'starlette' },
        { contestant: 'amphis-reload', app: 'fastapi' },
        { contestant: 'uvicorn-reload', app: 'fastapi' },
      ],
      targets: { 'amphis-reload raw': 300, 'amphis-reload starlette': 300, 'amphis-reload fastapi': 300 },
    }),
  ),
]

/** Calls a second of anyio's thread pool, with nothing around it. */
async function threadHandovers({ python }: Context): Promise<number> {
  const { stdout } = await runCommand([python.executable, join(apps, 'thread_handover.py')])
  return Number(stdout)
}
