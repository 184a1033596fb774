// The table of options that all the rest is made from: parser, help, docs, types.
import { isAppTarget } from '../../base/app-target.js'
import { TrustedPeers } from '../../base/trusted-peers.js'
import { isDefaultHeader } from '../../wire/default-headers.js'

/** The headings of the help, in its order. */
export const GROUPS = {
  address: 'Address',
  app: 'App',
  development: 'Development',
  logging: 'Logging',
  production: 'Production',
  headers: 'Headers',
  tls: 'TLS, HTTP/2',
  websocket: 'WebSocket',
  help: 'Help',
} as const

/** What a text has to look like. */
export interface Form {
  /** After "takes": `a path that begins with /`. */
  readonly called: string
  readonly fits: (text: string) => boolean
}

/** An option. The parser, the help, the docs and the types of config files are all made from it. */
export interface OptionSpec {
  readonly group: keyof typeof GROUPS
  /**
   * A flag has no value and stands on the command line only; a switch has none either, but an opposite (`--no-…`). A
   * path is relative to the working directory, or to the file of configuration that it stands in; so is a program,
   * unless it is the bare name of one on `PATH`.
   */
  readonly type: 'flag' | 'switch' | 'boolean' | 'text' | 'path' | 'program' | 'port' | 'count' | 'bytes' | 'seconds'
  readonly short?: string
  /** What stands for the value in the help. */
  readonly placeholder?: string
  /** The only values there are. */
  readonly choices?: readonly string[]
  /** @default any text that is not empty */
  readonly form?: Form
  /** The smallest number, where it is not that of the type. */
  readonly least?: number
  /** The largest number, where it is not that of the type. */
  readonly most?: number
  /** Can be given more than once: its value is a list. */
  readonly repeatable?: true
  /** One text in which commas separate; in a file of configuration it may be a list. */
  readonly joined?: true
  /** Written as on the command line; a switch is `on` or `off`. */
  readonly default?: string
  /** Another environment variable that stands in for it, after `AMPHIS_…`. */
  readonly env?: string
  /** For the help: what fits beside the name. */
  readonly description: string
  /** For the docs: all that is to be known. */
  readonly details: string
}

