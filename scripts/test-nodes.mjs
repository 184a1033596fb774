// npm run test:nodes [-- 24 __test__/handler.spec.ts]: ava on each major of Node.js besides the one at hand. Majors and
// test files narrow it down; other options are ava's.
import { avaOn } from './lib/checks.mjs'
import { engine, targetOf } from './lib/engine.mjs'
import { installedNode, nodeMajors, nodeRelease } from './lib/node-releases.mjs'
import { main } from './lib/problem.mjs'
import { closingLine, runAll, summarise } from './lib/report.mjs'
import { say } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'
import { avaTotals } from './lib/test-totals.mjs'

await main(async () => {
  const words = process.argv.slice(2)
  const asked = nodeMajors.filter((major) => words.includes(major))
  const majors = asked.length > 0 ? asked : nodeMajors
  const args = words.filter((word) => !nodeMajors.includes(word))

  await setUp()
  await complete(majors.map(nodeRelease))
  const nodes = await Promise.all(majors.map(installedNode))
  const targets = await Promise.all(nodes.map(({ program }) => targetOf(program)))
  await complete(targets.map(engine))
  const outcomes = await runAll(
    nodes.map(({ program, version, env }) => ({
      name: `Node.js ${version}`,
      run: () => avaOn(program, args, env),
      totals: avaTotals,
    })),
  )
  summarise(outcomes)
  say(`\n${closingLine(outcomes)}`)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
