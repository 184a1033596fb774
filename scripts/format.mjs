// npm run format: rewrites all sources in the project's style, and mends what the linters can mend by themselves.
import { formatters } from './lib/checks.mjs'
import { main } from './lib/problem.mjs'
import { runAll, summarise } from './lib/report.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  await setUp()
  const outcomes = await runAll(formatters)
  summarise(outcomes)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
