// npm run lint: formatters, linters and compilers of all three languages. With --staged, as the git hook calls it, only
// what needs no compiler, on the files about to be committed.
import { lintChecks, quickChecksOf } from './lib/checks.mjs'
import { main } from './lib/problem.mjs'
import { runAll, summarise } from './lib/report.mjs'
import { run } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

async function stagedFiles() {
  const { output } = await run('git', ['diff', '--cached', '--name-only', '--diff-filter=ACMR', '-z'], { quiet: true })
  return output.split('\0').filter(Boolean)
}

await main(async () => {
  const staged = process.argv.includes('--staged')
  if (!staged) await setUp()
  const outcomes = await runAll(staged ? quickChecksOf(await stagedFiles()) : lintChecks)
  if (!staged || outcomes.some(({ ok }) => !ok)) summarise(outcomes)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
