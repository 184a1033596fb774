// npm test: sets up what is missing, then checks and tests everything there is.
import { lintChecks, testChecks } from './lib/checks.mjs'
import { main } from './lib/problem.mjs'
import { closingLine, runAll, summarise } from './lib/report.mjs'
import { say } from './lib/say.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  await setUp()
  const outcomes = await runAll([...lintChecks, ...testChecks])
  summarise(outcomes)
  say(`\n${closingLine(outcomes)}`)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
