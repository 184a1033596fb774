// Runs the program in Python that says what a module offers.
import { spawn } from 'node:child_process'
import { pythonProgramOf } from '../package-root.js'

/** What it said, or how it ended without a word. */
export type Answer<Description> = { description: Description } | { ended: string }

export interface DescriberSettings {
  /** The interpreter. */
  executable: string
  cwd: string
  env?: NodeJS.ProcessEnv | undefined
  /** Options of the interpreter's own. */
  flags?: readonly string[]
}

/** Runs it with these arguments; what the module prints goes to standard error. */
export function runDescriber<Description>(
  { executable, cwd, env = process.env, flags = [] }: DescriberSettings,
  args: readonly string[],
): Promise<Answer<Description>> {
  return new Promise((resolve, reject) => {
    const child = spawn(executable, [...flags, pythonProgramOf('amphis_describe'), ...args], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (output !== '') resolve({ description: JSON.parse(output) as Description })
      else resolve({ ended: signal === null ? `exit code ${code}` : signal })
    })
  })
}
