import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { fileProblem } from '../errors/file-problem.js'
import { ServeError } from '../errors/serve-error.js'

/**
 * Adds the variables of a file, in the form of `.env`, to an environment; those that it has already keep their values.
 *
 * @throws {ServeError} when the file cannot be read
 */
export function loadEnvFile(path: string, env: NodeJS.ProcessEnv): void {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ServeError(`${fileProblem(path, error)} Name a file of environment variables with --env-file.`, {
      cause: error,
    })
  }
  for (const [name, value] of Object.entries(parseEnv(text))) env[name] ??= value
}
