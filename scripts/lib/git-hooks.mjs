import { existsSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { run } from './run.mjs'

/** Points git at `.githooks`, unless the person has hooks of their own or there is no repository. */
export async function enableGitHooks() {
  if (process.env.CI || !existsSync(inRoot('.git'))) return
  const { code, output } = await run('git', ['config', 'core.hooksPath'], { quiet: true })
  if (code === 1 && output.trim() === '') await run('git', ['config', 'core.hooksPath', '.githooks'], { quiet: true })
}
