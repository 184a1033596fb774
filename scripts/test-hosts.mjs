// npm run test:hosts [-- next.host.ts --match='*HMR*']: the tests on hosts, bundlers and test runners that take too long
// for npm test. Files and options are ava's.
import { avaTotals } from './lib/test-totals.mjs'
import { avaArguments } from './lib/checks.mjs'
import { slowHostPackages } from './lib/node-packages.mjs'
import { inRoot } from './lib/paths.mjs'
import { main } from './lib/problem.mjs'
import { closingLine, runAll, summarise } from './lib/report.mjs'
import { run } from './lib/run.mjs'
import { say } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'

await main(async () => {
  await setUp()
  await complete(slowHostPackages)
  const [program = '', ...args] = avaArguments(process.argv.slice(2))
  const outcomes = await runAll([
    {
      name: 'hosts',
      // Their settings are in the package.json there.
      run: () => run(process.execPath, [inRoot(program), ...args], { cwd: inRoot('__test__/hosts') }),
      totals: avaTotals,
    },
  ])
  summarise(outcomes)
  say(`\n${closingLine(outcomes)}`)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
