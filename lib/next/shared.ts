// What the configuration of Next.js and its route handlers have in common. They are loaded apart, and route handlers again
// and again in development.
import type { PythonHandler } from '../python-handler.js'
import { wrongArgument, type AmphisError } from '../base/errors.js'
import { unknownOption } from '../base/nearest.js'

/** A handler, and the options that it was made with, as text. */
export interface Made {
  readonly madeFrom: string
  readonly python: PythonHandler
}

interface Shared {
  /** Of the configuration that was loaded in this process. */
  basePath: string | undefined
  /** By the prefix of the mount. */
  readonly handlers: Map<string, Made>
}

const KEY = Symbol.for('amphis.next')

/** One for the process, whichever copy of this file asks. */
export function shared(): Shared {
  const everywhere = globalThis as { [KEY]?: Shared }
  return (everywhere[KEY] ??= { basePath: undefined, handlers: new Map() })
}

/** Where Next.js itself is mounted, which it cuts off the URLs that route handlers see. */
export function basePath(): string {
  return shared().basePath ?? standaloneBasePath() ?? ''
}

/** The server of `output: 'standalone'` loads no configuration: what it was built with is in its environment. */
function standaloneBasePath(): string | undefined {
  try {
    const { basePath: path } = JSON.parse(process.env['__NEXT_PRIVATE_STANDALONE_CONFIG'] ?? '{}') as {
      basePath?: unknown
    }
    return typeof path === 'string' ? path : undefined
  } catch {
    return undefined
  }
}

/** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS` */
export function checkNames(options: unknown, known: readonly string[], of: string): void {
  if (typeof options !== 'object' || options === null) {
    throw wrong(`The options of ${of} are an object, such as { prefix: '/api' }.`)
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw wrong(unknownOption(name, known, ` of ${of}`))
    }
  }
}

/** @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS` */
export function checkPath(path: unknown, name: string): string {
  if (typeof path !== 'string' || !/^(?:\/[^*:?#[\]()]*)?$/.test(path)) {
    throw wrong(`${name} must be a path such as '/api', but it is ${JSON.stringify(path)}.`)
  }
  return path.replace(/\/+$/, '')
}

export function wrong(message: string): AmphisError {
  return wrongArgument('AMPHIS_ERR_INVALID_OPTIONS', message)
}
