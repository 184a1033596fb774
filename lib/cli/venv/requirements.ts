import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileProblem } from '../errors/file-problem.js'
import { ServeError } from '../errors/serve-error.js'
import { shown } from '../text/shown.js'
import type { Environment } from './environment.js'
import { runProgram } from './run-program.js'

/** Within the environment, so that it goes when the environment goes: what was installed from which file. */
const STAMP = 'amphis-requirements.json'

/** `absent`: there is no such file. `manual`: the Python has no environment of its own. */
export type Installation = 'installed' | 'unchanged' | 'absent' | 'manual'

/**
 * Installs a file of requirements, unless it is as it was when it was installed last.
 *
 * @param isAsked whether it has to be there
 * @throws {ServeError} when pip cannot
 */
export async function installRequirements(
  environment: Environment,
  file: string,
  isAsked: boolean,
): Promise<Installation> {
  const { folder, called } = environment
  const wanted = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && !isAsked) return undefined
    throw new ServeError(`${fileProblem(shown(file), error)} Name the app's requirements with --requirements.`)
  })
  if (wanted === undefined) return 'absent'
  if (folder === undefined) {
    console.log(`${called} is no virtual environment: installing ${shown(file)} is left to you.`)
    return 'manual'
  }
  const stamp = join(folder, STAMP)
  const installed = await readStamp(stamp)
  const hash = createHash('sha256').update(wanted).digest('hex')
  if (installed[file] === hash) return 'unchanged'
  console.log(`Installing ${shown(file)} into ${called}`)
  const { code, output } = await install(environment, file)
  if (code !== 0) throw new ServeError(pipProblem(output, environment, file))
  await writeFile(stamp, JSON.stringify({ ...installed, [file]: hash }))
  return 'installed'
}

async function readStamp(path: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  } catch {
    return {}
  }
}

async function install({ executable, folder, called }: Environment, file: string): ReturnType<typeof runProgram> {
  const cwd = dirname(file)
  const { code: hasPip } = await runProgram(executable, ['-c', 'import pip'], cwd)
  if (hasPip === 0) {
    const plainly = [
      '--disable-pip-version-check',
      '--no-input',
      ...(process.stdout.isTTY ? [] : ['--progress-bar=off']),
    ]
    return runProgram(executable, ['-m', 'pip', 'install', ...plainly, '-r', file], cwd, 'all')
  }
  try {
    // An environment that uv has made has no pip.
    return await runProgram('uv', ['pip', 'install', '--python', executable, '-r', file], cwd, 'all')
  } catch (error) {
    const remedy = `Install uv, or remove ${folder} and let amphis make it.`
    throw new ServeError(`${called} has no pip, and there is no uv on PATH. ${remedy}`, { cause: error })
  }
}

function pipProblem(output: string, { executable }: Environment, file: string): string {
  if (
    /NewConnectionError|NameResolutionError|name resolution|ConnectTimeout|error sending request|dns error/.test(output)
  ) {
    return `No package index can be reached, so ${shown(file)} is not installed. Check the network, or the proxy in HTTPS_PROXY.`
  }
  return `${shown(file)} could not be installed for ${executable}; why stands above. Correct the file.`
}
