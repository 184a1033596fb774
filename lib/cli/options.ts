/** An option of the command line. The parser and the help are both made from it. */
export interface OptionSpec {
  /** A flag has no value, a switch has none either but an opposite (`--no-…`); the rest are texts and numbers. */
  readonly type: 'flag' | 'switch' | 'text' | 'port' | 'count' | 'bytes' | 'seconds'
  readonly short?: string
  /** What stands for the value in the help. */
  readonly placeholder?: string
  /** The only values there are. */
  readonly choices?: readonly string[]
  /** Written as on the command line; a switch is `on` or `off`. */
  readonly default?: string
  /** The environment variable that stands in for it. */
  readonly env?: string
  readonly description: string
}

const specs = {
  host: {
    type: 'text',
    placeholder: 'HOST',
    default: '127.0.0.1',
    description: 'address to listen on; 0.0.0.0 or :: for all',
  },
  port: {
    type: 'port',
    placeholder: 'PORT',
    default: '8000',
    description: 'port to listen on; 0 for any that is free',
  },
  uds: {
    type: 'text',
    placeholder: 'PATH',
    description: 'Unix socket to listen on, in place of host and port',
  },
  'app-dir': {
    type: 'text',
    placeholder: 'DIR',
    default: '.',
    description: 'folder that the module is imported from',
  },
  factory: {
    type: 'flag',
    description: 'APP is a function that returns the app',
  },
  'root-path': {
    type: 'text',
    placeholder: 'PATH',
    default: '',
    description: 'path under which a proxy serves the app',
  },
  lifespan: {
    type: 'text',
    choices: ['auto', 'on', 'off'],
    default: 'auto',
    description: 'whether the app has startup and shutdown events',
  },
  loop: {
    type: 'text',
    choices: ['auto', 'uvloop', 'asyncio'],
    default: 'auto',
    description: 'event loop; auto takes uvloop when it is installed',
  },
  python: {
    type: 'text',
    placeholder: 'PATH',
    description: 'interpreter or virtual environment (default: the nearest)',
  },
  'proxy-headers': {
    type: 'switch',
    default: 'on',
    description: "a trusted proxy's X-Forwarded-For and -Proto set client and scheme",
  },
  'forwarded-allow-ips': {
    type: 'text',
    placeholder: 'LIST',
    default: '127.0.0.1,::1',
    env: 'FORWARDED_ALLOW_IPS',
    description: 'proxies to trust: IP addresses, networks, or *',
  },
  'limit-concurrency': {
    type: 'count',
    description: 'most requests and WebSockets at a time; others get a 503',
  },
  'max-body-size': {
    type: 'bytes',
    description: "most bytes of a request's body; a larger one gets a 413",
  },
  'timeout-keep-alive': {
    type: 'seconds',
    default: '5',
    description: 'how long an idle connection is kept',
  },
  'timeout-graceful-shutdown': {
    type: 'seconds',
    default: '10',
    description: 'how long requests may go on at the end',
  },
  'timeout-request': {
    type: 'seconds',
    default: '0',
    description: 'how long a request may take until it gets a 504; 0 for ever',
  },
  'ssl-certfile': {
    type: 'text',
    placeholder: 'FILE',
    description: 'certificate chain in PEM: serves HTTPS',
  },
  'ssl-keyfile': {
    type: 'text',
    placeholder: 'FILE',
    description: 'its private key (default: in the file of the certificate)',
  },
  'ssl-keyfile-password': {
    type: 'text',
    placeholder: 'TEXT',
    description: 'password of the private key',
  },
  'ssl-ca-certs': {
    type: 'text',
    placeholder: 'FILE',
    description: 'authorities of client certificates, in PEM',
  },
  'ssl-cert-reqs': {
    type: 'text',
    choices: ['0', '1', '2'],
    default: '0',
    description: 'client certificates: 0 no, 1 optional, 2 required',
  },
  http2: {
    type: 'flag',
    description: 'HTTP/2, beside HTTP/1.1 where there is a certificate',
  },
  'ws-max-size': {
    type: 'bytes',
    default: '16777216',
    description: 'most bytes of a WebSocket message',
  },
  'ws-max-queue': {
    type: 'count',
    default: '32',
    description: 'most WebSocket messages that wait for the app',
  },
  'ws-ping-interval': {
    type: 'seconds',
    default: '20',
    description: 'time between two pings of a WebSocket; 0 for none',
  },
  'ws-ping-timeout': {
    type: 'seconds',
    default: '20',
    description: 'how long the answer to a ping may take; 0 for ever',
  },
  'ws-per-message-deflate': {
    type: 'text',
    choices: ['true', 'false'],
    default: 'false',
    description: 'whether WebSocket messages are compressed',
  },
  'server-header': {
    type: 'switch',
    default: 'on',
    description: '"server: amphis" in responses that name no server',
  },
  'date-header': {
    type: 'switch',
    default: 'on',
    description: 'the date in responses that give none',
  },
  version: {
    type: 'flag',
    short: 'v',
    description: 'print the versions of amphis, Node.js and Python',
  },
  help: {
    type: 'flag',
    short: 'h',
    description: 'print this help',
  },
} as const satisfies Record<string, OptionSpec>

type Specs = typeof specs

type Value<Spec extends OptionSpec> = Spec['type'] extends 'flag' | 'switch'
  ? boolean
  : Spec['type'] extends 'port' | 'count' | 'bytes' | 'seconds'
    ? number
    : Spec extends { choices: readonly (infer Choice)[] }
      ? Choice
      : string

/** The value of every option; those without a default may be undefined. */
export type OptionValues = {
  -readonly [Name in keyof Specs]:
    Value<Specs[Name]> | (Specs[Name] extends { type: 'flag' } | { default: string } ? never : undefined)
}

export const OPTIONS: Readonly<Record<string, OptionSpec>> = specs

const PLACEHOLDERS: Partial<Record<OptionSpec['type'], string>> = { count: 'N', bytes: 'BYTES', seconds: 'SECONDS' }

/** What stands for an option's value, such as `PORT` or `auto|on|off`; nothing for a flag. */
export function placeholderOf({ type, placeholder, choices }: OptionSpec): string {
  return placeholder ?? choices?.join('|') ?? PLACEHOLDERS[type] ?? ''
}

/** Whether it is written without a value. */
export function isBare({ type }: OptionSpec): boolean {
  return type === 'flag' || type === 'switch'
}
