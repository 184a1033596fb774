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

/** An option. The parser, the help, the docs and the types of config files are all made from it. */
export interface OptionSpec {
  readonly group: keyof typeof GROUPS
  /**
   * A flag has no value and stands on the command line only; a switch has none either, but an opposite (`--no-…`). A
   * path is relative to the working directory, or to the file of configuration that it stands in.
   */
  readonly type: 'flag' | 'switch' | 'boolean' | 'text' | 'path' | 'port' | 'count' | 'bytes' | 'seconds'
  readonly short?: string
  /** What stands for the value in the help. */
  readonly placeholder?: string
  /** The only values there are. */
  readonly choices?: readonly string[]
  /** The smallest number, where it is not that of the type. */
  readonly least?: number
  /** Can be given more than once: its value is a list. */
  readonly repeatable?: true
  /** Written as on the command line; a switch is `on` or `off`. */
  readonly default?: string
  /** A second environment variable that stands in for it, after `AMPHIS_…`. */
  readonly env?: string
  /** For the help: what fits beside the name. */
  readonly description: string
}

const specs = {
  host: {
    group: 'address',
    type: 'text',
    placeholder: 'HOST',
    default: '127.0.0.1',
    description: 'address to listen on; 0.0.0.0 or :: for all',
  },
  port: {
    group: 'address',
    type: 'port',
    placeholder: 'PORT',
    default: '8000',
    description: 'port to listen on; 0 for any that is free',
  },
  uds: {
    group: 'address',
    type: 'path',
    placeholder: 'PATH',
    description: 'Unix socket, in place of host and port',
  },
  fd: {
    group: 'address',
    type: 'count',
    least: 0,
    placeholder: 'NUMBER',
    description: 'file descriptor of a socket that listens',
  },
  'app-dir': {
    group: 'app',
    type: 'path',
    placeholder: 'DIR',
    default: '.',
    description: 'folder that the module is imported from',
  },
  factory: {
    group: 'app',
    type: 'switch',
    default: 'off',
    description: 'APP is a function that returns the app',
  },
  interface: {
    group: 'app',
    type: 'text',
    choices: ['auto', 'asgi', 'wsgi'],
    default: 'auto',
    description: 'kind of app',
  },
  'root-path': {
    group: 'app',
    type: 'text',
    placeholder: 'PATH',
    default: '',
    description: 'path under which a proxy serves the app',
  },
  lifespan: {
    group: 'app',
    type: 'text',
    choices: ['auto', 'on', 'off'],
    default: 'auto',
    description: 'startup and shutdown events',
  },
  loop: {
    group: 'app',
    type: 'text',
    choices: ['auto', 'uvloop', 'asyncio'],
    default: 'auto',
    description: 'event loop',
  },
  python: {
    group: 'app',
    type: 'path',
    placeholder: 'PATH',
    description: 'interpreter or environment (the nearest)',
  },
  'env-file': {
    group: 'app',
    type: 'path',
    placeholder: 'FILE',
    description: 'environment variables for the app, as in .env',
  },
  reload: {
    group: 'development',
    type: 'switch',
    default: 'off',
    description: 'restart when a file changes',
  },
  'reload-dir': {
    group: 'development',
    type: 'path',
    repeatable: true,
    placeholder: 'DIR',
    description: 'folder to watch (the working directory)',
  },
  'reload-include': {
    group: 'development',
    type: 'text',
    repeatable: true,
    placeholder: 'GLOB',
    description: 'files to watch besides *.py',
  },
  'reload-exclude': {
    group: 'development',
    type: 'text',
    repeatable: true,
    placeholder: 'GLOB',
    description: 'files and folders not to watch',
  },
  'reload-delay': {
    group: 'development',
    type: 'seconds',
    default: '0.05',
    description: 'quiet time after a change',
  },
  debug: {
    group: 'development',
    type: 'switch',
    default: 'off',
    description: 'show errors of the app in the browser',
  },
  'log-level': {
    group: 'logging',
    type: 'text',
    choices: ['critical', 'error', 'warning', 'info', 'debug', 'trace'],
    placeholder: 'LEVEL',
    description: 'critical, error, warning, info, debug, trace',
  },
  'log-config': {
    group: 'logging',
    type: 'path',
    placeholder: 'FILE',
    description: 'for Python logging: .ini, .json or .yaml',
  },
  'access-log': {
    group: 'logging',
    type: 'switch',
    default: 'on',
    description: 'a line for each request',
  },
  'log-format': {
    group: 'logging',
    type: 'text',
    choices: ['text', 'json'],
    default: 'text',
    description: 'how lines of the log are written',
  },
  workers: {
    group: 'production',
    type: 'count',
    default: '1',
    env: 'WEB_CONCURRENCY',
    description: 'processes that serve',
  },
  'limit-concurrency': {
    group: 'production',
    type: 'count',
    description: 'most requests at a time; others get a 503',
  },
  'limit-max-requests': {
    group: 'production',
    type: 'count',
    description: 'requests after which a worker is replaced',
  },
  'max-body-size': {
    group: 'production',
    type: 'bytes',
    description: 'a larger request gets a 413',
  },
  'timeout-keep-alive': {
    group: 'production',
    type: 'seconds',
    default: '5',
    description: 'for an idle connection',
  },
  'timeout-graceful-shutdown': {
    group: 'production',
    type: 'seconds',
    default: '10',
    description: 'for open requests at the end',
  },
  'timeout-request': {
    group: 'production',
    type: 'seconds',
    default: '0',
    description: 'until a request gets a 504; 0 for none',
  },
  'timeout-startup': {
    group: 'production',
    type: 'seconds',
    default: '0',
    description: "for the app's startup; 0 for none",
  },
  'timeout-worker-healthcheck': {
    group: 'production',
    type: 'seconds',
    default: '5',
    description: 'until a worker that hangs is replaced',
  },
  'health-path': {
    group: 'production',
    type: 'text',
    placeholder: 'PATH',
    description: 'answers 200 while the process lives',
  },
  'ready-path': {
    group: 'production',
    type: 'text',
    placeholder: 'PATH',
    description: 'answers 200 while the app takes requests',
  },
  'proxy-headers': {
    group: 'headers',
    type: 'switch',
    default: 'on',
    description: 'X-Forwarded-* set client and scheme',
  },
  'forwarded-allow-ips': {
    group: 'headers',
    type: 'text',
    placeholder: 'LIST',
    default: '127.0.0.1,::1',
    env: 'FORWARDED_ALLOW_IPS',
    description: 'proxies to trust',
  },
  header: {
    group: 'headers',
    type: 'text',
    repeatable: true,
    placeholder: 'NAME:VALUE',
    description: 'header of every response',
  },
  'server-header': {
    group: 'headers',
    type: 'switch',
    default: 'on',
    description: '"server: amphis"',
  },
  'date-header': {
    group: 'headers',
    type: 'switch',
    default: 'on',
    description: 'the date of a response',
  },
  'ssl-certfile': {
    group: 'tls',
    type: 'path',
    placeholder: 'FILE',
    description: 'certificate chain in PEM: serves HTTPS',
  },
  'ssl-keyfile': {
    group: 'tls',
    type: 'path',
    placeholder: 'FILE',
    description: 'its private key (in the file of the certificate)',
  },
  'ssl-keyfile-password': {
    group: 'tls',
    type: 'text',
    placeholder: 'TEXT',
    description: 'password of the private key',
  },
  'ssl-ca-certs': {
    group: 'tls',
    type: 'path',
    placeholder: 'FILE',
    description: 'authorities of client certificates, in PEM',
  },
  'ssl-cert-reqs': {
    group: 'tls',
    type: 'text',
    choices: ['0', '1', '2'],
    default: '0',
    description: 'client certificates: no, optional, required',
  },
  http2: {
    group: 'tls',
    type: 'switch',
    default: 'off',
    description: 'HTTP/2, beside HTTP/1.1 with a certificate',
  },
  'ws-max-size': {
    group: 'websocket',
    type: 'bytes',
    default: '16777216',
    description: 'most bytes of a message',
  },
  'ws-max-queue': {
    group: 'websocket',
    type: 'count',
    default: '32',
    description: 'most messages that wait for the app',
  },
  'ws-ping-interval': {
    group: 'websocket',
    type: 'seconds',
    default: '20',
    description: 'between two pings; 0 for none',
  },
  'ws-ping-timeout': {
    group: 'websocket',
    type: 'seconds',
    default: '20',
    description: 'for the answer to a ping; 0 for ever',
  },
  'ws-per-message-deflate': {
    group: 'websocket',
    type: 'boolean',
    default: 'false',
    description: 'compression',
  },
  version: {
    group: 'help',
    type: 'flag',
    short: 'v',
    description: 'versions of amphis, Node.js and Python',
  },
  help: {
    group: 'help',
    type: 'flag',
    short: 'h',
    description: 'this help',
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

export const OPTIONS: Readonly<Record<string, OptionSpec>> = specs

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
