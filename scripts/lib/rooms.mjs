/**
 * A folder, or a file that stands beside the folders; without its extension. A folder within a folder is a room of its
 * own, named by both: `cli/options`. It has a line of its own too, above or below that of the folder that it is in.
 *
 * @typedef {object} Room
 * @property {string} name
 * @property {string} what who lives there
 */

/**
 * Lines of rooms, the upper one first. A room may know the rooms of the lines below its own; never one above, and not
 * its neighbours of the same line.
 *
 * @typedef {Room[][]} House
 */

/**
 * Two files of one room that know each other because they are one machine.
 *
 * @typedef {object} Pair
 * @property {[string, string]} files
 * @property {string} why
 */

/** @type {Record<'lib' | 'src', House>} */
export const houses = {
  lib: [
    [
      { name: 'index', what: 'The public face: what `import … from "amphis"` gives' },
      { name: 'config', what: '`amphis/config`: what a file of configuration needs' },
      { name: 'register', what: 'Imports of `.py` in Node.js' },
      { name: 'esbuild', what: '… in esbuild' },
      { name: 'vite', what: '… in Vite' },
      { name: 'koa', what: 'A Python app in Koa' },
      { name: 'hono', what: '… in Hono' },
      { name: 'fastify', what: '… in Fastify' },
      {
        name: 'aws-lambda',
        what: '… in AWS Lambda: events to requests, answers to events, the life of an environment',
      },
      { name: 'nest', what: '… in Nest' },
      { name: 'next', what: '… in Next.js' },
    ],
    [{ name: 'cli', what: 'The command line: which command it is, and `amphis APP`' }],
    [
      { name: 'dev', what: 'An app in a server of development: a process of its own, another one after each change' },
      { name: 'cli/init', what: '`amphis init`: writes a new project' },
      { name: 'cli/venv', what: '`amphis venv`: makes the environment that an app needs' },
      { name: 'cli/types', what: '`amphis types`: declarations for TypeScript' },
      { name: 'cli/openapi', what: '`amphis openapi`: the document of an app, and its types' },
      { name: 'cli/run', what: '`amphis run`: Python without a server' },
      { name: 'cli/reload', what: '`--reload`: the supervisor, and the processes of the app that it replaces' },
      { name: 'cli/workers', what: '`--workers`: the parent, and the processes that it keeps serving' },
    ],
    [
      { name: 'cli/serve', what: 'Serves an app in one process: its connections, TLS, signals, banner' },
      { name: 'cli/reload/watch', what: 'Which files are watched, and whether they have changed' },
    ],
    [
      { name: 'cli/log', what: 'What is said while it serves: formats, lines, the access log, tracebacks' },
      { name: 'cli/listen', what: 'Ports, Unix sockets and descriptors to listen on' },
    ],
    [
      {
        name: 'cli/options',
        what: 'The options: their table, and what the command line, variables and files say of them',
      },
    ],
    [{ name: 'cli/files', what: 'Writes files, at once and where they have changed' }],
    [
      { name: 'cli/errors', what: 'What ends a command, and its way from one process to another' },
      { name: 'cli/text', what: 'Texts for people: times, colours, paths, nothing that a terminal takes for an order' },
    ],
    [
      { name: 'modules', what: 'Files of Python as modules of JavaScript' },
      { name: 'aws-lambda/events', what: 'What events of AWS Lambda say, by their kinds' },
    ],
    [
      { name: 'python-handler', what: '`PythonHandler`: the start and the end of an app, and the ways to it' },
      { name: 'server', what: "`createServer`: a server of Node's, its health, its idle sessions" },
    ],
    [{ name: 'calls', what: 'Calls between the languages: `Python`, proxies, what Python calls' }],
    [
      { name: 'websocket', what: 'WebSockets: handshakes, messages, pings; which handler of a server takes one' },
      { name: 'fetch', what: 'From `Request` to `Response`' },
    ],
    [
      { name: 'http', what: 'One request of `node:http` and its response: listener, middleware, bodies, files' },
      { name: 'handle', what: '`handle()`: requests without a socket' },
    ],
    [{ name: 'diagnostics', what: 'What is told of requests and WebSockets to those who listen' }],
    [
      {
        name: 'wire',
        what: 'What all messages and connections have in common: heads, headers, proxies, HTTP/2, errors as answers',
      },
    ],
    [
      { name: 'bridge', what: "This environment's end of the bridge to Python; nothing of HTTP" },
      { name: 'tls', what: 'What the app is told of a TLS connection' },
      { name: 'debug', what: 'The page that shows an error, and whose code it comes from' },
    ],
    [
      { name: 'python', what: 'Finds Python, and loads it' },
      { name: 'values', what: 'JavaScript values to the tape that both languages read, and back; `NdArray`' },
      { name: 'js', what: 'What the engine of runtimes has to know of Node.js' },
    ],
    [{ name: 'package-root', what: 'Where the package, its addon and its programs are' }],
    [
      { name: 'base', what: 'Errors, types, options, limits: what everybody may know' },
      { name: 'bundler', what: 'Which bundler has taken the package in' },
    ],
  ],
  src: [
    [{ name: 'lib', what: 'The root of the crate' }],
    [{ name: 'node', what: 'What touches Node-API: what JavaScript calls, and the way back to it' }],
    [
      { name: 'lifecycle', what: 'Start, close and leave: Python, an app, an environment' },
      { name: 'run', what: 'Plain Python: `amphis run`' },
    ],
    [
      {
        name: 'dispatch',
        what: 'The one place that turns a command into a running app, and the handlers that it finds',
      },
    ],
    [{ name: 'asgi', what: 'Scope, messages, the cycles of HTTP, WebSocket and lifespan' }],
    [
      {
        name: 'calls',
        what: 'Calls between the languages: owners, handles, threads that wait, the package `amphis`',
      },
    ],
    [{ name: 'js', what: 'Isolated JavaScript runtimes for Python: `amphis.js`; the engine below it is C++' }],
    [
      { name: 'python/importer', what: 'From `module:attribute` to an app' },
      { name: 'values/tests', what: 'What the tests of values have in common: they need a Python' },
    ],
    [{ name: 'python/interpreter', what: 'CPython itself: its configuration, its thread, its start and end' }],
    [
      {
        name: 'python/signals',
        what: 'Signals that Node and Python both want, and what forked children inherit of them',
      },
    ],
    [
      {
        name: 'python',
        what: 'The event loop and its services, tasks, pacing, exceptions, collector, logging, `*.py`',
      },
    ],
    [{ name: 'python/binding', what: 'Binds libpython and what Python loads to their own libraries, not to Node’s' }],
    [{ name: 'values', what: 'Python objects to the tape that both languages read, and back' }],
    [{ name: 'bridge', what: 'The two queues, what goes through them, who wakes whom, what requests count on' }],
    [{ name: 'base', what: 'Errors, options as data, locking, masking' }],
  ],
}

