/** An option of the command line. The parser and the help are both made from it. */
export interface OptionSpec {
  /** A flag has no value; a port is a number from 0 to 65535. */
  readonly type: 'flag' | 'text' | 'port'
  readonly short?: string
  /** What stands for the value in the help. */
  readonly placeholder?: string
  /** The only values there are. */
  readonly choices?: readonly string[]
  readonly default?: string
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

type Value<Spec extends OptionSpec> = Spec['type'] extends 'flag'
  ? boolean
  : Spec['type'] extends 'port'
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

/** What stands for an option's value, such as `PORT` or `auto|on|off`; nothing for a flag. */
export function placeholderOf({ placeholder, choices }: OptionSpec): string {
  return placeholder ?? choices?.join('|') ?? ''
}