const URL_PATH: Form = { called: 'a path, such as /healthz', fits: (text) => /^\/[^?#]*$/.test(text) }

const ROOT_PATH: Form = {
  called: 'a path that begins with / and does not end with it',
  fits: (text) => text === '' || (/^\/(?:.*[^/])?$/s.test(text) && text !== '/'),
}

const PEERS: Form = {
  called: 'IP addresses, networks such as 10.0.0.0/8, names such as unix:, or * for anybody, separated by commas',
  fits(text) {
    try {
      return Boolean(new TrustedPeers(splitList(text)))
    } catch {
      return false
    }
  },
}

const HEADER: Form = {
  called: 'name:value, of a header that every response may have',
  fits: (text) => isDefaultHeader(...splitHeader(text)),
}

const specs = {
  host: {
    group: 'address',
    type: 'text',
    placeholder: 'HOST',
    default: '127.0.0.1',
    description: 'address; 0.0.0.0 or :: for all',
    details:
      'The address to listen on: a name or an IP address. `0.0.0.0` or `::` takes connections from everywhere, and so does a container need it.',
  },
  port: {
    group: 'address',
    type: 'port',
    placeholder: 'PORT',
    default: '8000',
    description: 'port to listen on; 0 for any that is free',
    details: 'The port to listen on. With `0` the system picks one that is free; the line that amphis prints names it.',
  },
  uds: {
    group: 'address',
    type: 'path',
    placeholder: 'PATH',
    description: 'Unix socket, in place of host and port',
    details:
      'Path of a Unix socket to listen on, in place of `host` and `port`. Every user of the machine may connect to it; who may not is a matter of its folder. It is removed at the end.',
  },
  fd: {
    group: 'address',
    type: 'count',
    least: 0,
    placeholder: 'NUMBER',
    description: 'file descriptor of a socket that listens',
    details:
      'File descriptor of a socket that listens already, handed down by the process that started this one, in place of `host` and `port`.',
  },
  'app-dir': {
    group: 'app',
    type: 'path',
    placeholder: 'DIR',
    default: '.',
    description: 'folder that the module is imported from',
    details:
      "Folder that is put first on `sys.path`, so that the app's module is found in it. Where a file of configuration names the app and nobody names the folder, it is the folder of that file.",
  },
  factory: {
    group: 'app',
    type: 'switch',
    default: 'off',
    description: 'APP is a function that returns the app',
    details: 'APP names a function that returns the app, and needs no arguments.',
  },
  interface: {
    group: 'app',
    type: 'text',
    choices: ['auto', 'asgi', 'wsgi'],
    default: 'auto',
    description: 'kind of app; auto tells by its arguments',
    details:
      'What the app is called with. `auto` tells by its arguments. WSGI apps are served through the Python package a2wsgi.',
  },
  'wsgi-threads': {
    group: 'app',
    type: 'count',
    most: 1024,
    default: '10',
    description: 'threads of a WSGI app',
    details: 'Threads of a WSGI app, which is as many requests as it can have at a time.',
  },
  'root-path': {
    group: 'app',
    type: 'text',
    form: ROOT_PATH,
    placeholder: 'PATH',
    default: '',
    description: 'path under which a proxy serves the app',
    details:
      'ASGI `root_path`: the path under which a proxy serves the app, where the proxy leaves that path in the URL. Begins with `/` and does not end with it.',
  },
  lifespan: {
    group: 'app',
    type: 'text',
    choices: ['auto', 'on', 'off'],
    default: 'auto',
    description: 'startup and shutdown events',
    details:
      'Startup and shutdown events of ASGI. `on` requires them, `off` leaves them out, `auto` goes on without when the app does not support them.',
  },
  loop: {
    group: 'app',
    type: 'text',
    choices: ['auto', 'uvloop', 'asyncio'],
    default: 'auto',
    description: 'event loop',
    details: 'Event loop of asyncio. `auto` takes uvloop where it is installed.',
  },
  'gc-freeze': {
    group: 'app',
    type: 'switch',
    default: 'on',
    description: 'spare the garbage collector what the start made',
    details:
      'Keeps what the app has made by the end of its startup from the cyclic garbage collector (`gc.freeze()`), which otherwise walks through all of it again and again while requests wait. An app that calls `gc.freeze()` or `gc.disable()` by then is left to it. Off with `--reload`.',
  },
  python: {
    group: 'app',
    type: 'program',
    placeholder: 'PATH',
    description: 'interpreter or environment (the nearest)',
    details:
      'A virtual environment, an interpreter, or the name of an interpreter on `PATH`. By default `VIRTUAL_ENV`, a `.venv` or `venv` from `app-dir` upwards, and so on; the README has the whole order.',
  },
  'env-file': {
    group: 'app',
    type: 'path',
    placeholder: 'FILE',
    description: 'environment variables for the app, as in .env',
    details:
      'File of environment variables (`NAME=value` a line, as in `.env`). They are there for the app and for amphis itself; variables that are set already keep their values.',
  },
  reload: {
    group: 'development',
    type: 'switch',
    default: 'off',
    description: 'start the app again when a file changes',
    details:
      'Watches files and starts the app again, in a process of its own, when one changes. For development; not together with `workers`.',
  },
  'reload-dir': {
    group: 'development',
    type: 'path',
    repeatable: true,
    placeholder: 'DIR',
    description: 'folder to watch (that of --app-dir)',
    details: 'Folder to watch, with all below it; otherwise that of `--app-dir`. Can be given more than once.',
  },
  'reload-include': {
    group: 'development',
    type: 'text',
    repeatable: true,
    placeholder: 'GLOB',
    description: 'files to watch besides *.py',
    details: 'Pattern of files to watch besides `*.py`. Can be given more than once.',
  },
  'reload-exclude': {
    group: 'development',
    type: 'text',
    repeatable: true,
    placeholder: 'GLOB',
    description: 'files and folders not to watch',
    details: 'Pattern of files and folders not to watch. Can be given more than once.',
  },
  'reload-delay': {
    group: 'development',
    type: 'seconds',
    default: '0.05',
    description: 'quiet time after a change',
    details: 'How long it must be quiet after a change before the app is started again.',
  },
  debug: {
    group: 'development',
    type: 'switch',
    description: 'show errors in the browser (on with --reload)',
    details:
      'Shows errors of the app in the browser, with the traceback and the source around it. For development only: it tells strangers about the app. `--reload` turns it on, unless `--no-debug` is given.',
  },
  'log-level': {
    group: 'logging',
    type: 'text',
    choices: ['critical', 'error', 'warning', 'info', 'debug', 'trace'],
    placeholder: 'LEVEL',
    description: 'critical, error, warning, info, debug, trace',
    details:
      "The least important messages that are shown. amphis prints from `info` up where nothing is given. Once it is given it is also the level of Python's root logger, as long as the app configures no logging of its own; see [Logging](#logging).",
  },
  'log-config': {
    group: 'logging',
    type: 'path',
    placeholder: 'FILE',
    description: 'for Python logging: .ini, .json or .yaml',
    details:
      "File that configures Python's `logging` before the app is imported: `.json` and `.yaml` (which needs PyYAML) as for `logging.config.dictConfig`, any other as for `fileConfig`.",
  },
  'access-log': {
    group: 'logging',
    type: 'switch',
    default: 'on',
    description: 'a line for each request',
    details: 'A line for each request that was answered.',
  },
  'log-format': {
    group: 'logging',
    type: 'text',
    choices: ['text', 'json'],
    default: 'text',
    description: 'how lines of the log are written',
    details: 'How amphis writes its lines: `text` for people, `json` (an object a line) for collectors of logs.',
  },
  workers: {
    group: 'production',
    type: 'count',
    default: '1',
    env: 'WEB_CONCURRENCY',
    description: 'processes that serve',
    details:
      'How many processes serve, each with a Python of its own. As many as there are processors is a good number for production.',
  },
  'limit-concurrency': {
    group: 'production',
    type: 'count',
    description: 'most requests at a time; others get a 503',
    details:
      'Most requests and WebSockets at a time, for each worker; what is beyond gets a 503 with `retry-after`. No limit by default.',
  },
  'limit-max-requests': {
    group: 'production',
    type: 'count',
    description: 'requests after which a worker is replaced',
    details: 'After so many requests a worker ends in good order and another takes its place. No limit by default.',
  },
  'max-body-size': {
    group: 'production',
    type: 'bytes',
    description: 'a larger request gets a 413',
    details:
      "Most bytes of a request's body; a larger one gets a 413 before the app has seen the excess. No limit by default.",
  },
  pathsend: {
    group: 'production',
    type: 'switch',
    default: 'off',
    description: 'let apps hand files to Node (ASGI pathsend)',
    details:
      'Offers apps `http.response.pathsend`: Starlette and others then name a file, which Node sends without Python. Middleware of the app that knows only `http.response.body` does not see such responses: some passes them by without compressing them, some loses them.',
  },
  'max-header-size': {
    group: 'production',
    type: 'bytes',
    least: 1024,
    most: 2 ** 30,
    default: '65536',
    description: 'most bytes of the head of a request',
    details:
      'Most bytes of the head of a request, its line and its headers together. A larger one gets a 431, and over HTTP/2 the end of its stream; it does not reach the app.',
  },
  'timeout-headers': {
    group: 'production',
    type: 'seconds',
    default: '20',
    description: 'for the head of a request; 0 for ever',
    details:
      'How long the head of a request may take, of HTTP/1.1, from its first byte or the beginning of the connection. One that takes longer gets a 408. `0` is for ever.',
  },
  'timeout-keep-alive': {
    group: 'production',
    type: 'seconds',
    default: '5',
    description: 'for an idle connection',
    details: 'How long an idle connection is kept open.',
  },
  'timeout-graceful-shutdown': {
    group: 'production',
    type: 'seconds',
    default: '10',
    description: 'for open requests at the end',
    details: 'How long open requests may go on once the server is to stop. Then their tasks are cancelled.',
  },
  'timeout-streams': {
    group: 'production',
    type: 'seconds',
    description: 'for open streams at the end (as requests)',
    details:
      'How long responses may go on once the server is to stop that have begun and have no `content-length`: streams, which may never end by themselves. Those of `text/event-stream` are told `http.disconnect` at once. By default, and at most, as long as `timeout-graceful-shutdown`.',
  },
  'timeout-request': {
    group: 'production',
    type: 'seconds',
    default: '0',
    description: 'until a request gets a 504; 0 for none',
    details: 'How long a request may take until its task is cancelled and the client gets a 504. `0` is no limit.',
  },
  'timeout-startup': {
    group: 'production',
    type: 'seconds',
    default: '0',
    description: "for the app's startup; 0 for none",
    details: "How long the app's startup may take before amphis gives up with exit code 1. `0` is no limit.",
  },
  'timeout-worker-healthcheck': {
    group: 'production',
    type: 'seconds',
    default: '5',
    description: 'until a worker that hangs is replaced',
    details:
      'How long the event loops of a worker, that of Node.js and that of Python, may leave a question unanswered before the worker is killed and replaced. `0` is no check.',
  },
  'health-path': {
    group: 'production',
    type: 'text',
    form: URL_PATH,
    placeholder: 'PATH',
    description: 'answers 200 while the process lives',
    details:
      'Path that amphis itself answers with 200 as long as the process lives, whatever the app does. None by default.',
  },
  'ready-path': {
    group: 'production',
    type: 'text',
    form: URL_PATH,
    placeholder: 'PATH',
    description: 'answers 200 while the app takes requests',
    details:
      'Path that amphis itself answers with 200 while the app takes requests, and with 503 before its startup and once it is to stop. None by default.',
  },
  'proxy-headers': {
    group: 'headers',
    type: 'switch',
    default: 'on',
    description: 'X-Forwarded-* set client and scheme',
    details:
      '`X-Forwarded-For` and `X-Forwarded-Proto` of a trusted proxy set the `client` and the `scheme` of the app.',
  },
  'forwarded-allow-ips': {
    group: 'headers',
    type: 'text',
    form: PEERS,
    joined: true,
    placeholder: 'LIST',
    default: '127.0.0.1,::1',
    env: 'FORWARDED_ALLOW_IPS',
    description: 'proxies to trust',
    details:
      'The proxies to trust, separated by commas: IP addresses, networks such as `10.0.0.0/8`, names such as `unix:`, or `*` for anybody, which is what a proxy on a Unix socket needs. Empty for none.',
  },
  header: {
    group: 'headers',
    type: 'text',
    form: HEADER,
    repeatable: true,
    placeholder: 'NAME:VALUE',
    description: 'header of every response',
    details:
      'A header of every response, as `name:value`. It replaces `server` and `date` of amphis, and never a header that the app sends. Can be given more than once.',
  },
  'server-header': {
    group: 'headers',
    type: 'switch',
    default: 'on',
    description: '"server: amphis"',
    details: '`server: amphis` in responses in which the app names no server.',
  },
  'date-header': {
    group: 'headers',
    type: 'switch',
    default: 'on',
    description: 'the date of a response',
    details: 'The `date` in responses in which the app gives none.',
  },
  'ssl-certfile': {
    group: 'tls',
    type: 'path',
    placeholder: 'FILE',
    description: 'certificate chain in PEM: serves HTTPS',
    details: 'Certificate chain in PEM. It makes the server one of HTTPS.',
  },
  'ssl-keyfile': {
    group: 'tls',
    type: 'path',
    placeholder: 'FILE',
    description: 'its private key (in the file of the certificate)',
    details: 'Private key of the certificate, in PEM. By default it is looked for in the file of the certificate.',
  },
  'ssl-keyfile-password': {
    group: 'tls',
    type: 'text',
    placeholder: 'TEXT',
    description: 'password of the private key',
    details:
      'Password of the private key. Others on the machine can read a command line: rather use the environment variable.',
  },
  'ssl-ca-certs': {
    group: 'tls',
    type: 'path',
    placeholder: 'FILE',
    description: 'authorities of client certificates, in PEM',
    details: 'Authorities that client certificates have to be signed by, in PEM.',
  },
  'ssl-cert-reqs': {
    group: 'tls',
    type: 'text',
    choices: ['0', '1', '2'],
    default: '0',
    description: 'client certificates: no, optional, required',
    details:
      "Whether clients need a certificate, by the numbers of Python's `ssl`: `0` no, `1` optional (but then a trusted one), `2` required.",
  },
  http2: {
    group: 'tls',
    type: 'switch',
    default: 'off',
    description: 'HTTP/2, beside HTTP/1.1 with a certificate',
    details: 'HTTP/2. With a certificate HTTP/1.1 goes on beside it; without one HTTP/2 is all there is (h2c).',
  },
  'ws-max-size': {
    group: 'websocket',
    type: 'bytes',
    least: 1,
    most: 2 ** 31 - 1,
    default: '16777216',
    description: 'most bytes of a message',
    details: 'Most bytes of a WebSocket message; a larger one closes the WebSocket with 1009.',
  },
  'ws-max-queue': {
    group: 'websocket',
    type: 'count',
    default: '32',
    description: 'most messages that wait for the app',
    details: "Most WebSocket messages that wait for the app before the client's socket is no longer read.",
  },
  'ws-ping-interval': {
    group: 'websocket',
    type: 'seconds',
    default: '20',
    description: 'between two pings; 0 for none',
    details: 'Time between two pings of a WebSocket. `0` is none.',
  },
  'ws-ping-timeout': {
    group: 'websocket',
    type: 'seconds',
    default: '20',
    description: 'for the answer to a ping; 0 for ever',
    details: 'How long the answer to a ping may take before the connection is ended. `0` is for ever.',
  },
  'ws-close-timeout': {
    group: 'websocket',
    type: 'seconds',
    default: '10',
    description: 'for the answer to a close',
    details: 'How long the answer to the close of a WebSocket may take before its connection is ended.',
  },
  'ws-per-message-deflate': {
    group: 'websocket',
    type: 'boolean',
    default: 'false',
    description: 'compression',
    details: 'Compresses WebSocket messages where the client offers it. It costs memory and time for each connection.',
  },
  version: {
    group: 'help',
    type: 'flag',
    short: 'v',
    description: 'versions of amphis, Node.js and Python',
    details: 'Prints the versions of amphis, Node.js and Python, and which Python is found.',
  },
  help: {
    group: 'help',
    type: 'flag',
    short: 'h',
    description: 'this help',
    details: 'Prints the options.',
  },
} as const satisfies Record<string, OptionSpec>

type Specs = typeof specs

type One<Spec extends OptionSpec> = Spec['type'] extends 'flag' | 'switch' | 'boolean'
  ? boolean
  : Spec['type'] extends 'port' | 'count' | 'bytes' | 'seconds'
    ? number
    : Spec extends { choices: readonly (infer Choice)[] }
      ? Choice
      : string

type Value<Spec extends OptionSpec> = Spec extends { repeatable: true } ? readonly One<Spec>[] : One<Spec>

type IsAlwaysThere = { type: 'flag' } | { default: string } | { repeatable: true }

/** The value of every option; those without a default may be undefined, a repeatable one is a list, maybe empty. */
export type OptionValues = {
  -readonly [Name in keyof Specs]: Value<Specs[Name]> | (Specs[Name] extends IsAlwaysThere ? never : undefined)
}

type CamelCase<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : Name

type NumberOf<Text> = Text extends `${infer Number extends number}` ? Number : never

type Configured<Spec extends OptionSpec> = Spec extends { repeatable: true } | { joined: true }
  ? readonly One<Spec>[] | (Spec extends { joined: true } ? string : never)
  : One<Spec> | NumberOf<One<Spec>>

/** The options in `amphis.config.js`, or under the key `amphis` of package.json; times are in seconds. */
export type AmphisConfig = {
  [Name in keyof Specs as Specs[Name]['type'] extends 'flag' ? never : CamelCase<Name>]?:
    Configured<Specs[Name]> | undefined
} & {
  /** `module:attribute` */
  app?: string | undefined
}

export const OPTIONS: Readonly<Record<string, OptionSpec>> = specs

/** The app, which is not an option but given in the same places. */
export const APP: OptionSpec = {
  group: 'app',
  type: 'text',
  form: { called: 'module:attribute, such as main:app', fits: isAppTarget },
  description: 'the app to serve',
  details: 'The app: `module:attribute`, both of which may be dotted.',
}

/** What one source says; the rest is left to others. */
export interface Given {
  app?: string | undefined
  options: Partial<OptionValues>
}

/** Whether it can stand in the environment and in files of configuration, not on the command line alone. */
export function isSetting({ type }: OptionSpec): boolean {
  return type !== 'flag'
}

/** The environment variable of an option, or of `app`. */
export function variableOf(name: string): string {
  return `AMPHIS_${name.replaceAll('-', '_').toUpperCase()}`
}

/** The key of an option in a file of configuration. */
export function keyOf(name: string): string {
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** Name and value of what is written as `name:value`; without a colon it is no header. */
export function splitHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(':')
  return colon === -1 ? ['', ''] : [text.slice(0, colon), text.slice(colon + 1).trim()]
}

/** What commas separate; nothing is empty. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

const PLACEHOLDERS: Partial<Record<OptionSpec['type'], string>> = {
  count: 'N',
  bytes: 'BYTES',
  seconds: 'SECONDS',
  boolean: 'true|false',
}

/** What stands for an option's value, such as `PORT` or `auto|on|off`; nothing for a flag. */
export function placeholderOf({ type, placeholder, choices }: OptionSpec): string {
  return placeholder ?? choices?.join('|') ?? PLACEHOLDERS[type] ?? ''
}

/** Whether it is written without a value. */
export function isBare({ type }: OptionSpec): boolean {
  return type === 'flag' || type === 'switch'
}
