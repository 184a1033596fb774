// Reads the configuration again, in a process of its own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { programOf } from '../../package-root.js'
import { type ErrorMessage, fromMessage } from '../errors/error-message.js'
import { ServeError } from '../errors/serve-error.js'
import type { Configuration } from '../options/configuration.js'
import type { Given } from '../options/table.js'

const PROGRAM = programOf('cli/reload/configure-child')

/** How amphis was started, for its configuration to be read anew. */
export interface Origin {
  commandLine: Given
  /** The environment before any file of variables was read. */
  env: NodeJS.ProcessEnv
}

/** What would be known if amphis were started now. */
export interface Anew {
  configuration: Configuration
  /** The environment with the variables of the file. */
  env: NodeJS.ProcessEnv
}

export type AnewMessage = Anew | { error: ErrorMessage }

/**
 * Reads the configuration in a process of its own: a file of configuration can be a module, which a process imports
 * only once, and which may change the environment.
 *
 * @throws {UsageError | ServeError} what is wrong with it
 */
export async function configureAnew({ commandLine, env }: Origin): Promise<Anew> {
  const child = fork(PROGRAM, [], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.send(commandLine, () => {})
  const answered = once(child, 'message').then(([message]) => message as AnewMessage)
  const ended = once(child, 'exit').then(() => undefined)
  const answer = await Promise.race([answered, ended])
  child.kill('SIGKILL')
  if (answer === undefined) throw new ServeError('The configuration could not be read: its process has ended.')
  if ('error' in answer) throw fromMessage(answer.error)
  return answer
}