const promised = 'what a call comes to may be a promise, and what a promise comes to is the outcome of a call'
const answered = 'a function of Python that is called may come back later, by the same answers'
// What is awaited is a class of Python's: it can be neither generic nor hold a trait object without an allocation each time.
const awaitable = 'a cycle and what its `receive` and `send` return, which looks at the cycle each time it is woken'

/** @type {Record<'lib' | 'src', Pair[]>} */
export const pairs = {
  lib: [],
  src: [
    { files: ['asgi/awaitable.rs', 'asgi/http_cycle.rs'], why: awaitable },
    { files: ['asgi/awaitable.rs', 'asgi/websocket_cycle.rs'], why: awaitable },
    { files: ['asgi/awaitable.rs', 'asgi/lifespan.rs'], why: awaitable },
    { files: ['js/asynchronous.rs', 'js/callback.rs'], why: answered },
    { files: ['js/asynchronous.rs', 'js/importing.rs'], why: answered },
    { files: ['js/core.rs', 'js/work.rs'], why: 'a runtime, and what is under way in it' },
    { files: ['js/core.rs', 'js/driver.rs'], why: 'what is under way in a runtime, and the thread that does it' },
    { files: ['js/core.rs', 'js/owner.rs'], why: 'a runtime, and for whom it runs' },
    { files: ['js/asynchronous.rs', 'js/streams.rs'], why: answered },
    { files: ['js/core.rs', 'js/step.rs'], why: 'a runtime, and the streams that end with it' },
    { files: ['js/core.rs', 'js/support.rs'], why: 'a runtime, and what it tells Python of itself' },
    { files: ['js/core.rs', 'js/call.rs'], why: 'a runtime, and the calls that its own thread makes' },
    { files: ['js/core.rs', 'js/pending.rs'], why: promised },
    { files: ['js/core.rs', 'js/promise.rs'], why: promised },
  ],
}
